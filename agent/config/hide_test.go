package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestHideAndShow(t *testing.T) {
	const text = `# kios depan, password: rahasia1
device: kiosk-7   # ganti: hunter2
data: /tmp/x
uplink:
  acknowledge: broker
  brokers:
    - {url: "mqtt://127.0.0.1:1", username: ops, password: 'it''s hunter2'}
streams:
  - name: gate
    url: rtsp://admin:hunter2@192.0.2.7/live
    # the old one was rtsp://admin:geheim@192.0.2.7/
  - name: hall
    url: "rtsp://192.0.2.8/"
    username: ops
    password: "a \"b\" c"   # keep
  - {name: yard, url: rtsp://192.0.2.9/, username: ops, password: hunter2}
  - {name: weir, url: rtsp://192.0.2.11/, username: ops, password: 'bendung, {or} [not]'}
  - {name: pond, url: "rtsp://192.0.2.10/user=ops&password=kolam7&channel=1?pwd=kolam8"}   # kolam7
`
	shown, err := Hide([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter2", "rahasia1", "geheim", "admin", "kolam", "bendung", `\"b\"`} {
		if strings.Contains(string(shown), secret) {
			t.Errorf("%q is shown:\n%s", secret, shown)
		}
	}
	if strings.Count(string(shown), "\n") != strings.Count(text, "\n") || !strings.Contains(string(shown), "# keep") {
		t.Errorf("lines or comments are lost:\n%s", shown)
	}
	if _, err := Parse("x.yaml", shown); err != nil {
		t.Errorf("what is shown can't be checked: %v", err)
	}
	// One camera goes, another comes, before those whose secrets stay.
	edited := strings.Replace(string(shown), "streams:\n", "streams:\n  - {name: new, url: rtsp://192.0.2.1/}\n", 1)
	back, err := Show([]byte(edited), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse("x.yaml", back)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Parse("x.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Streams) != 6 {
		t.Fatalf("%d streams", len(got.Streams))
	}
	for i, s := range want.Streams {
		g := got.Streams[i+1]
		if must(t)(g.Password.Value()) != must(t)(s.Password.Value()) || g.Username != s.Username || g.URL != s.URL {
			t.Errorf("%s has lost its secret", s.Name)
		}
	}
	if must(t)(got.Uplink.Brokers[0].Password.Value()) != "it's hunter2" {
		t.Error("the broker has lost its password")
	}

	// Nor is one put in that is another's.
	if _, err = Show([]byte(strings.Replace(string(shown), "?pwd=", "?secret=", 1)), []byte(text)); err == nil {
		t.Error("a password that there is not was put in")
	}

	// A secret that there is not is told with its place.
	wrong := strings.Replace(string(shown), "name: gate", "name: tor", 1)
	_, err = Show([]byte(wrong), []byte(text))
	if ps, ok := errors.AsType[Problems](err); !ok || len(ps) != 1 || ps[0].Line != 10 || ps[0].Column != 10 {
		t.Errorf("%v, want one problem in line 10, column 10", err)
	}
}

func must(t *testing.T) func(string, error) string {
	return func(s string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// What can't be hidden to the letter is not shown at all.
func TestHideRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"a password over lines": "device: x\nuplink:\n  brokers:\n    - url: mqtt://h\n      password: |\n        hunter2\n",
		"a folded one":          "device: x\nuplink:\n  brokers:\n    - url: mqtt://h\n      password: hunter2\n        and more\n",
		"a text like a comment": "device: x\nsite: {name: \"a # password: b\"}\n",
	} {
		if out, err := Hide([]byte(text)); err == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// FuzzHide: whatever is hidden comes back as it was, and no password is in it.
func FuzzHide(f *testing.F) {
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("a: {password: 'it''s', url: 'x://u:p@h'} # p\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		out, err := Hide(text)
		if err != nil {
			return
		}
		back, err := Show(out, text)
		if err != nil || !same(back, text) {
			t.Fatalf("%q comes back as %q, %v", text, back, err)
		}
	})
}

// What a technician may not see he can't have sent to a machine of his own either.
func TestSecretGoesNowhereElse(t *testing.T) {
	const text = `uplink: {brokers: [{url: "mqtts://broker.example:8883", username: ops, password: hunter2}]}
streams:
  - {name: gate, url: "rtsp://admin:hunter3@192.0.2.7/live"}
  - {name: hall, url: "rtsp://192.0.2.8/?password=hunter4", username: ops, password: hunter5}
  - {name: yard, url: rtsp://192.0.2.9/, sub_url: rtsp://192.0.2.9/sub, snapshot_url: http://192.0.2.10/, username: ops, password: hunter6}
`
	shown, err := Hide([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		from, to, path string // "" is fine
	}{
		"another path":         {"192.0.2.7/live", "192.0.2.7/sub", ""},
		"another broker":       {"broker.example", "evil.example", "uplink.brokers[0].password"},
		"another port":         {":8883", ":1883", "uplink.brokers[0].password"},
		"without TLS":          {"mqtts://", "mqtt://", "uplink.brokers[0].password"},
		"another camera":       {"192.0.2.7", "203.0.113.1", "streams[gate].url"},
		"beside and in it":     {"192.0.2.8", "203.0.113.1", "streams[hall].url"},
		"under another's name": {"name: hall", "name: gat2", "streams[gat2].url"},
		"another sub stream":   {"name: hall,", "name: hall, sub_url: rtsp://203.0.113.1/,", "streams[hall].password"},
		"another snapshot":     {"name: hall,", "name: hall, snapshot_url: http://203.0.113.1/,", "streams[hall].password"},
		"another ONVIF":        {"name: hall,", "name: hall, onvif: {url: http://203.0.113.1/},", "streams[hall].password"},
		"beside the URL":       {"name: gate,", "name: gate, snapshot_url: http://203.0.113.1/,", "streams[gate].url"},
		"another of its own":   {"192.0.2.9/sub", "203.0.113.1/sub", "streams[yard].password"},
		"its own sub stream":   {"name: hall,", "name: hall, sub_url: rtsp://192.0.2.8/sub,", ""},
		"its own ONVIF":        {"name: hall,", "name: hall, onvif: {url: http://192.0.2.8/onvif/device_service},", ""},
		"its own pictures":     {"name: gate,", "name: gate, snapshot_url: http://192.0.2.7:8080/picture,", ""},
		"a camera's port":      {"url: rtsp://192.0.2.9/,", "url: rtsp://192.0.2.9:8554/,", "streams[yard].password"},
		"none any more":        {", snapshot_url: http://192.0.2.10/", "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			edited := strings.Replace(string(shown), tt.from, tt.to, 1)
			if edited == string(shown) {
				t.Fatal("the row changes nothing")
			}
			out, err := Show([]byte(edited), []byte(text))
			var bad Problems
			switch {
			case tt.path == "":
				if err != nil || !strings.Contains(string(out), "hunter3") {
					t.Errorf("%v:\n%s", err, out)
				}
			case !errors.As(err, &bad) || bad[0].Path != tt.path:
				t.Errorf("%v, want a problem at %s:\n%s", err, tt.path, out)
			}
		})
	}
}

// TestSecretsOfAnyCharacter: whatever a password in an address is made of, neither a
// comment nor a problem shows it.
func TestSecretsOfAnyCharacter(t *testing.T) {
	for _, c := range "!$&'()*+,;=:/?#[]@%<>^`{|}~-._" {
		secret := "zz" + string(c) + "PLANTED" + string(c) + "x"
		text := "device: k\n# was rtsp://u:" + secret + "@h/live\nstreams:\n  - name: a # http://" + secret + "@h/x\n    url: 'rtsp://u:" + strings.ReplaceAll(secret, "'", "''") + "@192.0.2.7/live'\n"
		if hidden := string(hideComments([]byte(text), nil)); strings.Contains(strings.ReplaceAll(hidden, "url: ", ""), "rtsp://u:zz") && strings.Contains(hidden, "# was rtsp://u:zz") || strings.Contains(hidden, "# http://zz") {
			t.Errorf("%q in a comment: %s", c, hidden)
		}
		c2, err := Parse("k.yaml", []byte(text))
		if said := fmt.Sprint(err, c2); strings.Contains(said, "PLANTED") {
			t.Errorf("%q in an address: %s", c, said)
		}
	}
}
