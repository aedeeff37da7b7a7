// Command package makes what is handed out: Debian packages, and the list of
// what is in the programs. It is a module of its own, so that nothing that it
// needs becomes a part of the device's program.
//
//	deb   --root REPO --version V --arch ARCH --program F --launcher F --help-of F --launcher-help-of F --release DIR --out DIR [--time UNIX]
//	sbom  --root REPO --version V --out FILE [--time UNIX] PROGRAM...
//
// A program for another board can't be asked for its help here, so --help-of
// names one of the same source that can.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("want deb or sbom")
	}
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	var p Package
	out := f.String("out", "", "where it goes")
	when := f.Int64("time", 0, "seconds since 1970, of everything in it")
	f.StringVar(&p.Version, "version", "", "of the program")
	f.StringVar(&p.Root, "root", ".", "the repository")
	f.StringVar(&p.Arch, "arch", "", "Debian's name: armhf, armel, arm64, amd64")
	f.StringVar(&p.Program, "program", "", "kentongan, for that architecture")
	f.StringVar(&p.Launcher, "launcher", "", "kentongan-boot, for that architecture")
	f.StringVar(&p.HelpOf, "help-of", "", "kentongan, for this machine; --program where nothing is said")
	f.StringVar(&p.LauncherHelpOf, "launcher-help-of", "", "kentongan-boot, for this machine; --launcher where nothing is said")
	f.StringVar(&p.Release, "release", "", "directory with the signed release that has the program")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	if *out == "" || p.Version == "" {
		return errors.New("--out and --version are needed")
	}
	p.Time = time.Unix(*when, 0).UTC()
	switch args[0] {
	case "deb":
		file := filepath.Join(*out, fmt.Sprintf("kentongan_%s_%s.deb", debianVersion(p.Version, p.Time), p.Arch))
		if err := p.Write(file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		fmt.Println(file)
		return nil
	case "sbom":
		text, err := bill(p.Root, p.Version, p.Time, f.Args())
		if err != nil {
			return err
		}
		return os.WriteFile(*out, text, 0o644)
	}
	return fmt.Errorf("no command %q; want deb or sbom", args[0])
}
