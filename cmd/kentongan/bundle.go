package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kentongan/agent"
	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/spool"
	"kentongan/firmware/units"
)

// bundling gathers what support needs.
type bundling struct {
	e     env
	cfg   *config.Config // nil where it can't be read
	files []bundled
	began time.Time
}

// bundled is one file of the archive.
type bundled struct {
	name, about string
	text        []byte
}

// Bounds of an archive and of what is asked for it.
const (
	maxBundled   = 2 << 20 // bytes of one file; the end of a longer one is kept
	bundleWait   = 20 * time.Second
	journalLines = "5000"
	slowStep     = 2 * time.Second
)

// runBundle writes the archive.
func runBundle(ctx context.Context, e env, file, output string) error {
	b := &bundling{e: e, began: time.Now()}
	cfg, err := config.Load(file)
	device := "unknown"
	if err == nil {
		b.cfg, device = cfg, cfg.Device
	}
	b.gather(ctx, file, err)
	b.readme(device)
	if output == "" {
		output = fmt.Sprintf("kentongan-%s-%s.tar.gz", device, b.began.UTC().Format("20060102-150405"))
	}
	if output == "-" {
		return b.write(e.stdout)
	}
	f, err := os.OpenFile(output, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(b.write(f), f.Close()); err != nil {
		_ = os.Remove(output) // half an archive is of no use
		return fmt.Errorf("write %s: %w", output, err)
	}
	fmt.Fprintln(e.stdout, output)
	return nil
}

// gather asks for everything. What can't be had is in its place as a reason.
func (b *bundling) gather(ctx context.Context, file string, bad error) {
	b.add("version.json", "the program", func(context.Context) ([]byte, error) { return json.MarshalIndent(thisBuild(), "", " ") })
	b.step(ctx, "config.txt", "the configuration that counts, and where each value comes from", func(context.Context) ([]byte, error) {
		if bad != nil {
			return nil, fmt.Errorf("%s is not used: %w", file, bad)
		}
		now, version, err := agent.OrderedNow(b.cfg)
		text := fmt.Sprintf("# %s, ordered version %d\n%s", file, version, now.Print(config.PrintOptions{Origins: true, Redact: true}))
		return []byte(text), err
	})
	b.step(ctx, "config-check.txt", "what is wrong with it", func(context.Context) ([]byte, error) {
		if _, err := config.Check(file); err != nil {
			return []byte(err.Error() + "\n"), nil
		}
		return []byte("good\n"), nil
	})
	b.step(ctx, "status.txt", "the service and the version", func(context.Context) ([]byte, error) { return []byte(b.status()), nil })
	if b.cfg != nil {
		b.step(ctx, "agent.json", "the agent as it was last: links, cameras, alarms, records that wait", func(context.Context) ([]byte, error) {
			return os.ReadFile(filepath.Join(runtimeDirectory(), agent.StatusFile))
		})
		b.step(ctx, "running.json", "which configuration the agent took, and what it refused", func(context.Context) ([]byte, error) {
			_, s, err := agent.Running(b.cfg.Data)
			text, _ := json.MarshalIndent(s, "", " ") // texts and numbers
			return text, err
		})
		b.step(ctx, "spool.txt", "the segments on the disk", func(context.Context) ([]byte, error) { return b.spool() })
		b.step(ctx, "events.jsonl", "the newest events on the disk", func(ctx context.Context) ([]byte, error) { return b.events(ctx) })
	}
	b.step(ctx, "journal.txt", "what the agent has logged", func(ctx context.Context) ([]byte, error) {
		return b.run(ctx, "journalctl", "--unit="+units.Main, "--unit=kentongan-judge.service", "--unit=kentongan-apply.service", "--no-pager", "--quiet", "--output=short-iso", "--lines="+journalLines)
	})
	b.step(ctx, "agent-log.jsonl", "the agent's own newest lines", func(context.Context) ([]byte, error) {
		return readRing(filepath.Join(runtimeDirectory(), ringFile))
	})
	b.step(ctx, "kernel.txt", "what the kernel has logged", func(ctx context.Context) ([]byte, error) {
		return b.run(ctx, "journalctl", "--dmesg", "--no-pager", "--quiet", "--lines=1000")
	})
	b.step(ctx, "doctor.json", "doctor's report", func(ctx context.Context) ([]byte, error) {
		program, err := os.Executable()
		if err != nil {
			return nil, err
		}
		out, err := exec.CommandContext(ctx, program, "doctor", "--json", "--config", file).CombinedOutput()
		if _, found := errors.AsType[*exec.ExitError](err); found && isJSONLines(out) {
			err = nil // it has found something
		}
		return out, err
	})
	b.step(ctx, "system.txt", "the board, its memory, disks, interfaces and routes", func(context.Context) ([]byte, error) { return b.system(), nil })
}

func isJSONLines(text []byte) bool {
	for line := range bytes.Lines(text) {
		if !json.Valid(line) {
			return false
		}
	}
	return len(text) > 0
}

// step is add with a limit, and with a word to who waits.
func (b *bundling) step(ctx context.Context, name, about string, get func(context.Context) ([]byte, error)) {
	began := time.Now()
	slow := time.AfterFunc(slowStep, func() { fmt.Fprintf(b.e.stderr, "%s ...\n", name) })
	ctx, cancel := context.WithTimeout(ctx, bundleWait)
	defer cancel()
	b.add(name, about, func(context.Context) ([]byte, error) { return get(ctx) })
	if !slow.Stop() {
		fmt.Fprintf(b.e.stderr, "%s: %v\n", name, time.Since(began).Round(100*time.Millisecond))
	}
}

func (b *bundling) add(name, about string, get func(context.Context) ([]byte, error)) {
	text, err := get(context.Background())
	if err != nil {
		text = append(text, fmt.Sprintf("\n(not all there: %v)\n", err)...)
	}
	if len(text) > maxBundled {
		text = append([]byte("(its beginning is left out)\n"), text[len(text)-maxBundled:]...)
	}
	b.files = append(b.files, bundled{name, about, b.clean(text)})
}

// clean takes out the secrets of the configuration, wherever they stand, and what
// looks like one.
func (b *bundling) clean(text []byte) []byte {
	if b.cfg != nil {
		text = b.cfg.Hide(text)
	}
	return agent.Redact(text)
}

func (b *bundling) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return out, fmt.Errorf("%s: %w", program, err)
	}
	return out, nil
}

