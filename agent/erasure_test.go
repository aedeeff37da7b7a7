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
	"testing"

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
	clock, err := newClock()
	if err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(filepath.Join(cfg.Data, "spool"), spool.Options{
		Device: cfg.Device, Stamp: clock.stamp, Mirror: mirror, Log: slog.New(slog.DiscardHandler),
		Quota: map[report.Lane]int64{report.Complaint: 1 << 20, report.Event: 1 << 20, report.Telemetry: 1 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
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

var errCut = errors.New("power cut")

// Wherever the power fails, a device of which something is gone neither runs nor
// enrols, the keys went before the records, and the same again goes on. Here it fails
// before the first change, then again and again, before each overwriting and each
// removal.
func TestErasureCutAnywhere(t *testing.T) {
	cfg, mirror := full(t)
	before := rest(t, cfg.Data)
	records := func(files []string) []string {
		return slices.DeleteFunc(slices.Clone(files), func(f string) bool { return !strings.HasPrefix(f, "spool/") })
	}
	agentAndEnrolment := func() (run, enrol error) {
		a, err := New(cfg, Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		_, enrol = Enrol(t.Context(), EnrolOptions{Config: cfg.File, Centre: &url.URL{Scheme: "https", Host: "127.0.0.1:1"}})
		return a.Run(t.Context()), enrol
	}
	cuts, more, whole := 0, 0, false
	last := before
	for ; !whole; cuts++ {
		if cuts > 500 {
			t.Fatalf("it does not go on: %q", rest(t, cfg.Data))
		}
		e := openErasure(t, cfg)
		if e.Begun != (cuts > 0) || cuts == 0 && (e.Waiting != 2 || e.Unread != nil) {
			t.Fatalf("cut %d: begun %v, %d waiting (%v)", cuts, e.Begun, e.Waiting, e.Unread)
		}
		steps := 2 + cuts%2 + more // the mark, an overwriting, and every other time the removal
		if cuts == 0 {
			steps = 0
		}
		_, err := e.Run(t.Context(), false, func(string) error {
			if steps--; steps < 0 {
				return errCut
			}
			return nil
		})
		if err := e.Close(); err != nil { // as the kernel does
			t.Fatal(err)
		}
		left := rest(t, cfg.Data)
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
			if err := saveFile(erasingFile(cfg.Data), nil); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if run, enrol := agentAndEnrolment(); !errors.Is(run, ErrErasing) || !errors.Is(enrol, ErrErasing) {
			t.Fatalf("cut %d, with %q: an agent %v, enrolment %v", cuts, left, run, enrol)
		}
		if slices.Contains(left, "record.key") && !slices.Equal(records(left), records(before)) {
			t.Fatalf("cut %d: the record key is there and records are gone: %q", cuts, left)
		}
	}
	if least := 2 * (len(before) - 1); cuts < least {
		t.Errorf("%d cuts, want two for each of the files, %d", cuts, least)
	}
	if got := rest(t, cfg.Data); !slices.Equal(got, []string{ticketsFile}) {
		t.Errorf("left are %q", got)
	}
	if got := rest(t, mirror); len(got) > 0 {
		t.Errorf("the mirror has %q", got)
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
	_, err := e.Run(t.Context(), false, func(name string) error {
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
	if _, err := openErasure(t, cfg).Run(t.Context(), false, func(string) error { return nil }); err != nil {
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

// With the configuration go its earlier versions and setup's password files, and no
// other file that it names.
func TestErasureWithTheConfiguration(t *testing.T) {
	cfg, _ := full(t)
	dir := filepath.Dir(cfg.File)
	for _, name := range []string{"k.yaml.before-20260101T000000Z", "k.yaml.answers", "camera-1.secret", "broker-password", "other.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("rahasia\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.Replace(cfg.Text(), "url: \"mqtt://127.0.0.1:1\"", "url: \"mqtts://127.0.0.1:1\", username: a, password_file: broker-password", 1) +
		"streams: [{name: gate, url: \"rtsp://127.0.0.1/\", username: a, password_file: camera-1.secret}]\n"
	if err := os.WriteFile(cfg.File, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(cfg.File)
	if err != nil {
		t.Fatal(err)
	}
	e := openErasure(t, cfg)
	if want := []string{filepath.Join(dir, "broker-password")}; !slices.Equal(e.Others, want) {
		t.Errorf("not reached are %q, want %q", e.Others, want)
	}
	if _, err := e.Run(t.Context(), true, func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got := rest(t, dir); !slices.Equal(got, []string{"broker-password", "data/kiosk/tickets.json", "other.yaml"}) {
		t.Errorf("left are %q", got)
	}
}
