package uplink

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long the directories must be quiet before a change counts:
// certificate and key are two files, and are seldom renamed at one instant.
const settle = 500 * time.Millisecond

// watchFiles tells on the channel when something happened in the directories of
// the files. It watches directories: a watch on a file goes deaf when the file
// is replaced by a rename. stop returns when the watch has ended.
func watchFiles(files []string, log *slog.Logger) (changed <-chan struct{}, stop func(), err error) {
	if len(files) == 0 {
		return nil, func() {}, nil
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, func() {}, fmt.Errorf("watch files: %w", err)
	}
	for _, f := range files {
		if err := w.Add(filepath.Dir(f)); err != nil {
			_ = w.Close()
			return nil, func() {}, fmt.Errorf("watch directory of %s: %w", f, err)
		}
	}
	out := make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() { relay(w, out, log) })
	return out, func() {
		_ = w.Close()
		wg.Wait()
	}, nil
}

// relay passes on that something changed, once it is quiet again.
func relay(w *fsnotify.Watcher, out chan<- struct{}, log *slog.Logger) {
	quiet := time.NewTimer(0)
	defer quiet.Stop()
	<-quiet.C
	for {
		select {
		case _, ok := <-w.Events:
			if !ok {
				return
			}
			quiet.Reset(settle)
		case err, ok := <-w.Errors:
			if !ok {
				return
			}
			log.Warn("file watch", "err", err)
			quiet.Reset(settle) // events may have been lost: look
		case <-quiet.C:
			select {
			case out <- struct{}{}:
			default:
			}
		}
	}
}
