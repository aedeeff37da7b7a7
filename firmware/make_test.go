package firmware

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/mod/sumdb/note"
)

type key struct{ public, private string }

func newKey(t testing.TB, name string) key {
	t.Helper()
	private, public, err := note.GenerateKey(nil, name)
	if err != nil {
		t.Fatal(err)
	}
	return key{public, private}
}

func sign(t testing.TB, text string, keys ...key) []byte {
	t.Helper()
	var signers []note.Signer
	for _, k := range keys {
		s, err := note.NewSigner(k.private)
		if err != nil {
			t.Fatal(err)
		}
		signers = append(signers, s)
	}
	msg, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// publisher has the keys of somebody who publishes releases.
type publisher struct {
	root    []key
	release key
	keys    Keys
	note    []byte
}

func newPublisher(t testing.TB) publisher {
	t.Helper()
	p := publisher{release: newKey(t, "release-2026")}
	for _, name := range []string{"root-a", "root-b", "root-c"} {
		p.root = append(p.root, newKey(t, name))
	}
	p.keys = Keys{Version: 1, Threshold: 2, Root: []string{p.root[0].public, p.root[1].public, p.root[2].public}, Release: []string{p.release.public}}
	p.note = sign(t, p.keys.Text(), p.root[0], p.root[2])
	return p
}

// files is a Source in memory.
type files map[string][]byte

func (f files) Open(name string) (io.ReadCloser, error) {
	b, ok := f[name]
	if !ok {
		return nil, notThere(name)
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func pack(t testing.TB, b, base []byte) []byte {
	t.Helper()
	opts := []zstd.EOption{zstd.WithEncoderConcurrency(1)}
	if base != nil {
		opts = append(opts, zstd.WithEncoderDictRaw(0, base))
	}
	z, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(b, nil)
}

// elf is a program of a version, as far as the launcher looks.
func elf(version string) []byte {
	b := []byte("\x7fELF" + version)
	for i := range 200 {
		b = fmt.Appendf(b, "%d %s;", i*i, version)
	}
	return b
}

const here = Platform("linux/arm/6")

// bundle makes the files of a release of one program.
func (p publisher) bundle(t testing.TB, number uint64, version string, change ...func(*Release)) files {
	t.Helper()
	program := elf(version)
	packed := pack(t, program, nil)
	name := fmt.Sprintf("kentongan-%d.zst", number)
	r := Release{Number: number, Version: version, Issued: time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC), Keys: 1,
		Payload: []Payload{{Platform: here, Size: int64(len(program)), SHA256: sum(program), Packed: File{name, int64(len(packed)), sum(packed)}}}}
	for _, c := range change {
		c(&r)
	}
	return files{KeysName: p.note, ReleaseName: sign(t, r.Text(), p.release), name: packed}
}

// board makes an update directory with version one, number 1, in slot a.
func (p publisher) board(t testing.TB, m FS) *Dir {
	t.Helper()
	d := NewDir(m)
	if err := d.Init(p.note, bytes.NewReader(elf("one")), p.bundle(t, 1, "one")[ReleaseName]); err != nil {
		t.Fatal(err)
	}
	return d
}

func content(t testing.TB, d *Dir, slot string) []byte {
	t.Helper()
	f, err := d.fs.Open(slotPath(slot, program))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
