// Package units holds the texts that make the agent a service: systemd's units,
// its user, the rules for devices, and scripts for OpenRC and SysV. The package
// and `kentongan install` use the same ones.
package units

import (
	"embed"
	"strings"
)

//go:embed files
var files embed.FS

// Main is the agent's own unit.
const Main = "kentongan.service"

// Units are systemd's, in the order in which they are installed.
var Units = []string{Main, "kentongan-judge.service", "kentongan-apply.service", "kentongan-apply.path"}

// The other texts.
const (
	Sysusers = "kentongan.sysusers"
	Rules    = "kentongan.rules"
	OpenRC   = "kentongan.openrc"
	SysV     = "kentongan.sysv"
)

// Where the texts say that things lie.
const (
	Launcher  = "/usr/lib/kentongan/kentongan-boot"
	UpdateDir = "/var/lib/kentongan-firmware"
	Program   = UpdateDir + "/current/kentongan"
	Config    = "/etc/kentongan/kentongan.yaml"
	Data      = "/var/lib/kentongan"
	User      = "kentongan"
)

// Text is one of them. It panics for a name that is not.
func Text(name string) string {
	b, err := files.ReadFile("files/" + name)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Groups are those whose devices the user uses, as systemd-sysusers reads them, for
// systems that have no such program.
func Groups() (groups []string) {
	for line := range strings.Lines(Text(Sysusers)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "m" && f[1] == User {
			groups = append(groups, f[2])
		}
	}
	return groups
}
