package report

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// A batch is what one publish carries: JSON Lines, the first of which is the
// lane's head and the others records, in the order of their numbers:
//
//	{"v":1,"head":{"lane":"event","epoch":"…","first":12,"next":40}}
//	{"v":1,"device":"…","lane":"event","epoch":"…","seq":12,…}
//	{"v":1,"device":"…","lane":"event","epoch":"…","seq":13,…}
//
// The head tells the centre of what it has not seen yet. A record is never
// split over two batches.

// MaxBatchBytes is the largest batch after decompression that a centre takes.
const MaxBatchBytes = 1 << 20

// ErrBatch is a batch that does not have the form above.
var ErrBatch = errors.New("not a valid batch")

type headLine struct {
	V    int  `json:"v"`
	Head Head `json:"head"`
}

// headMax is the longest head line without the name of its lane, in bytes.
const headMax = 128

// appendHeadLine appends what encoding/json makes of a headLine.
func appendHeadLine(b []byte, h Head) []byte {
	b = append(b, `{"v":`...)
	b = strconv.AppendInt(b, Version, 10)
	b = appendString(append(b, `,"head":{"lane":`...), string(h.Lane))
	b = appendEpoch(append(b, `,"epoch":`...), h.Epoch)
	b = append(b, `,"first":`...)
	b = strconv.AppendUint(b, h.First, 10)
	b = append(b, `,"next":`...)
	b = strconv.AppendUint(b, h.Next, 10)
	return append(b, `}}`...)
}

// EncodeBatch joins a head and lines. The lines are copied.
func EncodeBatch(h Head, entries []Entry) []byte {
	n := headMax + len(h.Lane)
	for _, e := range entries {
		n += len(e.Line) + 1
	}
	out := append(appendHeadLine(make([]byte, 0, n), h), '\n')
	for _, e := range entries {
		out = append(append(out, e.Line...), '\n')
	}
	return out
}

// Batch is a batch that came in.
type Batch struct {
	Head    Head
	Records []Received
}

// Received is one record and the bytes that it came as, for its hash.
type Received struct {
	Record
	Line []byte
}

// DecodeBatch reads a batch. What can't be read of it is left out and joined
// into the error, so one bad line costs no other. Without a readable head
// there is no batch.
func DecodeBatch(data []byte, gz bool) (Batch, error) {
	if gz {
		var err error
		if data, err = gunzip(data); err != nil {
			return Batch{}, err
		}
	}
	if len(data) > MaxBatchBytes {
		return Batch{}, fmt.Errorf("%w: %d bytes, more than %d", ErrBatch, len(data), MaxBatchBytes)
	}
	first, rest, _ := bytes.Cut(data, []byte{'\n'})
	var h headLine
	if err := json.Unmarshal(first, &h); err != nil {
		return Batch{}, fmt.Errorf("%w: head: %v", ErrBatch, err)
	}
	if h.V != Version {
		return Batch{}, fmt.Errorf("%w: head: v is %d", ErrVersion, h.V)
	}
	if !h.Head.Lane.Valid() || h.Head.Epoch == 0 || h.Head.First == 0 || h.Head.Next < h.Head.First {
		return Batch{}, fmt.Errorf("%w: head %+v", ErrBatch, h.Head)
	}
	b := Batch{Head: h.Head}
	var errs []error
	for n := 2; len(rest) > 0; n++ {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		if len(line) == 0 {
			continue
		}
		r, err := DecodeRecord(line)
		if err == nil && r.Lane != b.Head.Lane {
			err = fmt.Errorf("%w: lane %s in a batch of lane %s", ErrRecord, r.Lane, b.Head.Lane)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		b.Records = append(b.Records, Received{Record: r, Line: line})
	}
	return b, errors.Join(errs...)
}

// Gzip compresses a batch.
func Gzip(batch []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write(batch) // a bytes.Buffer takes everything
	_ = w.Close()
	return buf.Bytes()
}

// gunzip stops at MaxBatchBytes, so a bomb costs no more than a batch.
func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: gzip: %v", ErrBatch, err)
	}
	out, err := io.ReadAll(io.LimitReader(r, MaxBatchBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%w: gzip: %v", ErrBatch, err)
	}
	return out, nil
}
