package rig

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"kentongan/firmware"
	"kentongan/firmware/publish"
)

// publisher is a web server with one release at a time, and the keys that sign it.
type publisher struct {
	url      string // as the machine reaches it
	keysFile string
	keys     []byte
	secret   string
	platform firmware.Platform

	mu    sync.Mutex // guards what follows
	files map[string][]byte
	at    int           // bytes of the payload until it is told
	told  chan struct{} // closed when as many were sent; made anew for each release
}

// payload is a program as it is published.
type payload struct {
	version string
	size    int64
	hash    string
	packed  []byte
}

func newPublisher(t *testing.T, dir string, b Board) *publisher {
	t.Helper()
	p := &publisher{platform: firmware.Platform("linux/" + strings.TrimPrefix(b.Env[0], "GOARCH="))}
	if len(b.Env) > 1 {
		p.platform += firmware.Platform("/" + strings.TrimPrefix(b.Env[1], "GOARM="))
	}
	root, public := newKey(t, "root")
	k := firmware.Keys{Version: 1, Threshold: 1, Root: []string{public}}
	p.secret, public = newKey(t, "release")
	k.Release = []string{public}
	p.keys = sign(t, k.Text(), root)
	p.keysFile = filepath.Join(dir, "keys")
	if err := os.WriteFile(p.keysFile, p.keys, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	p.url = "http://10.0.2.2:" + port + "/fw"
	server := &http.Server{Handler: p}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = server.Serve(l) // until it is closed
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-over
	})
	return p
}

// ServeHTTP gives a file out, or what is left of it.
func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/fw/")
	p.mu.Lock()
	body, ok := p.files[name]
	at, told := p.at, p.told
	p.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", `"`+hashOf(body)+`"`)
	if !strings.HasSuffix(name, ".zst") {
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
		return
	}
	http.ServeContent(w, r, name, time.Time{}, &teller{bytes.NewReader(body), at, told})
}

// teller closes a channel when what is read reaches a place.
type teller struct {
	*bytes.Reader
	at   int
	told chan struct{}
}

func (t *teller) Read(b []byte) (int, error) {
	n, err := t.Reader.Read(b)
	if int(t.Size())-t.Len() >= t.at {
		once(t.told)
	}
	return n, err
}

// once closes a channel that may be closed; one machine fetches one file at a time.
func once(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// publish puts a release there, in the place of the one before. It is told when
// at bytes of the payload were sent.
func (p *publisher) publish(t *testing.T, number uint64, what payload, at int) {
	t.Helper()
	name := fmt.Sprintf("%d-%s.zst", number, what.version)
	r := firmware.Release{Number: number, Version: what.version, Issued: time.Unix(int64(number), 0), Keys: 1, Payload: []firmware.Payload{{
		Platform: p.platform, Size: what.size, SHA256: what.hash,
		Packed: firmware.File{Name: name, Size: int64(len(what.packed)), SHA256: hashOf(what.packed)},
	}}}
	release := sign(t, r.Text(), p.secret)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files = map[string][]byte{firmware.KeysName: p.keys, firmware.ReleaseName: release, name: what.packed}
	p.at, p.told = at, make(chan struct{})
}

func pack(t *testing.T, version, program string) payload {
	t.Helper()
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	return payload{version, int64(len(b)), hashOf(b), z.EncodeAll(b, nil)}
}

func hashOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func newKey(t *testing.T, name string) (private, public string) {
	t.Helper()
	private, public, err := publish.NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

func sign(t *testing.T, text, private string) []byte {
	t.Helper()
	signed, err := publish.Sign([]byte(text), private)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}
