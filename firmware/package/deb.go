package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
)

// Package is what goes into one .deb. The same input gives the same bytes.
type Package struct {
	Root                   string // of the repository
	Version, Arch          string
	Program, Launcher      string // files, for the architecture
	HelpOf, LauncherHelpOf string // the same for this machine
	Release                string // directory: keys, release, the program's payload
	Time                   time.Time
}

// platforms are the names that a release has for Debian's architectures. Debian's
// armhf begins at ARMv7; its armel is any ARM, of which ours has to be ARMv6 with
// a floating-point unit. The package's preinst looks at the board.
var platforms = map[string]string{"armel": "linux/arm/6", "armhf": "linux/arm/7", "arm64": "linux/arm64", "amd64": "linux/amd64"}

const maintainer = "Kentongan developers <maintainers@kentongan.example>"

const description = `agent for camera gateways and public kiosks
 Watches the cameras and buttons of one place, keeps every press on the disk
 until the command centre has signed for it, and tells of dead, frozen, covered
 and moved cameras. New versions come signed, and go back by themselves when
 they are not well.`

// Where the package puts what it brings; firmware/units has the same places.
const (
	libDir      = "/usr/lib/kentongan"
	releaseDir  = libDir + "/release"
	exampleDir  = "/etc/kentongan/examples"
	runningLink = "/var/lib/kentongan-firmware/current/kentongan"
)

// Write makes the package.
func (p Package) Write(file string) error {
	tmp, err := os.MkdirTemp("", "kentongan-deb")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	contents, err := p.contents(tmp)
	if err != nil {
		return err
	}
	scripts := filepath.Join(p.Root, "firmware/package/scripts")
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "kentongan", Arch: p.Arch, Platform: "linux", Version: debianVersion(p.Version, p.Time), VersionSchema: "none",
		Section: "net", Priority: "optional", Maintainer: maintainer, Description: description, MTime: p.Time,
		DisableGlobbing: true,
		Overridables: nfpm.Overridables{
			Contents: contents, Umask: 0o022,
			Depends: []string{"systemd"},
			// Without the authorities' certificates nothing that is asked over HTTPS is
			// believed, and a small system has none.
			Recommends: []string{"ca-certificates", "ffmpeg", "udev"},
			Scripts: nfpm.Scripts{
				PreInstall: filepath.Join(scripts, "preinst"), PostInstall: filepath.Join(scripts, "postinst"),
				PreRemove: filepath.Join(scripts, "prerm"), PostRemove: filepath.Join(scripts, "postrm"),
			},
			// The program in it is packed already; xz took 10 s for nothing.
			Deb: nfpm.Deb{Arch: p.Arch, Compression: "gzip"},
		},
	})
	if err := nfpm.PrepareForPackager(info, "deb"); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := deb.Default.Package(info, &b); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// contents are the files; those that are made lie in tmp.
