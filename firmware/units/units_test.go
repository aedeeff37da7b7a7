package units

import (
	"strings"
	"testing"
)

// TestPathsInTexts: the texts and the constants, which other programs use, name
// the same places.
func TestPathsInTexts(t *testing.T) {
	for name, wants := range map[string][]string{
		Main:                      {"ExecStartPre=+" + Launcher + " start\n", "ExecStart=" + Program + " run --config " + Config + "\n", "ConditionPathExists=" + Config + "\n", "User=" + User + "\n"},
		"kentongan-judge.service": {"ExecStart=" + Launcher + " judge -- ", "ReadWritePaths=" + UpdateDir + "\n"},
		"kentongan-apply.service": {"ExecStart=" + Launcher + " apply --from " + Data + "/incoming --offer " + Data + "/incoming/ready -- ", "ReadWritePaths=" + UpdateDir + " -" + Data + "/incoming\n"},
		"kentongan-apply.path":    {"PathExists=" + Data + "/incoming/ready\n"},
		OpenRC:                    {`command="` + Launcher + `"`, "--user " + User, "--incoming " + Data + "/incoming", "-- current/kentongan run --config " + Config},
		SysV:                      {"launcher=" + Launcher, "--user " + User, "--incoming " + Data + "/incoming", "current/kentongan run --config " + Config},
		Sysusers:                  {"u " + User + " - \"Kentongan agent\" " + Data + "\n"},
	} {
		for _, want := range wants {
			if !strings.Contains(Text(name), want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
	}
}
