// Package publish makes update bundles: it packs programs, writes the release
// that names them, and signs. It is for who publishes, never for a board.
//
//	Make ──► DIR: release (unsigned), *.zst ──► Sign ──► Pack ──► one file
//
// A root key list is made the same way: its text, then Sign with one root key
// after the other, each on its own offline machine.
package publish

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"kentongan/firmware"
)

// Spec is what a release shall be.
type Spec struct {
	Number   uint64
	Version  string
	Issued   time.Time
	KeysNote []byte // the signed key list that goes with it
	From     uint64 // the oldest number that may go there at once; 0 = any
	Expires  time.Time
	// Programs are the files to bring, by platform.
	Programs map[firmware.Platform]string
	// Boards limits a platform's program to devicetree names.
	Boards map[firmware.Platform][]string
	// Bases are earlier programs that patches shall start from, by platform.
	Bases map[firmware.Platform][]string
}

// patchAtMost is how large a patch may be beside the whole program to be worth
// its place in the bundle.
const patchAtMost = 0.7

// Make packs the programs into dir, which must be new or empty, and writes the
// release's text there, unsigned. progress is told of each file; nil is not.
func Make(dir string, s Spec, progress func(string)) (firmware.Release, error) {
	keys, err := firmware.FirstKeys(s.KeysNote)
	if err != nil {
		return firmware.Release{}, err
	}
	if len(s.Programs) == 0 {
		return firmware.Release{}, errors.New("no program to publish")
	}
	if err := emptyDir(dir); err != nil {
		return firmware.Release{}, err
	}
	r := firmware.Release{Number: s.Number, Version: s.Version, Issued: s.Issued, Keys: keys.Version, From: s.From, Expires: s.Expires}
	for _, platform := range sorted(s.Programs) {
		if progress != nil {
			progress(string(platform))
		}
		p, err := pack(dir, s, platform)
		if err != nil {
			return r, fmt.Errorf("%s: %w", platform, err)
		}
		r.Payload = append(r.Payload, p)
	}
	// What can't be read back is not published.
	if _, err := firmware.ParseRelease(r.Text()); err != nil {
		return r, err
	}
	return r, errors.Join(
		os.WriteFile(filepath.Join(dir, firmware.KeysName), s.KeysNote, 0o644),
		os.WriteFile(filepath.Join(dir, firmware.ReleaseName), []byte(r.Text()), 0o644))
}

func pack(dir string, s Spec, platform firmware.Platform) (firmware.Payload, error) {
	program, err := os.ReadFile(s.Programs[platform])
	if err != nil {
		return firmware.Payload{}, err
	}
	if len(program) == 0 || len(program) > firmware.MaxPayloadBytes {
		return firmware.Payload{}, fmt.Errorf("%s has %d bytes; want 1 to %d", s.Programs[platform], len(program), firmware.MaxPayloadBytes)
	}
	name := fmt.Sprintf("kentongan-%d-%s", s.Number, strings.ReplaceAll(string(platform), "/", "-"))
	p := firmware.Payload{Platform: platform, Size: int64(len(program)), SHA256: sum(program), Boards: s.Boards[platform]}
	whole, err := compress(program, nil)
	if err != nil {
		return p, err
	}
	if p.Packed, err = write(dir, name+".zst", whole); err != nil {
		return p, err
	}
	for _, base := range s.Bases[platform] {
		if err := addPatch(&p, dir, name, program, base, len(whole)); err != nil {
			return p, err
		}
	}
	return p, nil
}

func addPatch(p *firmware.Payload, dir, name string, program []byte, baseFile string, whole int) error {
	base, err := os.ReadFile(baseFile)
	if err != nil {
		return err
	}
	patch, err := compress(program, base)
	if err != nil {
		return err
	}
	if bytes.Equal(base, program) || float64(len(patch)) > patchAtMost*float64(whole) {
		return nil
	}
	hash := sum(base)
	f, err := write(dir, fmt.Sprintf("%s-from-%s.zst", name, hash[:12]), patch)
	if err != nil {
		return err
	}
	p.Patch = append(p.Patch, firmware.Patch{Base: hash, Packed: f})
	return nil
}

// compress packs b, with base as its dictionary. One goroutine and no checksum
// of the moment: the same bytes each time.
func compress(b, base []byte) ([]byte, error) {
	opts := []zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(window(len(b) + len(base)))}
	if base != nil {
		opts = append(opts, zstd.WithEncoderDictRaw(0, base))
	}
	z, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		return nil, err
	}
	return z.EncodeAll(b, nil), z.Close()
}

// window is the power of two that reaches over n bytes, so that a patch finds
// its base.
func window(n int) int {
	w := 1 << 20
	for w < n && w < firmware.MaxPayloadBytes {
		w <<= 1
	}
	return w
}

func write(dir, name string, b []byte) (firmware.File, error) {
	return firmware.File{Name: name, Size: int64(len(b)), SHA256: sum(b)}, os.WriteFile(filepath.Join(dir, name), b, 0o644)
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func sorted[V any](m map[firmware.Platform]V) []firmware.Platform {
	out := make([]firmware.Platform, 0, len(m))
	for p := range m {
		out = append(out, p)
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	return out
}

func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Readdirnames(1); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s is not empty; name a new directory", dir)
	}
	return nil
}
