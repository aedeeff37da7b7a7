package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"strconv"
	"testing"

	"github.com/klauspost/compress/zstd"

	"kentongan/agent/bench/store"
	"kentongan/agent/report"
)

// BenchmarkCompress is why batches are gzip: what zstd would save of them, and
// how fast it is. The sizes are those of a lone batch of live telemetry, of a
// full publish, and of a block on the disk (32 KiB of lines).
func BenchmarkCompress(b *testing.B) {
	for _, n := range []int{5, 36, 100} {
		recs, err := store.Records(1, n, report.Telemetry)
		if err != nil {
			b.Fatal(err)
		}
		var plain []byte
		for _, r := range recs {
			plain = append(append(plain, r.Line...), '\n')
		}
		for _, c := range compressors(b) {
			b.Run(c.name+"/records="+strconv.Itoa(n), func(b *testing.B) {
				b.SetBytes(int64(len(plain)))
				var out bytes.Buffer
				for b.Loop() {
					out.Reset()
					c.w.Reset(&out)
					if _, err := c.w.Write(plain); err != nil {
						b.Fatal(err)
					}
					if err := c.w.Close(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(out.Len())/float64(n), "B/record")
			})
		}
	}
}

type compressor struct {
	name string
	w    interface {
		io.WriteCloser
		Reset(io.Writer)
	}
}

func compressors(b *testing.B) (out []compressor) {
	b.Helper()
	for name, level := range map[string]int{"gzip-1": gzip.BestSpeed, "gzip-6": gzip.DefaultCompression, "gzip-9": gzip.BestCompression} {
		w, err := gzip.NewWriterLevel(io.Discard, level)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, compressor{name, w})
	}
	for name, level := range map[string]zstd.EncoderLevel{"zstd-fastest": zstd.SpeedFastest, "zstd-default": zstd.SpeedDefault, "zstd-best": zstd.SpeedBestCompression} {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, compressor{name, w})
	}
	return out
}
