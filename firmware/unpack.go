package firmware

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that a compressed file can ask for. A patch needs
// a window that reaches over its base.
const maxWindow = MaxPayloadBytes

// unpack writes the program out of a packed file to w and holds it against what
// the release says. base is the program that a patch starts from, nil for a
// whole one. What it wrote before an error is worth nothing.
func unpack(w io.Writer, packed io.Reader, file File, p Payload, base []byte) error {
	in := newCounted(io.LimitReader(packed, file.Size+1), nil)
	opts := []zstd.DOption{zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow)}
	if base != nil {
		opts = append(opts, zstd.WithDecoderDictRaw(0, base))
	}
	z, err := zstd.NewReader(in, opts...)
	if err != nil {
		return refuse(Tampered, "%s: %v", file.Name, err)
	}
	defer z.Close()
	out := newCounted(nil, w)
	_, err = io.Copy(out, io.LimitReader(z, p.Size+1))
	if out.failed != nil {
		return out.failed // the disk's, and not the source's
	}
	// The rest tells a file that is cut from one that is another.
	_, _ = io.Copy(io.Discard, in)
	switch {
	case in.failed != nil:
		return sourceError(file.Name, in.failed)
	case in.n < file.Size:
		return refuse(Truncated, "%s: %d bytes, want %d", file.Name, in.n, file.Size)
	case in.n != file.Size || in.hex() != file.SHA256:
		return refuse(Mixed, "%s is not the file that the release names", file.Name)
	case err != nil:
		return refuse(Mixed, "%s: %v", file.Name, err)
	case out.n != p.Size || out.hex() != p.SHA256:
		return refuse(Mixed, "%s holds another program than the release names", file.Name)
	}
	return nil
}

// counted passes bytes on, one way or the other, counts them and sums them up.
type counted struct {
	r      io.Reader
	w      io.Writer
	n      int64
	sum    hash.Hash
	failed error // of r or w, but for the end of r
}

func newCounted(r io.Reader, w io.Writer) *counted { return &counted{r: r, w: w, sum: sha256.New()} }

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	c.sum.Write(b[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		c.failed = err
	}
	return n, err
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	c.sum.Write(b[:n])
	if err != nil {
		c.failed = fmt.Errorf("write program: %w", err)
	}
	return n, err
}

func (c *counted) hex() string { return hex.EncodeToString(c.sum.Sum(nil)) }
