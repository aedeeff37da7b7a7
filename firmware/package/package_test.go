package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// built is where programs puts them; "" until a test wanted one.
var built string

// programs are kentongan and kentongan-boot of this source, for this machine.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "kentongan-package")
	if err != nil {
		return "", err
	}
	built = dir
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "nethttpomithttp2", "-ldflags", "-s -w -X main.version=v1", "-o", dir+"/", "./cmd/kentongan", "./cmd/kentongan-boot")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(status)
}

func program(t *testing.T, name string) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// shell runs a program; it must not fail.
func shell(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestDebianVersion(t *testing.T) {
	at := time.Date(2026, 11, 26, 18, 0, 0, 0, time.UTC)
	later := at.Add(time.Hour)
	sorted := []struct {
		version string
		at      time.Time
		want    string
	}{
		{"fdc51f6", at, "0~git20261126180000.fdc51f6"},
		{"1234567", later, "0~git20261126190000.1234567"}, // a hash of digits is no version
		{"abc1234-dirty", later, "0~git20261126190000.abc1234+dirty"},
		{"v1.2.3-rc1", at, "1.2.3~rc1"},
		{"v1.2.3-rc1-5-gabcdef0", at, "1.2.3~rc1+5.gabcdef0"},
		{"v1.2.3", at, "1.2.3"},
		{"v1.2.3-dirty", at, "1.2.3+dirty"},
		{"v1.2.10-5-gabcdef0", at, "1.2.10+5.gabcdef0"},
		{"v1.3.0", at, "1.3.0"},
	}
	before := ""
	for _, tt := range sorted {
		got := debianVersion(tt.version, tt.at)
		if got != tt.want {
			t.Errorf("debianVersion(%q) = %q, want %q", tt.version, got, tt.want)
		}
		if before != "" {
			if out, err := exec.Command("dpkg", "--compare-versions", before, "lt", got).CombinedOutput(); err != nil {
				t.Errorf("dpkg: %s is not before %s: %v %s", before, got, err, out)
			}
		}
		before = got
	}
}

func TestHelpOfTheProgram(t *testing.T) {
	_, verbs, err := readHelp(program(t, "kentongan"))
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]verb{}
	for _, v := range verbs {
		byName[v.name] = v
		if v.short == "" || !strings.HasPrefix(v.help, "Usage: kentongan "+v.name) {
			t.Errorf("%s: %q, help %.60q", v.name, v.short, v.help)
		}
	}
	for name, want := range map[string]string{"config": "check show example", "spool": "ls dump verify export", "update": "status check apply back", "enrol": "", "discover": "", "run": ""} {
		got := wordNames(byName[name])
		for w := range strings.FieldsSeq(want) {
			if !slices.Contains(got, w) {
				t.Errorf("%s can be followed by %q, want %s among them", name, got, w)
			}
		}
		if want == "" && len(got) > 0 {
			t.Errorf("%s can be followed by %q, want no word", name, got)
		}
	}
	if got := byName["run"].options; !slices.ContainsFunc(got, func(o option) bool { return o.name == "--config" && o.value == "FILE" && o.takesFile() }) {
		t.Errorf("run has the options %v, want --config FILE among them", got)
	}
	if w := byName["config"].words; len(w) == 0 || !strings.HasPrefix(w[0].help, "Usage: kentongan config check") {
		t.Errorf("config check has no help of its own: %+v", w)
	}
}

func TestCompletions(t *testing.T) {
	_, verbs, err := readHelp(program(t, "kentongan"))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("bash", func(t *testing.T) {
		file := write(t, "kentongan", bashCompletion(verbs))
		for line, want := range map[string]string{
			"upd":                                "update",
			"config ch":                          "check",
			"spool v":                            "verify",
			"update apply --fr":                  "--from",
			"help uni":                           "uninstall",
			"run --config " + file[:len(file)-2]: file,
		} {
			out := shell(t, "bash", "-c", `. "$1"; IFS=" "; set -f; words=$2; COMP_WORDS=(kentongan $words); [[ $words == *" " ]] && COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _kentongan; echo "${COMPREPLY[*]}"`, "bash", file, line)
			if got := strings.TrimSpace(out); got != want {
				t.Errorf("kentongan %s: completed to %q, want %q", line, got, want)
			}
		}
	})
	t.Run("fish", func(t *testing.T) {
		if _, err := exec.LookPath("fish"); err != nil {
			t.Skip("fish is not here")
		}
		file := write(t, "kentongan.fish", fishCompletion(verbs))
		for line, want := range map[string]string{"upd": "update", "config ch": "check", "update apply --fr": "--from", "help uni": "uninstall"} {
			out := shell(t, "fish", "--no-config", "-c", `source $argv[1]; complete -C "kentongan $argv[2]"`, file, line)
			if got, _, _ := strings.Cut(strings.TrimSpace(out), "\t"); got != want {
				t.Errorf("kentongan %s: completed to %q, want %q", line, out, want)
			}
		}
	})
	t.Run("zsh", func(t *testing.T) {
		if _, err := exec.LookPath("zsh"); err != nil {
			t.Skip("zsh is not here")
		}
		shell(t, "zsh", "--no-rcs", "-n", write(t, "_kentongan", zshCompletion(verbs)))
	})
}

