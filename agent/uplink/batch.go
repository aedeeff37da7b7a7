package uplink

import (
	"bytes"
	"compress/gzip"
	"fmt"

	"kentongan/agent/report"
)

// packer makes payloads out of records. It keeps one compressor, which costs
// more memory than all it compresses, and learns how well the lines compress,
// so that a batch comes out about as large as the link likes. One goroutine
// owns it.
type packer struct {
	from  int // bytes from which a batch is compressed; negative is never
	zip   *gzip.Writer
	buf   bytes.Buffer
	ratio float64 // compressed to plain, of the last batches
}

func newPacker(from int) *packer { return &packer{from: from, ratio: 0.25} }

// plainBytes is how many bytes of lines give a payload of about wire bytes.
func (p *packer) plainBytes(wire, most int) int {
	if p.from < 0 || wire < p.from {
		return min(wire, most)
	}
	return min(int(float64(wire)/p.ratio), most)
}

// pack makes the payload of a batch and tells whether it is compressed.
func (p *packer) pack(h report.Head, entries []report.Entry) (payload []byte, zipped bool, err error) {
	plain := report.EncodeBatch(h, entries)
	if p.from < 0 || len(plain) < p.from {
		return plain, false, nil
	}
	if p.zip == nil {
		// The fastest level needs the least memory; see BenchmarkGzip.
		if p.zip, err = gzip.NewWriterLevel(nil, gzip.BestSpeed); err != nil {
			return nil, false, fmt.Errorf("compress batch: %w", err)
		}
	}
	p.buf.Reset()
	p.zip.Reset(&p.buf)
	if _, err := p.zip.Write(plain); err != nil {
		return nil, false, fmt.Errorf("compress batch: %w", err)
	}
	if err := p.zip.Close(); err != nil {
		return nil, false, fmt.Errorf("compress batch: %w", err)
	}
	if p.buf.Len() >= len(plain) {
		p.ratio = 1
		return plain, false, nil
	}
	r := float64(p.buf.Len()) / float64(len(plain))
	p.ratio = min(max(p.ratio+(r-p.ratio)/4, 0.02), 1)
	return bytes.Clone(p.buf.Bytes()), true, nil
}
