package config

import "testing"

// TestUpdateDirOfProgram: the program that runs from a slot updates itself there,
// and no other does.
func TestUpdateDirOfProgram(t *testing.T) {
	for program, want := range map[string]string{
		"/var/lib/kentongan-firmware/slots/a/kentongan": "/var/lib/kentongan-firmware",
		"/srv/fw/slots/b/kentongan":                     "/srv/fw",
		"/srv/fw/slots/c/kentongan":                     "",
		"/usr/bin/kentongan":                            "",
		"/a/kentongan":                                  "",
		"kentongan":                                     "",
	} {
		if got := updateDirOf(program); got != want {
			t.Errorf("updateDirOf(%q) = %q, want %q", program, got, want)
		}
	}
}