// TestManual has man format both pages; a warning of it is a fault of ours.
func TestManual(t *testing.T) {
	overview, verbs, err := readHelp(program(t, "kentongan"))
	if err != nil {
		t.Fatal(err)
	}
	boot, err := bootManual(program(t, "kentongan-boot"), time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	main := manual(overview, verbs, time.Unix(0, 0))
	if !strings.Contains(boot, "judge") || !strings.Contains(boot, `\-\-offer`) {
		t.Error("the launcher's page does not tell its commands")
	}
	if _, err := exec.LookPath("man"); err != nil {
		t.Skip("man is not here")
	}
	for name, page := range map[string]string{"kentongan.1": main, "kentongan-boot.8": boot} {
		cmd := exec.Command("man", "--local-file", "--warnings", "--encoding=UTF-8", write(t, name, page))
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANROFFSEQ=", "MANWIDTH=120", "MANPAGER=cat")
		var faults strings.Builder
		cmd.Stderr = &faults
		out, err := cmd.Output()
		if err != nil || faults.Len() > 0 {
			t.Errorf("man %s: %v\n%s", name, err, faults.String())
		}
		for _, v := range verbs {
			if name == "kentongan.1" && !strings.Contains(string(out), strings.Split(v.help, "\n")[0]) {
				t.Errorf("%s as man shows it lacks %q", name, strings.Split(v.help, "\n")[0])
			}
		}
	}
}

// TestPreinst: a board that could not run the programs is refused, with what to
// do. The kernel's name of the machine is the one thing that is not real here.
func TestPreinst(t *testing.T) {
	for _, tt := range []struct {
		arch, machine, want string
	}{
		{"armhf", "armv6l", "install the armel package"},
		{"armhf", "armv7l", ""},
		{"armhf", "aarch64", ""}, // a 64-bit kernel under a 32-bit system
		{"armel", "armv6l", ""},
		{"armel", "armv5tejl", "needs ARMv6"},
		{"arm64", "aarch64", ""},
		{"amd64", "x86_64", ""},
	} {
		bin := t.TempDir()
		if err := os.WriteFile(filepath.Join(bin, "uname"), []byte("#!/bin/sh\necho "+tt.machine+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "scripts/preinst", "install")
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "DPKG_MAINTSCRIPT_ARCH="+tt.arch)
		out, err := cmd.CombinedOutput()
		if (err == nil) != (tt.want == "") || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s on %s: %v %q, want %q", tt.arch, tt.machine, err, out, tt.want)
		}
	}
}

// TestControl reads the package as dpkg does. What a part needs of other packages
// stands here too, so that it is not lost unseen.
func TestControl(t *testing.T) {
	release := t.TempDir()
	for name, text := range map[string]string{
		"keys": "a key list\n", "p.zst": "a program\n",
		"release": "kentongan/firmware/release\nnumber 1\npayload linux/amd64 1 aa p.zst 1 bb\n",
	} {
		if err := os.WriteFile(filepath.Join(release, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "kentongan.deb")
	p := Package{Root: "../..", Version: "v1.2.3", Arch: "amd64", Program: program(t, "kentongan"), Launcher: program(t, "kentongan-boot"), Release: release, Time: time.Unix(1790000000, 0).UTC()}
	if err := p.Write(file); err != nil {
		t.Fatal(err)
	}
	got := shell(t, "dpkg-deb", "--show", "--showformat", "${Package} ${Version} ${Architecture}\nDepends: ${Depends}\nRecommends: ${Recommends}\n", file)
	const want = `kentongan 1.2.3 amd64
Depends: systemd
Recommends: ca-certificates, ffmpeg, udev
`
	if got != want {
		t.Errorf("the package says\n%s\nwant\n%s", got, want)
	}
}

func TestPayloadOfArchitecture(t *testing.T) {
	dir := t.TempDir()
	release := "kentongan/firmware/release\nnumber 1\npayload linux/arm/6 1 aa kentongan-1-linux-arm-6.zst 1 bb\npayload linux/arm64 1 aa kentongan-1-linux-arm64.zst 1 bb\n"
	if err := os.WriteFile(filepath.Join(dir, "release"), []byte(release), 0o644); err != nil {
		t.Fatal(err)
	}
	for arch, want := range map[string]string{"armel": "kentongan-1-linux-arm-6.zst", "arm64": "kentongan-1-linux-arm64.zst", "armhf": "", "mips": ""} {
		got, err := Package{Arch: arch, Release: dir}.payload()
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", arch, got, err, want)
		}
	}
}
