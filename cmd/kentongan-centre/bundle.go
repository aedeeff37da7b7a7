package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kentongan/firmware"
	"kentongan/firmware/publish"
)

var bundleCommands = []command{
	{"keygen", "--out FILE NAME", "make a root or release key; the file holds the secret, the public half is printed", bundleKeygen},
	{"keys", "--version N [--threshold N] --root KEY... --release KEY... --out FILE", "write a key list, to be signed by the root keys", bundleKeys},
	{"make", "--number N --version V --keys FILE --out DIR PLATFORM=PROGRAM...", "pack programs into a new directory and write the release, unsigned", bundleMake},
	{"sign", "--key FILE RELEASE|KEYLIST", "add a signature to a release or a key list", bundleSign},
	{"pack", "--out FILE DIR", "hold a signed release against every rule and make one file of it", bundlePack},
	{"sums", "--key FILE --out DIR FILE...", "write DIR/SHA256SUMS of files, and the same signed, as SHA256SUMS.note", bundleSums},
	{"verify", "--keys KEYLIST NOTE", "hold the files beside a SHA256SUMS.note against it, and its signature against the key list", bundleVerify},
	{"inspect", "[--json] BUNDLE|DIR", "say what is in a bundle, and whether a board would take it", bundleInspect},
}

func runBundle(ctx context.Context, e env, args []string) int {
	return group(ctx, e, "bundle", bundleCommands, args)
}

func bundleWords(e env, name string) words {
	fs := flag.NewFlagSet("kentongan-centre bundle "+name, flag.ContinueOnError)
	fs.SetOutput(e.stderr)
	return words{FlagSet: fs, e: e}
}

func bundleKeygen(_ context.Context, e env, args []string) int {
	w := bundleWords(e, "keygen")
	out := w.String("out", "", "`file` for the secret; it must not exist")
	given, status, ok := w.parse(args, 1, 1, "--out FILE NAME")
	if !ok {
		return status
	}
	if *out == "" {
		return w.wrong("--out is missing: name a new file for the secret")
	}
	private, public, err := publish.NewKey(given[0])
	if err != nil {
		return w.failed(fmt.Errorf("name %q: %w", given[0], err))
	}
	f, err := os.OpenFile(*out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return w.failed(err)
	}
	_, err = f.WriteString(private + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return w.failed(err)
	}
	fmt.Fprintln(e.stdout, public)
	return exitGood
}

func bundleKeys(_ context.Context, e env, args []string) int {
	w := bundleWords(e, "keys")
	var k firmware.Keys
	w.Uint64Var(&k.Version, "version", 0, "rises with each key list, from 1")
	w.IntVar(&k.Threshold, "threshold", 2, "how many root keys must sign the next list")
	w.Func("root", "public `key` of a root; once for each", collect(&k.Root))
	w.Func("release", "public `key` that may sign releases; once for each", collect(&k.Release))
	out := w.String("out", "", "`file` to write")
	if _, status, ok := w.parse(args, 0, 0, "--version N --root KEY... --release KEY... --out FILE"); !ok {
		return status
	}
	if *out == "" {
		return w.wrong("--out is missing: name the file to write")
	}
	if _, err := firmware.ParseKeys(k.Text()); err != nil {
		return w.failed(err)
	}
	if err := os.WriteFile(*out, []byte(k.Text()), 0o644); err != nil {
		return w.failed(err)
	}
	fmt.Fprintf(e.stdout, "%s: now %d root keys sign it, one after the other: kentongan-centre bundle sign --key ROOTKEY %s\n", *out, k.Threshold, *out)
	return exitGood
}

func collect(into *[]string) func(string) error {
	return func(s string) error {
		*into = append(*into, s)
		return nil
	}
}

// byPlatform collects PLATFORM=VALUE words.
func byPlatform(into map[firmware.Platform][]string) func(string) error {
	return func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok || value == "" {
			return fmt.Errorf("%q: write PLATFORM=FILE, as in linux/arm/6=dist/kentongan-linux-armv6", s)
		}
		p, err := firmware.ParsePlatform(name)
		if err != nil {
			return err
		}
		into[p] = append(into[p], value)
		return nil
	}
}