func (b *bundling) status() string {
	var out bytes.Buffer
	runStatus(context.Background(), env{strings.NewReader(""), &out, &out}, nil)
	return out.String()
}

func (b *bundling) spool() ([]byte, error) {
	v, err := spool.OpenView(spoolDir(b.cfg.Data))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = spoolList(&out, v, spoolFlags{})
	return out.Bytes(), err
}

// newestEvents is how much of the events' dump is kept, bytes.
const newestEvents = 256 << 10

func (b *bundling) events(ctx context.Context) ([]byte, error) {
	v, err := spool.OpenView(spoolDir(b.cfg.Data))
	if err != nil {
		return nil, err
	}
	out := &tail{most: newestEvents}
	err = spoolDump(ctx, out, v, []report.Lane{report.Event}, 1)
	return out.lines(), err
}

// tail keeps the end of what is written.
type tail struct {
	b    []byte
	most int
	cut  bool
}

func (t *tail) Write(p []byte) (int, error) {
	if t.b = append(t.b, p...); len(t.b) > 2*t.most {
		t.b, t.cut = append([]byte{}, t.b[len(t.b)-t.most:]...), true
	}
	return len(p), nil
}

func (t *tail) lines() []byte {
	if t.cut {
		return t.b[bytes.IndexByte(t.b, '\n')+1:]
	}
	return t.b
}

