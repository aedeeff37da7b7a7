package config

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// longest is for a machine that is busy with something else.
const longest = 90 * time.Second

// watched is a directory with a configuration that is watched.
type watched struct {
	t    *testing.T
	dir  string
	file string
	seen <-chan Seen
}

func (w *watched) run(program string, args ...string) {
	w.t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		w.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}

func (w *watched) must(errs ...error) {
	w.t.Helper()
	for _, err := range errs {
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *watched) write(name, text string) {
	w.t.Helper()
	w.must(os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
}

// rename puts a whole text in the place of a file at once: os.WriteFile empties it
// first, and a busy machine can see that for longer than the watch waits.
func (w *watched) rename(name, text string) {
	w.t.Helper()
	w.write(name+".new", text)
	w.must(os.Rename(filepath.Join(w.dir, name+".new"), filepath.Join(w.dir, name)))
}

// want waits for the next content that is told.
func (w *watched) want(text string) {
	w.t.Helper()
	select {
	case s := <-w.seen:
		if s.Err != nil {
			w.t.Fatalf("told %v, want %q", s.Err, text)
		}
		if string(s.Text) != text {
			w.t.Fatalf("told %q, want %q", s.Text, text)
		}
	case <-time.After(longest):
		w.t.Fatalf("not told of %q", text)
	}
}

// TestWatchSeesEverySave saves a file as editors and administrators do, really,
// with the real fsnotify. Each row ends in a text that must be told next: so what
// is told in between, as half of a file, fails it.
func TestWatchSeesEverySave(t *testing.T) {
	const old, now = "device: old\n", "device: new\nlog: {level: debug}\n"
	tests := map[string]struct {
		patience time.Duration
		save     func(w *watched)
		want     string
	}{
		"written in place, as nano does": {save: func(w *watched) { w.write("k.yaml", now) }},
		"renamed over, as vim, sed -i and our own tools do": {save: func(w *watched) {
			w.write("k.yaml.new", now)
			w.must(os.Rename(w.file+".new", w.file))
		}},
		"sed -i": {save: func(w *watched) { w.run("sed", "-i", "s/old/new/", w.file) }, want: "device: new\n"},
		"vim with a backup: renamed away, made anew": {save: func(w *watched) {
			w.write("4913", "")
			w.must(os.Remove(filepath.Join(w.dir, "4913")), os.Rename(w.file, w.file+"~"))
			w.write("k.yaml", now)
			w.must(os.Remove(w.file + "~"))
		}},
		"install over it": {save: func(w *watched) {
			w.write("other", now)
			w.run("install", "-m", "600", filepath.Join(w.dir, "other"), w.file)
		}},
		"gone for a moment": {save: func(w *watched) {
			w.must(os.Remove(w.file))
			time.Sleep(50 * time.Millisecond) // so that an event comes before it is back
			w.write("k.yaml", now)
		}},
		"half written, the rest later": {save: func(w *watched) {
			f, err := os.Create(w.file)
			w.must(err)
			for _, part := range []string{"device: new\nlog: {le", "vel: de", "bug}\n"} {
				_, err = f.WriteString(part)
				w.must(err, f.Sync())
				time.Sleep(100 * time.Millisecond) // beyond Settle of this test: only a whole file may be told
			}
			w.must(f.Close())
		}},
		"emptied, then written": {save: func(w *watched) {
			w.must(os.Truncate(w.file, 0))
			time.Sleep(150 * time.Millisecond)
			w.write("k.yaml", now)
		}},
		"the link turned": {save: func(w *watched) {
			w.must(os.Remove(w.file), os.Symlink("one", w.file))
			w.write("one", "device: one\n")
			w.want("device: one\n")
			w.write("two", now)
			w.must(os.Symlink("two", filepath.Join(w.dir, "k.tmp")), os.Rename(filepath.Join(w.dir, "k.tmp"), w.file))
		}},
		"..data turned, as Kubernetes does": {save: func(w *watched) {
			w.must(os.Mkdir(filepath.Join(w.dir, "..1"), 0o700), os.Mkdir(filepath.Join(w.dir, "..2"), 0o700))
			w.write("..1/k.yaml", "device: one\n")
			w.must(os.Symlink("..1", filepath.Join(w.dir, "..data")), os.Remove(w.file), os.Symlink("..data/k.yaml", w.file))
			w.want("device: one\n")
			w.write("..2/k.yaml", now)
			w.must(os.Symlink("..2", filepath.Join(w.dir, "..tmp")), os.Rename(filepath.Join(w.dir, "..tmp"), filepath.Join(w.dir, "..data")),
				os.RemoveAll(filepath.Join(w.dir, "..1")))
		}},
		"the whole directory replaced": {save: func(w *watched) {
			other := w.dir + ".other"
			w.must(os.Mkdir(other, 0o700), os.WriteFile(filepath.Join(other, "k.yaml"), []byte(now), 0o600),
				os.Rename(w.dir, w.dir+".away"), os.Rename(other, w.dir))
		}},
		"saved twice, the second counts": {save: func(w *watched) {
			w.write("k.yaml", "device: between") // without a line end, so that it waits however busy the machine is
			w.write("k.yaml", now)
		}},
		"touched, then saved": {save: func(w *watched) {
			w.must(os.Chtimes(w.file, time.Now(), time.Now()), os.Chmod(w.file, 0o640))
			w.write("k.yaml", old) // the same again is no change
			time.Sleep(300 * time.Millisecond)
			w.write("k.yaml", now)
		}},
		"without a line end": {patience: time.Second, save: func(w *watched) { w.rename("k.yaml", "device: new") }, want: "device: new"},
		"a password's file":  {save: func(w *watched) { w.rename("camera.secret", "another") }, want: old},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &watched{t: t, dir: filepath.Join(t.TempDir(), "etc")}
			w.file = filepath.Join(w.dir, "k.yaml")
			w.must(os.Mkdir(w.dir, 0o700))
			w.write("k.yaml", old)
			w.write("camera.secret", "hunter2")
			if tt.patience == 0 {
				tt.patience = longest
			}
			seen, stop := (&Watch{
				File: w.file, From: version([]byte(old)), More: func() []string { return []string{filepath.Join(w.dir, "camera.secret")} },
				Poll: time.Hour, Settle: 50 * time.Millisecond, InPlace: 700 * time.Millisecond, Patience: tt.patience, Log: slog.New(slog.DiscardHandler),
			}).Watching(t.Context())
			defer stop()
			w.seen = seen
			tt.save(w)
			if tt.want == "" {
				tt.want = now
			}
			w.want(tt.want)
			select {
			case s := <-seen:
				t.Errorf("told once more: %q, %v", s.Text, s.Err)
			default:
			}
		})
	}
}