func bundleMake(_ context.Context, e env, args []string) int {
	w := bundleWords(e, "make")
	s := publish.Spec{Issued: time.Now().UTC().Truncate(time.Second), Programs: map[firmware.Platform]string{},
		Boards: map[firmware.Platform][]string{}, Bases: map[firmware.Platform][]string{}}
	w.Uint64Var(&s.Number, "number", 0, "rises with each release, for ever")
	w.StringVar(&s.Version, "version", "", "what `kentongan version` says")
	w.Uint64Var(&s.From, "from", 0, "the oldest number that may go there at once; 0 is any")
	w.Func("expires", "do not install it from this `time` on, as 2027-01-31T00:00:00Z", setTime(&s.Expires))
	w.Func("issued", "`time` of the release, for a reproducible bundle; now when nothing is said", setTime(&s.Issued))
	w.Func("board", "limit a platform's program to a devicetree name, `PLATFORM=NAME`", byPlatform(s.Boards))
	w.Func("base", "make a patch from an earlier program, `PLATFORM=FILE`", byPlatform(s.Bases))
	keys := w.String("keys", "", "`file` of the signed key list")
	out := w.String("out", "", "new `directory`")
	given, status, ok := w.parse(args, 1, -1, "--number N --version V --keys FILE --out DIR PLATFORM=PROGRAM...")
	switch {
	case !ok:
		return status
	case *keys == "" || *out == "" || s.Number == 0 || s.Version == "":
		return w.wrong("--number, --version, --keys and --out are needed")
	}
	programs := map[firmware.Platform][]string{}
	for _, word := range given {
		if err := byPlatform(programs)(word); err != nil {
			return w.wrong("%v", err)
		}
	}
	for p, files := range programs {
		if len(files) > 1 {
			return w.wrong("%d programs for %s", len(files), p)
		}
		s.Programs[p] = files[0]
	}
	var err error
	if s.KeysNote, err = os.ReadFile(*keys); err != nil {
		return w.failed(err)
	}
	r, err := publish.Make(*out, s, func(p string) { fmt.Fprintf(e.stderr, "packing %s\n", p) })
	if err != nil {
		return w.failed(err)
	}
	showRelease(e.stdout, r)
	release := filepath.Join(*out, firmware.ReleaseName)
	fmt.Fprintf(e.stdout, "next: kentongan-centre bundle sign --key RELEASEKEY %s\n", release)
	return exitGood
}

func setTime(into *time.Time) func(string) error {
	return func(s string) (err error) {
		*into, err = time.Parse(time.RFC3339, s)
		return err
	}
}

func bundleSign(_ context.Context, e env, args []string) int {
	w := bundleWords(e, "sign")
	key := w.String("key", "", "`file` of the secret key")
	given, status, ok := w.parse(args, 1, 1, "--key FILE RELEASE|KEYLIST")
	if !ok {
		return status
	}
	if *key == "" {
		return w.wrong("--key is missing: name the file of the secret key")
	}
	private, err := os.ReadFile(*key)
	if err != nil {
		return w.failed(err)
	}
	text, err := os.ReadFile(given[0])
	if err != nil {
		return w.failed(err)
	}
	signed, err := publish.Sign(text, string(private))
	if err != nil {
		return w.failed(fmt.Errorf("%s: %w", given[0], err))
	}
	if err := os.WriteFile(given[0], signed, 0o644); err != nil {
		return w.failed(err)
	}
	fmt.Fprintf(e.stdout, "%s is signed\n", given[0])
	return exitGood
}

func bundlePack(_ context.Context, e env, args []string) int {
	w := bundleWords(e, "pack")
	out := w.String("out", "", "`file` to write")
	given, status, ok := w.parse(args, 1, 1, "--out FILE DIR")
	if !ok {
		return status
	}
	if *out == "" {
		return w.wrong("--out is missing: name the file to write")
	}
	if err := publish.Pack(given[0], *out); err != nil {
		return w.failed(err)
	}
	info, err := os.Stat(*out)
	if err != nil {
		return w.failed(err)
	}
	fmt.Fprintf(e.stdout, "%s: %.2f MiB\n", *out, float64(info.Size())/(1<<20))
	return exitGood
}