// system is facts that need no program.
func (b *bundling) system() []byte {
	var out bytes.Buffer
	for _, file := range []string{"/etc/os-release", "/proc/version", "/proc/device-tree/model", "/proc/cmdline", "/proc/uptime", "/proc/loadavg", "/proc/meminfo", "/proc/cpuinfo",
		"/proc/mounts", "/proc/net/route", "/proc/net/dev", "/etc/resolv.conf", "/proc/pressure/io", "/proc/pressure/memory", "/sys/class/thermal/thermal_zone0/temp"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // not every kernel has each
		}
		fmt.Fprintf(&out, "== %s\n%s\n", file, bytes.TrimRight(text, "\x00\n"))
	}
	dirs := []string{"/", "/tmp"}
	if b.cfg != nil {
		dirs = append(dirs, b.cfg.Data)
	}
	for _, dir := range dirs {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil {
			fmt.Fprintf(&out, "== disk of %s: %d of %d MiB free, %d of %d inodes\n", dir, uint64(st.Bavail)*uint64(st.Bsize)>>20, uint64(st.Blocks)*uint64(st.Bsize)>>20, st.Ffree, st.Files)
		}
	}
	all, _ := net.Interfaces() // none is a fact as well
	for _, i := range all {
		addrs, _ := i.Addrs()
		fmt.Fprintf(&out, "== interface %s mtu %d %v %v\n", i.Name, i.MTU, i.Flags, addrs)
	}
	fmt.Fprintf(&out, "== time %s\n", time.Now().Format(time.RFC3339))
	return out.Bytes()
}

// readme is the first file: what is in the archive.
func (b *bundling) readme(device string) {
	var out bytes.Buffer
	fmt.Fprintf(&out, `Kentongan, for support
device   %s
made     %s by %s

Passwords, keys and tokens were taken out before anything was written here, user
names and what stands behind the ? of a URL as well (xxxxx). Addresses of cameras and
brokers, names of places and what the agent logged are in it: send it to those alone
whom you trust with them.

Kata sandi, kunci, dan token sudah dihapus (xxxxx). Alamat kamera dan nama tempat masih
ada: kirim hanya kepada yang dipercaya.

`, device, b.began.UTC().Format(time.RFC3339), thisBuild())
	for _, f := range b.files {
		fmt.Fprintf(&out, "%-18s %9d bytes  %s\n", f.name, len(f.text), f.about)
	}
	b.files = append([]bundled{{"README.txt", "", b.clean(out.Bytes())}}, b.files...)
}

func (b *bundling) write(w io.Writer) error {
	z := gzip.NewWriter(w)
	for _, f := range b.files {
		padding := make([]byte, (tarBlock-len(f.text)%tarBlock)%tarBlock)
		for _, part := range [][]byte{tarHeader("kentongan/"+f.name, len(f.text), b.began), f.text, padding} {
			if _, err := z.Write(part); err != nil {
				return err
			}
		}
	}
	_, err := z.Write(make([]byte, 2*tarBlock))
	return errors.Join(err, z.Close())
}

const tarBlock = 512

// tarHeader is a file's header in the ustar format of POSIX.1-1988, which is all
// that short names and small files need; package archive/tar would make the device's
// program 90 KiB larger.
func tarHeader(name string, size int, at time.Time) []byte {
	h := make([]byte, tarBlock)
	copy(h, name)
	copy(h[100:], "0000600\x00")                               // mode
	copy(h[108:], "0000000\x000000000\x00")                    // uid, gid
	copy(h[124:], fmt.Sprintf("%011o\x00", size))              // of at most maxBundled
	copy(h[136:], fmt.Sprintf("%011o\x00", max(at.Unix(), 0))) // 33 bits
	copy(h[148:], "        ")                                  // the sum is made with spaces here
	h[156] = '0'                                               // a file
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}
