package config

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Seen is what a Watch found: the whole text of the file, or why there is none.
type Seen struct {
	Text    []byte
	Version string // of the text, as Config.Version
	Err     error  // the file can't be read, or is gone
}

// Watch tells of each new content of a configuration file, once it is whole.
//
// It watches directories, never the file: a watch on a file goes deaf when an
// editor renames another over it, and sees nothing of a symbolic link that is
// turned. Of a path it watches each part on the way, so that a turn of
// Kubernetes' ..data or of a whole directory counts.
//
// # When a file is whole
//
// One that was renamed into place is whole once its directory is quiet for
// Settle. One that is written in place is, once nothing was written for InPlace;
// inotify's close after writing, which would tell, does not come through
// fsnotify. One that is gone, empty, or does not end with a line end may be half
// of something, and is waited for up to Patience. So a writer that pauses for
// longer than InPlace behind a line end can be taken half; the rest counts when
// it comes.
type Watch struct {
	File  string
	From  string          // version that is known already
	More  func() []string // further files, as passwords, whose change counts; may be nil
	Poll  time.Duration   // a look without an event; default 60 s
	Again <-chan struct{} // a look that somebody asks for; may be nil
	Retry func() bool     // Again tells the same text anew; may be nil
	Looks bool            // only looks, each Poll: the kernel is asked for no events
	Log   *slog.Logger

	Settle, InPlace, Patience time.Duration // default 300 ms, 2 s, 10 s

	others  chan struct{}   // holds one: More names other files
	files   map[string]bool // what counts: each part of the way and the file itself
	dirs    map[string]bool // watched
	sums    string          // of More
	told    string          // what was told last
	waiting time.Time       // since when something is not whole
}

// Watching runs the watch beside its caller, which is told of all that changes
// from now on; stop ends it and returns when it is over.
func (w *Watch) Watching(ctx context.Context) (seen <-chan Seen, stop func()) {
	w.sums = w.more()
	w.told = w.From
	w.others = make(chan struct{}, 1)
	if _, err := readAll(w.File); err != nil {
		w.told = err.Error() // it was not there when it was read, either
	}
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan Seen)
	var wg sync.WaitGroup
	wg.Go(func() {
		w.run(ctx, func(s Seen) {
			select {
			case out <- s:
			case <-ctx.Done():
			}
		})
	})
	return out, func() { cancel(); wg.Wait() }
}

// Follow tells that More names other files now. It may be called while Watching, and
// does not wait.
func (w *Watch) Follow() {
	select {
	case w.others <- struct{}{}:
	default:
	}
}

func (w *Watch) run(ctx context.Context, tell func(Seen)) {
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&w.Poll, time.Minute}, {&w.Settle, 300 * time.Millisecond}, {&w.InPlace, 2 * time.Second}, {&w.Patience, 10 * time.Second}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	w.dirs = map[string]bool{}
	var n *fsnotify.Watcher
	if !w.Looks {
		var err error
		if n, err = fsnotify.NewWatcher(); err != nil {
			// No inotify instance left: looking now and then does.
			w.Log.Error("configuration is looked at, not watched", "err", err, "every", w.Poll)
			n = nil
		} else {
			defer n.Close()
		}
	}
	w.follow(n)
	w.loop(ctx, n, tell)
}

// loop works with a watcher, or with nil.
func (w *Watch) loop(ctx context.Context, n *fsnotify.Watcher, tell func(Seen)) {
	var events chan fsnotify.Event
	var errs chan error
	if n != nil {
		events, errs = n.Events, n.Errors
	}
	poll := time.NewTicker(w.Poll)
	defer poll.Stop()
	look := time.NewTimer(0) // what changed before the watch began
	defer look.Stop()
	var due time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events:
			if !ok {
				return
			}
			if !w.files[filepath.Clean(e.Name)] {
				continue
			}
			quiet := w.Settle
			if e.Op == fsnotify.Write {
				quiet = w.InPlace
			} else if e.Op == fsnotify.Chmod && time.Now().Before(due) {
				continue // touched and not changed; it is looked at anyway
			}
			due = time.Now().Add(quiet)
			look.Reset(quiet)
			w.follow(n)
			continue
		case err, ok := <-errs:
			if !ok {
				return
			}
			w.Log.Warn("configuration watch", "err", err) // events may have been lost: look
		case <-poll.C:
			if time.Now().Before(due) {
				continue // it is being written
			}
		case <-w.Again:
			if w.Retry != nil && w.Retry() {
				w.told = ""
			}
		case <-w.others:
		case <-look.C:
		}
		w.follow(n)
		if again := w.look(tell); again > 0 {
			look.Reset(again)
		}
	}
}

// look tells what is new. It returns when to look again because what is there
// may not be whole; 0 is not.
func (w *Watch) look(tell func(Seen)) (again time.Duration) {
	text, err := readAll(w.File)
	if more := w.more(); more != w.sums && err == nil {
		// A password of before; the text is told again with it.
		w.sums = more
		w.told = ""
	}
	s := Seen{Text: text, Version: version(text), Err: err}
	known := s.Version
	if err != nil {
		known = err.Error()
	}
	if known == w.told {
		w.waiting = time.Time{}
		return 0
	}
	if err != nil || !bytes.HasSuffix(text, []byte("\n")) {
		if w.waiting.IsZero() {
			w.waiting = time.Now()
		}
		if left := w.Patience - time.Since(w.waiting); left > 0 {
			return min(left, w.Settle)
		}
	}
	w.waiting, w.told = time.Time{}, known
	tell(s)
	return 0
}

// VersionOf is the Version of a configuration with this text.
func VersionOf(text string) string { return version([]byte(text)) }

// version names a text.
func version(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// more is the sum of what the further files hold.
func (w *Watch) more() string {
	if w.More == nil {
		return ""
	}
	sum := sha256.New()
	for _, f := range w.More() {
		text, err := readAll(f)
		fmt.Fprintf(sum, "%s\x00%s\x00%v\x00", f, text, err != nil)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// follow watches the directories of all that the paths go through. It may be
// called again at any time; what is not needed any more is let go.
func (w *Watch) follow(n *fsnotify.Watcher) {
	w.files = map[string]bool{}
	files := []string{w.File}
	if w.More != nil {
		files = append(files, w.More()...)
	}
	for _, f := range files {
		if abs, err := filepath.Abs(f); err == nil {
			w.through(abs, 0)
		}
	}
	if n == nil {
		return
	}
	dirs := map[string]bool{}
	for f := range w.files {
		dirs[filepath.Dir(f)] = true
	}
	for d := range w.dirs {
		if !dirs[d] {
			_ = n.Remove(d) // gone with its directory, perhaps
			delete(w.dirs, d)
		}
	}
	// One that was there is added again: a directory that was replaced is another.
	for d := range dirs {
		if err := n.Add(d); err == nil {
			w.dirs[d] = true
		}
	}
}

// maxLinks is what the kernel follows in one path (path_resolution(7)).
const maxLinks = 40

// through notes each part of a path, and where it leads if it is a link. A part
// that is not there is noted too: it may come.
func (w *Watch) through(path string, links int) {
	at := "/"
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, part := range parts {
		at = filepath.Join(at, part)
		w.files[at] = true
		info, err := os.Lstat(at)
		if err != nil {
			return
		}
		if info.Mode()&os.ModeSymlink == 0 {
			continue
		}
		to, err := os.Readlink(at)
		if err != nil || links >= maxLinks {
			return
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(at), to)
		}
		w.through(filepath.Join(append([]string{to}, parts[i+1:]...)...), links+1)
		return
	}
}