func (p Package) contents(tmp string) (all files.Contents, err error) {
	add := func(source, to string, mode fs.FileMode, kind string) {
		all = append(all, &files.Content{Source: source, Destination: to, Type: kind, FileInfo: &files.ContentFileInfo{Mode: mode, Owner: "root", Group: "root", MTime: p.Time}})
	}
	var errs []error
	made := func(text, to string) {
		b := []byte(text)
		if path.Ext(to) == ".gz" {
			b = gzipped(b)
		}
		file := filepath.Join(tmp, strings.ReplaceAll(to, "/", "_"))
		errs = append(errs, os.WriteFile(file, b, 0o644))
		add(file, to, 0o644, files.TypeFile)
	}
	payload, err := p.payload()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"keys", "release", payload} {
		add(filepath.Join(p.Release, name), releaseDir+"/"+name, 0o644, files.TypeFile)
	}
	add(p.Launcher, libDir+"/kentongan-boot", 0o755, files.TypeFile)
	add(runningLink, "/usr/bin/kentongan", 0, files.TypeSymlink)
	units := filepath.Join(p.Root, "firmware/units/files")
	for _, u := range []string{"kentongan.service", "kentongan-judge.service", "kentongan-apply.service", "kentongan-apply.path"} {
		add(filepath.Join(units, u), "/usr/lib/systemd/system/"+u, 0o644, files.TypeFile)
	}
	add(filepath.Join(units, "kentongan.sysusers"), "/usr/lib/sysusers.d/kentongan.conf", 0o644, files.TypeFile)
	add(filepath.Join(units, "kentongan.rules"), "/usr/lib/udev/rules.d/60-kentongan.rules", 0o644, files.TypeFile)
	for _, e := range []string{"kiosk.yaml", "camera-gateway.yaml"} {
		add(filepath.Join(p.Root, "cmd/kentongan/examples", e), exampleDir+"/"+e, 0o644, files.TypeConfig)
	}
	if err := p.pages(made); err != nil {
		return nil, err
	}
	notices, err := notices([]string{p.Program, p.Launcher})
	if err != nil {
		return nil, err
	}
	doc := "/usr/share/doc/kentongan/"
	made(notices, doc+"NOTICES.gz")
	made(copyright, doc+"copyright")
	made(fmt.Sprintf("kentongan (%s) stable; urgency=medium\n\n  * Version %s; what is new stands in docs/changes of the source.\n\n -- %s  %s\n",
		debianVersion(p.Version, p.Time), p.Version, maintainer, p.Time.Format(time.RFC1123Z)), doc+"changelog.gz")
	made(overrides, "/usr/share/lintian/overrides/kentongan")
	return all, errors.Join(errs...)
}

// pages are what is made of the programs' own help.
func (p Package) pages(made func(text, to string)) error {
	if p.HelpOf == "" {
		p.HelpOf = p.Program
	}
	if p.LauncherHelpOf == "" {
		p.LauncherHelpOf = p.Launcher
	}
	overview, verbs, err := readHelp(p.HelpOf)
	if err != nil {
		return err
	}
	boot, err := bootManual(p.LauncherHelpOf, p.Time)
	if err != nil {
		return err
	}
	made(manual(overview, verbs, p.Time), "/usr/share/man/man1/kentongan.1.gz")
	made(boot, "/usr/share/man/man8/kentongan-boot.8.gz")
	made(bashCompletion(verbs), "/usr/share/bash-completion/completions/kentongan")
	made(zshCompletion(verbs), "/usr/share/zsh/vendor-completions/_kentongan")
	made(fishCompletion(verbs), "/usr/share/fish/vendor_completions.d/kentongan.fish")
	return nil
}

// payload is the name of the file that the release has for the architecture:
//
//	payload linux/arm/7 12194816 <sha256> kentongan-41-linux-arm-7.zst 3504112 <sha256>
func (p Package) payload() (string, error) {
	platform, ok := platforms[p.Arch]
	if !ok {
		return "", fmt.Errorf("no architecture %q; there is armel, armhf, arm64, amd64", p.Arch)
	}
	release, err := os.ReadFile(filepath.Join(p.Release, "release"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(release)) {
		if f := strings.Fields(line); len(f) == 7 && f[0] == "payload" && f[1] == platform {
			return f[4], nil
		}
	}
	return "", fmt.Errorf("%s/release has no payload for %s", p.Release, platform)
}

// gzipped is gzip with no name and no time in it, as Debian wants it.
func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is right
	_, _ = z.Write(b)                                       // to memory
	_ = z.Close()
	return out.Bytes()
}

const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: kentongan
Comment: The modules that are linked into the programs have licenses of their
 own. NOTICES.gz, beside this file, has them word by word.

Files: *
Copyright: 2026 The Kentongan authors
License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
`

// A Go program is linked whole: that is how one file runs on every board.
const overrides = `kentongan: statically-linked-binary
`
