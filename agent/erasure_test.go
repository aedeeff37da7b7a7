package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/spool"
)

// full makes a device that keeps one of everything, with two complaints that nobody
// has confirmed and a mirror on another disk.
func full(t *testing.T) (cfg *config.Config, mirror string) {
	t.Helper()
	dir := t.TempDir()
	mirror = filepath.Join(dir, "stick")
	file := filepath.Join(dir, "k.yaml")
	text := fmt.Sprintf("device: kiosk-7\ndata: %s\nspool: {complaint: 1MiB, event: 1MiB, telemetry: 1MiB, mirror: %s}\nuplink: {acknowledge: broker, brokers: [{url: \"mqtt://127.0.0.1:1\"}]}\n",
		filepath.Join(dir, "data"), mirror)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	s := openOwing(t, cfg)
	for range 2 {
		if _, err := s.Append(t.Context(), report.Complaint, report.KindPress, report.Press{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"identity/device.pem", "identity/ca.pem", "record.key", "kiosk/pin.key", "kiosk/states.json", "kiosk/tickets.json",
		"picture-gate.learned", "recovery-gate.json", "incoming/kentongan", "update.json", "alarms.json.damaged", "orders.json", "time", "config-order.json.new"} {
		f := filepath.Join(cfg.Data, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(f), 0o700), os.WriteFile(f, []byte(name), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return cfg, mirror
}

// openOwing opens the spool of a device as its agent does.
func openOwing(t *testing.T, cfg *config.Config) *spool.Spool {
	t.Helper()
	clock, err := newClock()
	if err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(filepath.Join(cfg.Data, "spool"), spool.Options{
		Device: cfg.Device, Stamp: clock.stamp, Mirror: cfg.Spool.Mirror, Log: slog.New(slog.DiscardHandler),
		Quota: map[report.Lane]int64{report.Complaint: 1 << 20, report.Event: 1 << 20, report.Telemetry: 1 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rest is every file below dir.
func rest(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); err == nil && !d.IsDir() {
			all = append(all, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func openErasure(t *testing.T, cfg *config.Config) *Erasure {
	t.Helper()
	e, err := OpenErasure(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func on(string) error { return nil }

var errCut = errors.New("power cut")

// Wherever the power fails, a device of which something is gone neither runs nor
// enrols, the keys went before the records, and the same again goes on. Here it fails
// before the first change, then again and again, before each overwriting and each
// removal.
func TestErasureCutAnywhere(t *testing.T) {
	t.Run("the configuration stays", func(t *testing.T) { cutAnywhere(t, false) })
	t.Run("it goes", func(t *testing.T) { cutAnywhere(t, true) })
}

func cutAnywhere(t *testing.T, withConfig bool) {
	cfg, _ := full(t)
	dir := filepath.Dir(cfg.File)
	final := []string{"data/" + ticketsFile}
	first := 2 // the mark, an overwriting
	if withConfig {
		first++ // the stub
		for _, name := range []string{"k.yaml.before-20260101T000000Z", "k.yaml.new"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("rahasia"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	} else {
		final = append(final, "k.yaml")
	}
	before := rest(t, dir)
	records := func(files []string) []string {
		return slices.DeleteFunc(slices.Clone(files), func(f string) bool { return !strings.HasPrefix(f, "data/spool/") })
	}
	how := How{Config: withConfig, LoseComplaints: true}
	agentAndEnrolment := func() (run, enrol error) {
		a, err := New(cfg, Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		_, enrol = Enrol(t.Context(), EnrolOptions{Config: cfg.File, Data: cfg.Data, Centre: &url.URL{Scheme: "https", Host: "127.0.0.1:1"}})
		return a.Run(t.Context()), enrol
	}
	cuts, more, whole := 0, 0, false
	last := before
	for ; !whole; cuts++ {
		if cuts > 500 {
			t.Fatalf("it does not go on: %q", rest(t, dir))
		}
		cfg, err := ErasureConfig(cfg.File)
		if err != nil {
			t.Fatalf("cut %d: the configuration is not found again: %v", cuts, err)
		}
		e := openErasure(t, cfg)
		if ended := slices.Equal(last, append(slices.Clone(final), "k.yaml.erasing")); e.Begun != (cuts > 0) && !ended || cuts == 0 && (e.Waiting != 2 || e.Unread != nil) {
			t.Fatalf("cut %d: begun %v, %d waiting (%v)", cuts, e.Begun, e.Waiting, e.Unread)
		}
		steps := first + cuts%2 + more // and every other time the removal
		if cuts == 0 {
			steps = 0
		}
		_, err = e.Run(t.Context(), how, func(string) error {
			if steps--; steps < 0 {
				return errCut
			}
			return nil
		})
		if err := e.Close(); err != nil { // as the kernel does
			t.Fatal(err)
		}
		left := rest(t, dir)
		if cuts%2 == 1 && slices.Equal(left, last) {
			more++ // only directories are left, and what is asked before them
		}
		last = left
		if whole = err == nil; whole {
			break
		}
		if !errors.Is(err, errCut) {
			t.Fatalf("cut %d: %v", cuts, err)
		}
		if cuts == 0 {
			if !slices.Equal(left, before) {
				t.Fatalf("nothing was begun, and there is %q", left)
			}
			// So that the next look finds it begun.
			if err := saveJSON(erasingFile(cfg.Data), erasing{Settled: true}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if notErasing(cfg.Data) == nil {
			if want := append(slices.Clone(final), "k.yaml.erasing"); !withConfig || !slices.Equal(left, want) {
				t.Fatalf("cut %d: the mark is gone, and there is %q", cuts, left)
			}
			continue
		}
		text, _ := os.ReadFile(cfg.File)
		wiped := strings.HasPrefix(string(text), "\x00") // what enrolment says of the configuration then
		if run, enrol := agentAndEnrolment(); !errors.Is(run, ErrErasing) || !errors.Is(enrol, ErrErasing) && (enrol == nil || !wiped) {
			t.Fatalf("cut %d, with %q: an agent %v, enrolment %v", cuts, left, run, enrol)
		}
		if slices.Contains(left, "data/record.key") && !slices.Equal(records(left), records(before)) {
			t.Fatalf("cut %d: the record key is there and records are gone: %q", cuts, left)
		}
	}
	if least := 2 * (len(before) - len(final)); cuts < least {
		t.Errorf("%d cuts, want two for each of the files, %d", cuts, least)
	}
	if got := rest(t, dir); !slices.Equal(got, final) {
		t.Errorf("left are %q", got)
	}
	if err := notErasing(cfg.Data); err != nil {
		t.Errorf("an empty device: %v", err)
	}
}

// A mirror that only the centre's configuration named is emptied also after that
// configuration is gone.
func TestErasureRemembersTheMirror(t *testing.T) {
	cfg, mirror := full(t)
	e := openErasure(t, cfg)
	_, err := e.Run(t.Context(), How{LoseComplaints: true}, func(name string) error {
		if name == "complaint/000001.seg" { // the mirror's
			return errCut
		}
		return nil
	})
	if !errors.Is(err, errCut) || len(rest(t, mirror)) == 0 {
		t.Fatalf("cut at the mirror: %v, there is %q", err, rest(t, mirror))
	}
	_ = e.Close()
	cfg.Spool.Mirror = ""
	if _, err := openErasure(t, cfg).Run(t.Context(), How{}, on); err != nil {
		t.Fatal(err)
	}
	if got := rest(t, mirror); len(got) > 0 {
		t.Errorf("the mirror has %q", got)
	}
}

// An agent and an erasure exclude each other.
func TestErasureNeedsTheSpool(t *testing.T) {
	cfg, _ := full(t)
	e := openErasure(t, cfg)
	a, err := New(cfg, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := errors.AsType[*spool.LockedError](a.Run(ctx)); !ok {
		t.Error("an agent starts while the device is about to be erased")
	}
	if _, err := OpenErasure(cfg); err == nil {
		t.Error("two erasures at once")
	}
	_ = e.Close()
}

// In doubt nothing is lost: what can't be counted is not erased without being told to.
func TestErasureInDoubt(t *testing.T) {
	tests := map[string]struct {
		do      func(data, mirror string) error
		waiting uint64
		unread  bool
	}{
		"a whole spool":     {func(_, _ string) error { return nil }, 2, false},
		"the mirror alone":  {func(data, _ string) error { return os.RemoveAll(filepath.Join(data, "spool")) }, 2, false},
		"no complaint lane": {func(data, _ string) error { return os.RemoveAll(filepath.Join(data, "spool/complaint")) }, 0, true},
		"a segment that is cut off": {func(data, _ string) error {
			return os.Truncate(filepath.Join(data, "spool/complaint/000001.seg"), 8192)
		}, 0, true},
		"a mark that somebody made": {func(data, _ string) error { return os.WriteFile(erasingFile(data), nil, 0o600) }, 2, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg, mirror := full(t)
			if err := tt.do(cfg.Data, mirror); err != nil {
				t.Fatal(err)
			}
			before := rest(t, filepath.Dir(cfg.File))
			e := openErasure(t, cfg)
			if (e.Unread != nil) != tt.unread || !tt.unread && e.Waiting != tt.waiting {
				t.Errorf("%d waiting, %v", e.Waiting, e.Unread)
			}
			if _, err := e.Run(t.Context(), How{}, on); !errors.Is(err, ErrOwed) {
				t.Errorf("it says %v", err)
			}
			if got := rest(t, filepath.Dir(cfg.File)); !slices.Equal(got, before) {
				t.Errorf("it changed %q to %q", before, got)
			}
		})
	}
}

// An erasure goes on without asking only where the first said what may be lost.
func TestErasureGoesOnAsItWasAllowed(t *testing.T) {
	cfg, _ := full(t)
	e := openErasure(t, cfg)
	cut := 2
	_, err := e.Run(t.Context(), How{LoseComplaints: true}, func(string) error {
		if cut--; cut < 1 {
			return errCut
		}
		return nil
	})
	if !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	_ = e.Close()
	e = openErasure(t, cfg)
	if err := e.May(How{}); !e.Begun || !e.Settled || err != nil {
		t.Errorf("begun %v, settled %v: %v", e.Begun, e.Settled, err)
	}
	_ = e.Close()
	if err := saveJSON(erasingFile(cfg.Data), erasing{}); err != nil {
		t.Fatal(err)
	}
	if e = openErasure(t, cfg); !errors.Is(e.May(How{}), ErrOwed) {
		t.Errorf("nobody allowed it, and %d wait", e.Waiting)
	}
}

// A device without a spool has nothing to lock. An agent that comes while the person
// types keeps its spool, and what it wrote is counted.
func TestErasureOfADeviceWithoutASpool(t *testing.T) {
	cfg, mirror := full(t)
	if err := errors.Join(os.RemoveAll(filepath.Join(cfg.Data, "spool")), os.RemoveAll(mirror)); err != nil {
		t.Fatal(err)
	}
	how := How{WithoutMirror: true}
	e := openErasure(t, cfg)
	if err := e.May(How{}); !errors.Is(err, ErrNoMirror) {
		t.Errorf("a mirror that is not there: %v", err)
	}
	if err := e.May(how); err != nil {
		t.Fatal(err)
	}
	s := openOwing(t, cfg)
	if _, err := s.Append(t.Context(), report.Complaint, report.KindPress, report.Press{}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context(), how, on); !isSpoolLocked(err) {
		t.Errorf("an agent runs: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context(), how, on); !errors.Is(err, ErrOwed) {
		t.Errorf("an agent wrote: %v", err)
	}
	_ = e.Close()
	if err := errors.Join(os.RemoveAll(filepath.Join(cfg.Data, "spool")), os.RemoveAll(mirror)); err != nil {
		t.Fatal(err)
	}
	e = openErasure(t, cfg)
	_, err := e.Run(t.Context(), how, func(string) error {
		if d, err := lockDir(filepath.Join(cfg.Data, "spool"), unix.LOCK_EX); err == nil {
			_ = d.Close()
			return errors.New("no lock")
		}
		return errCut
	})
	if !errors.Is(err, errCut) {
		t.Errorf("while it erases: %v", err)
	}
}

func isSpoolLocked(err error) bool {
	_, ok := errors.AsType[*spool.LockedError](err)
	return ok
}

// A mirror that only the last configuration or the one before it named is found, and one
// whose disk went between a cut and the next run is not taken for empty.
func TestErasureFindsEveryMirror(t *testing.T) {
	cfg, mirror := full(t)
	text := cfg.Text()
	o := &ordered{V: orderedVersion, Before: &version{Version: 1, Text: strings.Replace(text, mirror, mirror+"-before", 1)}}
	if err := o.save(cfg.Data); err != nil {
		t.Fatal(err)
	}
	if err := saveJSON(runningFile(cfg.Data), running{V: 1, Text: strings.Replace(text, mirror, mirror+"-running", 1), Status: ConfigStatus{File: cfg.File}}); err != nil {
		t.Fatal(err)
	}
	e := openErasure(t, cfg)
	if want := []string{mirror + "-running", mirror + "-before"}; !slices.Equal(e.Absent, want) {
		t.Errorf("empty are %q, want %q", e.Absent, want)
	}
	if _, err := e.Run(t.Context(), How{LoseComplaints: true}, on); !errors.Is(err, ErrNoMirror) {
		t.Errorf("it says %v", err)
	}
	_ = e.Close()
	if err := saveJSON(erasingFile(cfg.Data), erasing{Settled: true, Mirrors: map[string]uint64{mirror: deviceOf(mirror)}}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(mirror); err != nil {
		t.Fatal(err)
	}
	e = openErasure(t, cfg)
	if !slices.Contains(e.Absent, mirror) {
		t.Errorf("a mirror that went: %q", e.Absent)
	}
}

// An enrolment and an erasure exclude each other, and what is written meanwhile keeps
// the mark.
func TestErasureAndEnrolment(t *testing.T) {
	cfg, _ := full(t)
	how := How{LoseComplaints: true}
	e := openErasure(t, cfg)
	enrolled := make(chan error, 1)
	hold := &holding{at: make(chan struct{}), on: make(chan struct{})}
	go func() {
		_, err := Enrol(t.Context(), EnrolOptions{Config: cfg.File, Centre: &url.URL{Scheme: "https", Host: "127.0.0.1:1"}, Disk: hold})
		enrolled <- err
	}()
	<-hold.at
	if _, err := e.Run(t.Context(), how, on); !errors.Is(err, ErrEnrolling) {
		t.Errorf("while a device enrols: %v", err)
	}
	close(hold.on)
	<-enrolled
	_, err := e.Run(t.Context(), how, func(name string) error {
		if _, err := Enrol(t.Context(), EnrolOptions{Config: cfg.File, Centre: &url.URL{Scheme: "https", Host: "127.0.0.1:1"}}); !errors.Is(err, ErrErasing) {
			return fmt.Errorf("enrolment says %w", err)
		}
		return errCut
	})
	if !errors.Is(err, errCut) {
		t.Error(err)
	}
	wrote := false
	_, err = e.Run(t.Context(), how, func(name string) error {
		if name == "spool" && !wrote {
			wrote = true
			return os.WriteFile(filepath.Join(cfg.Data, "time"), nil, 0o600)
		}
		return nil
	})
	if !errors.Is(err, ErrMeanwhile) || notErasing(cfg.Data) == nil {
		t.Errorf("something was written: %v, mark %v", err, notErasing(cfg.Data))
	}
}

// holding is a disk whose first save waits.
type holding struct {
	smallFiles
	once   sync.Once
	at, on chan struct{}
}

func (h *holding) Save(file string, text []byte) error {
	h.once.Do(func() { close(h.at); <-h.on })
	return h.smallFiles.Save(file, text)
}

// An agent that looked before the mark was set looks again when it has the spool.
func TestAgentLooksAgain(t *testing.T) {
	cfg, _ := full(t)
	a, err := New(cfg, Options{Log: slog.New(slog.DiscardHandler), Bench: Bench{Disk: marking{spool.OS, cfg.Data}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := a.Run(ctx); !errors.Is(err, ErrErasing) {
		t.Errorf("it says %v", err)
	}
}

// marking is a disk on which the mark appears before the spool is locked.
type marking struct {
	spool.FS
	data string
}

func (m marking) MkdirAll(dir string) error {
	return errors.Join(m.FS.MkdirAll(dir), saveFile(erasingFile(m.data), nil))
}
