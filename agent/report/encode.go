package report

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// The bytes of a record are those that encoding/json makes of the struct; the
// hash chain stands on them. What is here makes the same bytes in one pass,
// and the tests hold it against encoding/json.

// Origin is what all records of one store have in common.
type Origin struct {
	Device string
	Lane   Lane
	Epoch  Epoch
}

// AppendRecord appends the line of a record, as NewRecord and Encode make it,
// to dst. On an error it returns dst as it was.
func AppendRecord(dst []byte, o Origin, seq uint64, prev Hash, s Stamp, kind string, body any) ([]byte, error) {
	at := len(dst)
	r := Record{
		V: Version, Device: o.Device, Lane: o.Lane, Epoch: o.Epoch, Seq: seq,
		Time: s.Time.UTC().Truncate(time.Millisecond), Clock: s.Clock,
		Boot: s.Boot, UptimeMS: s.Uptime.Milliseconds(), Kind: kind,
	}
	if o.Lane.Chained() {
		r.Prev = &prev
	}
	out, err := r.appendHead(dst)
	if err != nil {
		return dst, r.encodeError(err)
	}
	if out, err = appendJSON(out, body); err != nil {
		return dst, fmt.Errorf("encode body of kind %s: %w", kind, err)
	}
	out = append(out, '}')
	if err := r.checkSize(len(out) - at); err != nil {
		return dst, err
	}
	return out, nil
}

// Encode returns the one line of JSON, without line end, that is stored, sent
// and hashed. It fails when the record is larger than MaxRecordBytes.
func (r Record) Encode() ([]byte, error) {
	out, err := r.appendHead(make([]byte, 0, 384+len(r.Body)))
	if err != nil {
		return nil, r.encodeError(err)
	}
	if out, err = appendJSON(out, r.Body); err != nil {
		return nil, r.encodeError(err)
	}
	out = append(out, '}')
	if err := r.checkSize(len(out)); err != nil {
		return nil, err
	}
	return out, nil
}

// Move gives a record another place, and keeps the one that it had as Was where
// there is room for that.
func (r Record) Move(epoch Epoch, seq uint64, prev Hash) ([]byte, error) {
	r.Was = &Place{r.Epoch, r.Seq}
	r.Epoch, r.Seq = epoch, seq
	if r.Lane.Chained() {
		r.Prev = &prev
	}
	out, err := r.Encode()
	if err != nil {
		r.Was = nil
		out, err = r.Encode()
	}
	return out, err
}

func (r *Record) encodeError(err error) error {
	return fmt.Errorf("encode record %s/%d: %w", r.Lane, r.Seq, err)
}

func (r *Record) checkSize(n int) error {
	if n > MaxRecordBytes {
		return r.encodeError(fmt.Errorf("%d bytes, more than the %d that a record may have", n, MaxRecordBytes))
	}
	return nil
}

// appendHead appends everything up to the body's value.
func (r *Record) appendHead(b []byte) ([]byte, error) {
	b = append(b, `{"v":`...)
	b = strconv.AppendInt(b, int64(r.V), 10)
	b = appendString(append(b, `,"device":`...), r.Device)
	b = appendString(append(b, `,"lane":`...), string(r.Lane))
	b = appendEpoch(append(b, `,"epoch":`...), r.Epoch)
	b = append(b, `,"seq":`...)
	b = strconv.AppendUint(b, r.Seq, 10)
	if r.Prev != nil {
		b = append(b, `,"prev":"`...)
		b = base64.StdEncoding.AppendEncode(b, r.Prev[:])
		b = append(b, '"')
	}
	if r.Was != nil {
		b = appendEpoch(append(b, `,"was":{"epoch":`...), r.Was.Epoch)
		b = append(b, `,"seq":`...)
		b = append(strconv.AppendUint(b, r.Was.Seq, 10), '}')
	}
	b = append(b, `,"time":"`...)
	b, err := r.Time.AppendText(b) // the bytes of MarshalJSON, and the same years are refused
	if err != nil {
		return nil, err
	}
	b = appendString(append(b, `","clock":`...), string(r.Clock))
	b = appendString(append(b, `,"boot":`...), r.Boot)
	b = append(b, `,"uptime_ms":`...)
	b = strconv.AppendInt(b, r.UptimeMS, 10)
	b = appendString(append(b, `,"kind":`...), r.Kind)
	return append(b, `,"body":`...), nil
}

func appendEpoch(b []byte, e Epoch) []byte {
	b, _ = e.AppendText(append(b, '"')) // never fails
	return append(b, '"')
}

// appendString appends a string as encoding/json writes it. What needs no
// escape, nearly all there is, is copied.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			escaped, _ := json.Marshal(s) // a string can always be encoded
			return append(b, escaped...)
		}
	}
	b = append(append(b, '"'), s...)
	return append(b, '"')
}

// encoder is an encoder of JSON and what it writes to.
type encoder struct {
	buf bytes.Buffer
	enc *json.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := &encoder{}
	e.enc = json.NewEncoder(&e.buf)
	return e
}}

// appendJSON appends what json.Marshal makes of v, without a copy in between.
func appendJSON(b []byte, v any) ([]byte, error) {
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.buf.Reset()
	if err := e.enc.Encode(v); err != nil {
		return nil, err
	}
	return append(b, e.buf.Bytes()[:e.buf.Len()-1]...), nil // without the line end
}