func bundleInspect(_ context.Context, e env, args []string) int {
	w := bundleWords(e, "inspect")
	asJSON := w.Bool("json", false, "as JSON")
	given, status, ok := w.parse(args, 1, 1, "[--json] BUNDLE|DIR")
	if !ok {
		return status
	}
	source, err := firmware.OpenSource(given[0])
	if err != nil {
		return w.failed(err)
	}
	r, err := publish.Inspect(source)
	if *asJSON {
		said := struct {
			Release firmware.Release `json:"release"`
			Good    bool             `json:"good"`
			Refused string           `json:"refused,omitempty"`
		}{r, err == nil, ""}
		if err != nil {
			said.Refused = err.Error()
		}
		if jerr := json.NewEncoder(e.stdout).Encode(said); jerr != nil {
			return w.failed(jerr)
		}
	} else if r.Number > 0 {
		showRelease(e.stdout, r)
	}
	if err != nil {
		return w.failed(err)
	}
	if !*asJSON {
		fmt.Fprintln(e.stdout, "good: signed, and every payload is what the release names")
	}
	return exitGood
}

func bundleSums(_ context.Context, e env, args []string) int {
	w := bundleWords(e, "sums")
	key := w.String("key", "", "`file` of the secret release key")
	out := w.String("out", "", "`directory` to write to")
	given, status, ok := w.parse(args, 1, -1, "--key FILE --out DIR FILE...")
	switch {
	case !ok:
		return status
	case *key == "" || *out == "":
		return w.wrong("--key and --out are needed")
	}
	private, err := os.ReadFile(*key)
	if err != nil {
		return w.failed(err)
	}
	if err := publish.WriteSums(*out, given, string(private)); err != nil {
		return w.failed(err)
	}
	fmt.Fprintf(e.stdout, "%s: %d files, signed\n", filepath.Join(*out, publish.SumsNote), len(given))
	return exitGood
}

func bundleVerify(_ context.Context, e env, args []string) int {
	w := bundleWords(e, "verify")
	keys := w.String("keys", "", "`file` of the signed key list")
	given, status, ok := w.parse(args, 1, 1, "--keys KEYLIST NOTE")
	if !ok {
		return status
	}
	if *keys == "" {
		return w.wrong("--keys is missing: name the file of the signed key list")
	}
	list, err := os.ReadFile(*keys)
	if err != nil {
		return w.failed(err)
	}
	names, by, err := publish.VerifySums(given[0], list)
	if err != nil {
		return w.failed(err)
	}
	for _, name := range names {
		fmt.Fprintf(e.stdout, "good  %s\n", name)
	}
	fmt.Fprintf(e.stdout, "%d files, signed by %s\n", len(names), by)
	return exitGood
}

func showRelease(w io.Writer, r firmware.Release) {
	fmt.Fprintf(w, "number %d, version %s, issued %s, key list %d\n", r.Number, r.Version, r.Issued.Format(time.RFC3339), r.Keys)
	if r.From > 0 {
		fmt.Fprintf(w, "can follow number %d and later\n", r.From)
	}
	for _, p := range r.Payload {
		fmt.Fprintf(w, "%-14s %8.2f MiB, packed %.2f", p.Platform, mib(p.Size), mib(p.Packed.Size))
		for _, d := range p.Patch {
			fmt.Fprintf(w, ", patch from %.12s… %.2f (%.0f %%)", d.Base, mib(d.Packed.Size), 100*float64(d.Packed.Size)/float64(p.Packed.Size))
		}
		if len(p.Boards) > 0 {
			fmt.Fprintf(w, ", only %s", strings.Join(p.Boards, " "))
		}
		fmt.Fprintln(w)
	}
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }
