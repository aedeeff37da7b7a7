package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLicences: each module that is handed out has a licence that somebody accepted,
// and the reference says which. KENTONGAN_UPDATE=1 writes it again.
func TestLicences(t *testing.T) {
	all, err := users("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, no := range refused(all) {
		t.Error(no)
	}
	in := func(path, program string) bool {
		return slices.ContainsFunc(all, func(m user) bool { return m.Path == path && slices.Contains(m.programs, program) })
	}
	if !in("github.com/eclipse/paho.mqtt.golang", "kentongan") || !in("github.com/nats-io/nats-server/v2", "kentongan-centre") || !in("std", "kentongan-boot") || in("github.com/nats-io/nats-server/v2", "kentongan") {
		t.Errorf("%d modules, and not those that are known to be in the programs", len(all))
	}
	const file = "../../docs/reference/licences.md"
	page := licencesPage(all)
	if os.Getenv("KENTONGAN_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != page {
		t.Errorf("docs/reference/licences.md is not what the modules say (%v); run KENTONGAN_UPDATE=1 go test -C firmware/package -run TestLicences", err)
	}
	// What the programs themselves say is all among it, so that NOTICES, which is made
	// of that, has no other.
	built, err := union([]string{program(t, "kentongan"), program(t, "kentongan-boot")})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range built {
		if !slices.ContainsFunc(all, func(u user) bool { return u.id() == m.id() }) {
			t.Errorf("%s is in a program and not on the page", m.id())
		}
	}
}

// A licence that nobody accepted and one that is missing are found.
func TestForeignLicencesAreRefused(t *testing.T) {
	gpl, none, mit := t.TempDir(), t.TempDir(), t.TempDir()
	for dir, text := range map[string]string{
		gpl: "This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version.\n",
		mit: "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the \"Software\"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:\n\nThe above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.\n\nTHE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(none, "README"), []byte("all yours"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := licenceIn(none); err == nil {
		t.Error("a module without a licence is taken")
	}
	for dir, want := range map[string]int{gpl: 1, mit: 0} {
		_, names, err := licenceIn(dir)
		if err != nil {
			t.Fatal(err)
		}
		got := refused([]user{{linked: linked{Path: "example.org/m", Version: "v1", Licenses: names}}})
		if len(got) != want || want == 1 && !strings.Contains(got[0], names[0]) {
			t.Errorf("%v: %q", names, got)
		}
	}
}
