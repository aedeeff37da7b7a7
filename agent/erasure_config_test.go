package agent

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kentongan/agent/config"
	"kentongan/agent/erase"
)

// With the configuration go its earlier versions and setup's password files, and no
// other file that it names.
func TestErasureWithTheConfiguration(t *testing.T) {
	cfg, _ := full(t)
	dir := filepath.Dir(cfg.File)
	for _, name := range []string{"k.yaml.before-20260101T000000Z", "k.yaml.answers", "k.yaml.answers.new", "k.yaml.draft.new", "k.yaml.new", "camera-1.secret", "camera-1.secret.new", "broker-password", "other.yaml", "other.secret"} {
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
	if _, err := e.Run(t.Context(), How{Config: true, LoseComplaints: true}, on); err != nil {
		t.Fatal(err)
	}
	if got := rest(t, dir); !slices.Equal(got, []string{"broker-password", "data/kiosk/tickets.json", "other.secret", "other.yaml"}) {
		t.Errorf("left are %q", got)
	}
}

// What is written over a file that goes is seen through one that is open.
func TestErasureOverwritesTheConfiguration(t *testing.T) {
	cfg, _ := full(t)
	odd := filepath.Join(filepath.Dir(cfg.File), "k[1]*.yaml")
	if err := errors.Join(os.Rename(cfg.File, odd), os.WriteFile(odd+".before-1", []byte(cfg.Text()), 0o600)); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(odd)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{odd, odd + ".before-1"} {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		defer func() {
			text, err := io.ReadAll(f)
			if err != nil || strings.Trim(string(text), "\x00") != "" || len(text) == 0 {
				t.Errorf("of %s there is %q, %v", name, text, err)
			}
		}()
	}
	if _, err := openErasure(t, cfg).Run(t.Context(), How{Config: true, LoseComplaints: true}, on); err != nil {
		t.Fatal(err)
	}
}

// A configuration that is a link leads elsewhere: it is named, and nothing is changed.
func TestErasureOfALinkedConfiguration(t *testing.T) {
	cfg, _ := full(t)
	if err := errors.Join(os.Rename(cfg.File, cfg.File+"-real"), os.Symlink(cfg.File+"-real", cfg.File)); err != nil {
		t.Fatal(err)
	}
	before := rest(t, filepath.Dir(cfg.File))
	_, err := openErasure(t, cfg).Run(t.Context(), How{Config: true, LoseComplaints: true}, on)
	if no, ok := errors.AsType[*erase.Refused](err); !ok || no.Why != erase.Link {
		t.Errorf("it says %v", err)
	}
	if got := rest(t, filepath.Dir(cfg.File)); !slices.Equal(got, before) {
		t.Errorf("it changed %q to %q", before, got)
	}
}

// The mark lies where the agent's user may write, and erase runs as root: nothing that
// it names is taken but what lies beside the configuration under one of our names.
func TestMarkOfAnErasureReachesNoForeignFile(t *testing.T) {
	cfg, _ := full(t)
	dir := filepath.Dir(cfg.File)
	foreign := []string{filepath.Join(t.TempDir(), "shadow"), filepath.Join(dir, "notes"), filepath.Join(dir, "..", filepath.Base(dir), "sub", "x.secret")}
	ours := filepath.Join(dir, "left.secret")
	for _, f := range append(foreign, ours) {
		if err := errors.Join(os.MkdirAll(filepath.Dir(f), 0o700), os.WriteFile(f, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := saveJSON(erasingFile(cfg.Data), erasing{Settled: true, Config: append(foreign, cfg.File, ours)}); err != nil {
		t.Fatal(err)
	}
	e := openErasure(t, cfg)
	if _, err := e.Run(t.Context(), How{Config: true, WithoutMirror: true}, on); err != nil {
		t.Fatal(err)
	}
	for _, f := range foreign {
		if _, err := os.Stat(f); err != nil {
			t.Errorf("a file of others is gone: %v", err)
		}
	}
	if _, err := os.Stat(ours); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the mark names of ours is still there: %v", err)
	}
}
