package uplink

import (
	"bytes"
	"compress/gzip"
	"fmt"

	"kentongan/agent/report"
)

// packer makes payloads out of records. It keeps its compressors, which cost
// more memory than all they compress, and learns how well the lines compress,
// so that a batch comes out about as large as the link likes. One goroutine
// owns it.
type packer struct {
	from  int                  // bytes from which a batch is compressed; negative is never
	zips  map[int]*gzip.Writer // by level, made when first used
	buf   bytes.Buffer
	plain []byte // the last batch, to use again

	head     report.Head // whose line headLine is
	headLine []byte
	ratio    float64 // compressed to plain, of the last batches
}

func newPacker(from int) *packer {
	return &packer{from: from, ratio: 0.25, zips: map[int]*gzip.Writer{}}
}

// plainBytes is how many bytes of lines give a payload of about wire bytes.
func (p *packer) plainBytes(wire, most int) int {
	if p.from < 0 || wire < p.from {
		return min(wire, most)
	}
	return min(int(float64(wire)/p.ratio), most)
}

// Levels of compression. The thorough one makes batches a quarter smaller and
// takes two to three times as long (BenchmarkGzip): it is for links that are slow
// or paid for by the byte.
const (
	levelFast     = gzip.BestSpeed
	levelThorough = gzip.DefaultCompression
)

// pack makes the payload of a batch and tells whether it is compressed. The
// payload is good until the next call.
func (p *packer) pack(h report.Head, entries []report.Entry, level int) (payload []byte, zipped bool, err error) {
	plain := p.lines(h, entries)
	if p.from < 0 || len(plain) < p.from {
		return plain, false, nil
	}
	zip := p.zips[level]
	if zip == nil {
		if zip, err = gzip.NewWriterLevel(nil, level); err != nil {
			return nil, false, fmt.Errorf("compress batch: %w", err)
		}
		p.zips[level] = zip
	}
	p.buf.Reset()
	zip.Reset(&p.buf)
	if _, err := zip.Write(plain); err != nil {
		return nil, false, fmt.Errorf("compress batch: %w", err)
	}
	if err := zip.Close(); err != nil {
		return nil, false, fmt.Errorf("compress batch: %w", err)
	}
	if p.buf.Len() >= len(plain) {
		p.ratio = 1
		return plain, false, nil
	}
	r := float64(p.buf.Len()) / float64(len(plain))
	p.ratio = min(max(p.ratio+(r-p.ratio)/4, 0.02), 1)
	return p.buf.Bytes(), true, nil
}

// lines does what report.EncodeBatch does, in a buffer that is used again. The
// head changes once for many batches of a fast drain, so its line is kept.
func (p *packer) lines(h report.Head, entries []report.Entry) []byte {
	if p.headLine == nil || p.head != h {
		p.head, p.headLine = h, report.EncodeBatch(h, nil)
	}
	out := append(p.plain[:0], p.headLine...)
	for _, e := range entries {
		out = append(append(out, e.Line...), '\n')
	}
	p.plain = out
	return out
}
