package config

import (
	"strings"
	"testing"
)

func TestGroups(t *testing.T) {
	two := `streams:
  - {name: a, url: "rtsp://10.0.0.1/x", group: sw}
  - {name: b, url: "rtsp://10.0.0.2/x", group: sw}
`
	tests := map[string]struct{ text, want string }{
		"good":              {two + "groups: [{name: sw, kind: switch}]\n", ""},
		"not declared":      {two, `kiosk.yaml:6:48: streams[0].group: there is no group "sw"; declare it under groups, as - {name: sw, kind: switch}`},
		"misspelt":          {two + "groups: [{name: swi, kind: switch}]\n", `streams[0].group: there is no group "sw"; did you mean swi?`},
		"another":           {two + "groups: [{name: rumah, kind: site}]\n", `there is no group "sw"; there are rumah`},
		"of one":            {strings.Replace(two, `2/x", group: sw`, `2/x"`, 1) + "groups: [{name: sw, kind: switch}]\n", `kiosk.yaml:8:17: groups[0].name: "sw" has 1 streams; write group: sw at two or more streams, or remove it`},
		"twice":             {two + "groups: [{name: sw, kind: switch}, {name: sw, kind: poe}]\n", "groups[1].name: the same as groups[0].name in line 8"},
		"unknown kind":      {two + "groups: [{name: sw, kind: hub}]\n", "groups[0].kind:"},
		"a name of our own": {two + "groups: [{name: sw, kind: poe}, {name: address-1, kind: poe}]\n", `groups[1].name: "address-1" is a name that the agent gives to a group of its own`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := Parse("kiosk.yaml", []byte(least+tt.text))
			switch {
			case tt.want == "" && err != nil:
				t.Fatal(err)
			case tt.want == "":
				if c.Groups[0].Kind != "switch" || c.Streams[1].Group != "sw" {
					t.Errorf("read %+v", c)
				}
			case err == nil || !strings.Contains(err.Error(), tt.want):
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