// TestWatchTellsThatItIsGone: for good, and that it is back.
func TestWatchTellsThatItIsGone(t *testing.T) {
	w := &watched{t: t, dir: t.TempDir()}
	w.file = filepath.Join(w.dir, "k.yaml")
	w.write("k.yaml", "device: old\n")
	again := make(chan struct{})
	seen, stop := (&Watch{File: w.file, From: version([]byte("device: old\n")), Poll: time.Hour, Settle: 20 * time.Millisecond, InPlace: 50 * time.Millisecond, Patience: 200 * time.Millisecond, Again: again, Log: slog.New(slog.DiscardHandler)}).Watching(t.Context())
	defer stop()
	w.seen = seen
	again <- struct{}{} // nothing is new
	w.must(os.Remove(w.file))
	select {
	case s := <-seen:
		if s.Err == nil || !strings.Contains(s.Err.Error(), "no such file") {
			t.Fatalf("told %q, %v", s.Text, s.Err)
		}
	case <-time.After(longest):
		t.Fatal("not told that it is gone")
	}
	w.rename("k.yaml", "device: old\n")
	w.want("device: old\n")
}

// TestWatchWithoutInotify looks now and then.
func TestWatchWithoutInotify(t *testing.T) {
	w := &watched{t: t, dir: t.TempDir()}
	w.file = filepath.Join(w.dir, "k.yaml")
	w.write("k.yaml", "device: old\n")
	told := make(chan Seen)
	watch := Watch{File: w.file, From: version([]byte("device: old\n")), Poll: 20 * time.Millisecond, Settle: time.Millisecond, InPlace: time.Millisecond, Patience: time.Minute, Log: slog.New(slog.DiscardHandler), dirs: map[string]bool{}}
	watch.told = watch.From
	done := make(chan struct{})
	go func() {
		defer close(done)
		watch.loop(t.Context(), nil, func(s Seen) { told <- s })
	}()
	t.Cleanup(func() { <-done })
	w.seen = told
	w.write("k.yaml.new", fmt.Sprintf("device: %s\n", "new"))
	w.must(os.Rename(w.file+".new", w.file))
	w.want("device: new\n")
}
