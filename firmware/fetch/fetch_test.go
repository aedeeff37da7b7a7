package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/firmware"
)

const platform = firmware.Platform("linux/arm/6")

// release is what lies on the web server; the payload is noise, since nothing
// here unpacks it.
type release struct {
	board Board
	files map[string][]byte
}

func newRelease(t *testing.T) release {
	t.Helper()
	private, public := newKey(t, "root")
	releaseKey, releasePublic := newKey(t, "release")
	keys := firmware.Keys{Version: 1, Threshold: 1, Root: []string{public}, Release: []string{releasePublic}}
	noise := func(n int) []byte {
		b := make([]byte, n)
		src := rand.NewChaCha8([32]byte{byte(n)})
		_, _ = src.Read(b)
		return b
	}
	whole, patch := noise(300_000), noise(20_000)
	base := hash([]byte("what runs"))
	r := firmware.Release{Number: 2, Version: "two", Issued: time.Now(), Keys: 1, Payload: []firmware.Payload{{
		Platform: platform, Size: 1, SHA256: hash(nil), Packed: firmware.File{Name: "whole.zst", Size: int64(len(whole)), SHA256: hash(whole)},
		Patch: []firmware.Patch{{Base: base, Packed: firmware.File{Name: "patch.zst", Size: int64(len(patch)), SHA256: hash(patch)}}},
	}}}
	return release{
		board: Board{Keys: keys, Running: 1, Device: firmware.Device{Platform: platform}},
		files: map[string][]byte{"keys": sign(t, keys.Text(), private), "release": sign(t, r.Text(), releaseKey), "whole.zst": whole, "patch.zst": patch},
	}
}

func newKey(t *testing.T, name string) (private, public string) {
	t.Helper()
	private, public, err := note.GenerateKey(nil, name)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

func sign(t *testing.T, text, private string) []byte {
	t.Helper()
	s, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// server is Go's own file server, which knows ranges, with faults before it.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []string // name and range
	files  map[string][]byte
	breaks func(w http.ResponseWriter, r *http.Request) http.ResponseWriter
	etag   string
}

func serve(t *testing.T, files map[string][]byte) *server {
	t.Helper()
	s := &server{files: files, etag: `"one"`}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		name := strings.TrimPrefix(r.URL.Path, "/fw/")
		s.asked = append(s.asked, strings.TrimSpace(name+" "+r.Header.Get("Range")))
		body, ok := s.files[name]
		breaks, etag := s.breaks, s.etag
		s.mu.Unlock()
		if !ok {
			http.NotFound(w, r)
			return
		}
		if breaks != nil && strings.HasSuffix(name, ".zst") {
			if w = breaks(w, r); w == nil {
				return
			}
		}
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) base(t *testing.T) *url.URL {
	t.Helper()
	u, err := url.Parse(s.URL + "/fw")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newFetcher(t *testing.T) *Fetcher {
	return &Fetcher{Client: &http.Client{}, Dir: filepath.Join(t.TempDir(), "incoming"), Idle: time.Minute}
}

func (f *Fetcher) has(t *testing.T, name string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(f.Dir, name))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, want %d (%v)", name, len(got), len(want), err)
	}
}

func TestFetch(t *testing.T) {
	r := newRelease(t)
	s, f := serve(t, r.files), newFetcher(t)
	got, err := f.Fetch(t.Context(), s.base(t), r.board)
	if err != nil || got.Number != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, name := range []string{"keys", "release", "whole.zst"} {
		f.has(t, name, r.files[name])
	}
	// Again: nothing but the notes is asked for.
	s.asked = nil
	if _, err := f.Fetch(t.Context(), s.base(t), r.board); err != nil || len(s.asked) != 2 {
		t.Errorf("asked %q, %v", s.asked, err)
	}
	// A patch where it fits, and what lay there is swept away.
	r.board.Program = hash([]byte("what runs"))
	if _, err := f.Fetch(t.Context(), s.base(t), r.board); err != nil {
		t.Fatal(err)
	}
	f.has(t, "patch.zst", r.files["patch.zst"])
	if _, err := os.Stat(filepath.Join(f.Dir, "whole.zst")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what lay there: %v", err)
	}
}

