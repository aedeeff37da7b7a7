package main

import (
	"cmp"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// platforms are those of `make cross`.
var platforms = []string{"armv6", "armv7", "arm64", "amd64"}

// made is by `make`, with the flags that it has for the device.
func made(file string, more ...string) error {
	cmd := exec.Command("make", append([]string{"-s", "-C", root, "VERSION=budget", file}, more...)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("make %s: %w", file, err)
	}
	return nil
}

// sizes are of the programs, and of what is in the one for armv6.
func (b *budget) sizes() ([]table, error) {
	// With its symbols first: the same file without them is built after it.
	if err := b.step("budget: build for armv6 with symbols"); err != nil {
		return nil, err
	}
	const armv6 = "dist/kentongan-linux-armv6"
	if err := made(armv6, "LDFLAGS=-X main.version=budget"); err != nil {
		return nil, err
	}
	parts, err := partsOf(filepath.Join(root, armv6))
	if err != nil {
		return nil, err
	}
	t := table{title: "Size of what is installed", head: []string{"program", "MiB", "beside ours for amd64"}}
	var amd64 float64
	sizes := map[string]float64{}
	for _, p := range platforms {
		for _, name := range []string{"dist/kentongan-linux-", "dist/kentongan-boot-linux-"} {
			if err := b.step("budget: build %s%s", name, p); err != nil {
				return nil, err
			}
			if err := made(name + p); err != nil {
				return nil, err
			}
			if sizes[name+p], err = size(filepath.Join(root, name+p)); err != nil {
				return nil, err
			}
		}
	}
	amd64 = sizes["dist/kentongan-linux-amd64"]
	for _, p := range platforms {
		own, boot := sizes["dist/kentongan-linux-"+p], sizes["dist/kentongan-boot-linux-"+p]
		t.add(fmt.Sprintf("kentongan for %s, and its launcher (%s)", p, mib(boot)), mib(own), number(own/amd64))
	}
	mosquitto, libs, err := withLibraries("mosquitto")
	if err != nil {
		return nil, err
	}
	t.add(fmt.Sprintf("Mosquitto, and the %d libraries that it loads beside libc", libs), mib(mosquitto), number(mosquitto/amd64))
	if b.telegraf != "" {
		n, err := size(b.telegraf)
		if err != nil {
			return nil, err
		}
		t.add("Telegraf, cut down to six plugins", mib(n), number(n/amd64))
	} else {
		t.notes = append(t.notes, "Telegraf was not built.")
	}
	return []table{t, parts}, nil
}

func size(file string) (float64, error) {
	f, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return float64(f.Size()), nil
}

// withLibraries is the size of a program with its shared libraries, but for those of
// the C library, which every Debian has.
func withLibraries(name string) (bytes float64, libs int, err error) {
	program, err := exec.LookPath(name)
	if err != nil {
		return 0, 0, fmt.Errorf("%w; install Debian's package %s", err, name)
	}
	if bytes, err = size(program); err != nil {
		return 0, 0, err
	}
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		return 0, 0, fmt.Errorf("ldd %s: %w", program, err)
	}
	for line := range strings.Lines(string(out)) {
		_, file, ok := strings.Cut(line, "=> ")
		file, _, _ = strings.Cut(file, " (")
		switch base := filepath.Base(file); {
		case !ok, strings.HasPrefix(base, "libc."), strings.HasPrefix(base, "libm."), strings.HasPrefix(base, "libpthread."), strings.HasPrefix(base, "libdl."), strings.HasPrefix(base, "librt."):
			continue
		}
		n, err := size(file)
		if err != nil {
			return 0, 0, err
		}
		bytes, libs = bytes+n, libs+1
	}
	return bytes, libs, nil
}

// least is how large a row of its own is, in bytes.
const least = 64 << 10

// partsOf says what of a program comes from which module, by its symbols: code and
// variables. Tables that belong to no one of them have rows of their own.
func partsOf(file string) (table, error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return table{}, err
	}
	f, err := elf.Open(file)
	if err != nil {
		return table{}, err
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return table{}, fmt.Errorf("symbols of %s: %w", file, err)
	}
	var modules []string
	for _, m := range info.Deps {
		modules = append(modules, m.Path)
	}
	sum, loaded := map[string]uint64{}, map[string]uint64{}
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Type != elf.SHT_NOBITS {
			loaded[s.Name] += s.FileSize
		}
	}
	for _, s := range symbols {
		if int(s.Section) >= len(f.Sections) || s.Size == 0 {
			continue
		}
		section := f.Sections[s.Section]
		if section.Type == elf.SHT_NOBITS || loaded[section.Name] == 0 {
			continue // it is in memory, and not in the file
		}
		owner, ok := ownerOf(s.Name, modules)
		if !ok {
			continue
		}
		sum[owner] += s.Size
		loaded[section.Name] -= min(s.Size, loaded[section.Name])
	}
	tables := uint64(0)
	for _, n := range loaded {
		tables += n
	}
	sum["tables: functions and lines (for traces and the collector), types, texts"] = tables
	total := uint64(0)
	for _, n := range sum {
		total += n
	}
	t := table{title: "What the program for armv6 is made of", head: []string{"from", "KiB", "%"}, notes: []string{
		fmt.Sprintf("By the symbols of the same program built with them, %s MiB of what is loaded. A row is a module, or a part of ours or of Go's library; what is under %d KiB is together. Code and variables of a module are counted; its share of the tables is not told by any symbol.", mib(float64(total)), least>>10),
	}}
	rest := uint64(0)
	for _, name := range slices.SortedFunc(maps.Keys(sum), func(a, b string) int { return cmp.Or(cmp.Compare(sum[b], sum[a]), cmp.Compare(a, b)) }) {
		if sum[name] < least {
			rest += sum[name]
			continue
		}
		t.add(name, kib(float64(sum[name])), number(100*float64(sum[name])/float64(total)))
	}
	t.add("others", kib(float64(rest)), number(100*float64(rest)/float64(total)))
	return t, nil
}

// ownerOf is whose a symbol is: a module, a room of ours, or a part of Go's library.
// False is nobody's.
func ownerOf(symbol string, modules []string) (string, bool) {
	for _, prefix := range []string{"type:.eq.", "type:.hash.", "go:itab.*", "go:itab.", "go:struct { "} {
		symbol = strings.TrimPrefix(symbol, prefix)
	}
	symbol = strings.TrimLeft(symbol, "*[]")
	if strings.HasPrefix(symbol, "type:") || strings.HasPrefix(symbol, "go:") || strings.HasPrefix(symbol, "runtime.pclntab") || symbol == "runtime.types" || symbol == "runtime.rodata" || symbol == "runtime.text" {
		return "", false
	}
	path, _, _ := strings.Cut(symbol, "[")
	path = strings.ReplaceAll(path, "%2e", ".")
	owner, longest := "", 0
	for _, m := range modules {
		if len(m) > longest && strings.HasPrefix(path, m) && strings.ContainsAny(path[len(m):]+" ", "./ ") {
			owner, longest = m, len(m)
		}
	}
	if owner != "" {
		return owner, true
	}
	slash := strings.LastIndexByte(path, '/')
	dot := strings.IndexByte(path[slash+1:], '.')
	if dot < 0 {
		return "runtime (assembly)", true
	}
	path = path[:slash+1+dot]
	elements := strings.Split(path, "/")
	if elements[0] == "kentongan" || elements[0] == "main" {
		return "ours: " + strings.Join(elements[:min(3, len(elements))], "/"), true
	}
	return "Go: " + elements[0], true
}