// cutting ends the connection after n bytes of the body.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(b []byte) (int, error) {
	if len(b) > c.left {
		_, _ = c.ResponseWriter.Write(b[:c.left])
		if fl, ok := c.ResponseWriter.(http.Flusher); ok {
			fl.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	c.left -= len(b)
	return c.ResponseWriter.Write(b)
}

// TestGoesOn: on a link that breaks after each 100,000 bytes, every byte is
// fetched once.
func TestGoesOn(t *testing.T) {
	r := newRelease(t)
	s, f := serve(t, r.files), newFetcher(t)
	s.breaks = func(w http.ResponseWriter, _ *http.Request) http.ResponseWriter { return &cutting{w, 100_000} }
	var err error
	tries := 0
	for ; tries < 10; tries++ {
		if _, err = f.Fetch(t.Context(), s.base(t), r.board); err == nil {
			break
		}
		if !strings.Contains(err.Error(), "of 300000 bytes") {
			t.Fatal(err)
		}
	}
	if err != nil || tries != 2 && tries != 3 {
		t.Fatalf("%d tries, %v", tries, err)
	}
	f.has(t, "whole.zst", r.files["whole.zst"])
	var ranges []string
	for _, a := range s.asked {
		if rest, ok := strings.CutPrefix(a, "whole.zst"); ok {
			ranges = append(ranges, rest)
		}
	}
	if len(ranges) < 3 || ranges[0] != "" || ranges[1] != " bytes=100000-" || ranges[2] != " bytes=200000-" {
		t.Errorf("asked for %q", ranges)
	}
}

func TestServersThatMisbehave(t *testing.T) {
	tests := map[string]struct {
		// change happens after the first 100,000 bytes are here.
		change func(s *server, r release)
		want   string // "" = it is fetched all the same
		code   firmware.Code
	}{
		"no ranges":        {change: func(s *server, _ release) { s.breaks = noRanges }},
		"another file now": {change: func(s *server, _ release) { s.etag = `"two"` }},
		"wrong range": {change: func(s *server, _ release) {
			s.breaks = func(w http.ResponseWriter, _ *http.Request) http.ResponseWriter {
				w.Header().Set("Content-Range", "bytes 5-9/10")
				w.WriteHeader(http.StatusPartialContent)
				return nil
			}
		}, want: "asked for byte 100000 on"},
		"gone": {change: func(s *server, _ release) { delete(s.files, "whole.zst") }, want: "404"},
		"busy": {change: func(s *server, _ release) {
			s.breaks = func(w http.ResponseWriter, _ *http.Request) http.ResponseWriter {
				http.Error(w, "later", http.StatusServiceUnavailable)
				return nil
			}
		}, want: "503"},
		"other bytes under the same mark": {change: func(s *server, r release) {
			s.files["whole.zst"] = bytes.Repeat([]byte("x"), len(r.files["whole.zst"]))
		}, want: "not the file", code: firmware.Mixed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRelease(t)
			want := r.files["whole.zst"]
			s, f := serve(t, r.files), newFetcher(t)
			s.breaks = func(w http.ResponseWriter, _ *http.Request) http.ResponseWriter { return &cutting{w, 100_000} }
			if _, err := f.Fetch(t.Context(), s.base(t), r.board); err == nil {
				t.Fatal("it was not cut")
			}
			s.breaks = nil
			tt.change(s, r)
			_, err := f.Fetch(t.Context(), s.base(t), r.board)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				f.has(t, "whole.zst", want)
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || firmware.CodeOf(err) != tt.code {
				t.Errorf("got %v, want %q (%s)", err, tt.want, tt.code)
			}
		})
	}
}

func noRanges(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	r.Header.Del("Range")
	return w
}

// TestRefusedBeforeTheDownload: nothing but the notes is fetched of what the
// board would not take.
func TestRefusedBeforeTheDownload(t *testing.T) {
	r := newRelease(t)
	s, f := serve(t, r.files), newFetcher(t)
	r.board.Floor.Number = 3
	_, err := f.Fetch(t.Context(), s.base(t), r.board)
	if firmware.CodeOf(err) != firmware.Older || len(s.asked) != 2 {
		t.Errorf("%v, asked %q", err, s.asked)
	}
}

// TestSilentServer: a server that sends nothing more is left after the idle
// time.
func TestSilentServer(t *testing.T) {
	r := newRelease(t)
	s, f := serve(t, r.files), newFetcher(t)
	release := make(chan struct{})
	defer close(release)
	s.breaks = func(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
		w.Header().Set("Content-Length", "300000")
		fmt.Fprint(w, "a little")
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return nil
	}
	f.Idle = 300 * time.Millisecond
	if _, err := f.Fetch(t.Context(), s.base(t), r.board); err == nil || !strings.Contains(err.Error(), "nothing came for") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Fetch(ctx, s.base(t), r.board); !errors.Is(err, context.Canceled) {
		t.Errorf("ended by its owner: %v", err)
	}
}
