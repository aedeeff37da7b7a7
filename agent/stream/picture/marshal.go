package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

// What was learned is stored big endian:
//
//	version 1 | stored | for each class that Classes names: known | 24 x hour | CRC-32 (IEEE) of all before
//
// Its size is bounded by three classes: MaxBinary.
const stateVersion = 1

// MaxBinary is the most bytes that MarshalBinary returns.
const MaxBinary = 64 << 10

// stored is the fixed part of what is stored.
type stored struct {
	Busy    [blocks]uint8
	Age     uint16
	Class   uint8
	Dusk    bool
	Present uint16 // a bit for each condition
	Classes uint8  // a bit for each class
}

// MarshalBinary returns what was learned, and what is present, for a Judge
// that goes on after a restart.
func (j *Judge) MarshalBinary() ([]byte, error) {
	s := stored{Busy: j.busy, Age: j.age, Class: uint8(j.class), Dusk: j.dusk}
	for c := range j.conditions {
		if j.conditions[c].present {
			s.Present |= 1 << c
		}
	}
	for c, k := range j.known {
		if k != nil {
			s.Classes |= 1 << c
		}
	}
	parts := []any{s}
	for _, k := range j.known {
		if k != nil {
			parts = append(parts, k)
		}
	}
	out := []byte{stateVersion}
	for _, p := range append(parts, &j.hours) {
		var err error
		if out, err = binary.Append(out, binary.BigEndian, p); err != nil {
			return nil, fmt.Errorf("store what was learned of a picture: %w", err)
		}
	}
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out)), nil
}

// UnmarshalBinary takes what MarshalBinary returned. After an error the Judge
// is as it was; one that has learned nothing is fit for use.
func (j *Judge) UnmarshalBinary(b []byte) error {
	m, s, err := parse(b)
	if err != nil {
		return fmt.Errorf("read what was learned of a picture: %w", err)
	}
	j.memory = *m
	for c := range j.conditions {
		if d := &j.conditions[c]; s.Present&(1<<c) != 0 {
			d.present, d.level, d.score = true, d.clear, 0.5
		}
	}
	return nil
}

func parse(b []byte) (*memory, stored, error) {
	var s stored
	if len(b) < 1+crc32.Size || len(b) > MaxBinary {
		return nil, s, fmt.Errorf("%d bytes, want 5 to %d", len(b), MaxBinary)
	}
	if b[0] != stateVersion {
		return nil, s, fmt.Errorf("version %d, this program reads %d", b[0], stateVersion)
	}
	body, sum := b[:len(b)-crc32.Size], binary.BigEndian.Uint32(b[len(b)-crc32.Size:])
	if crc32.ChecksumIEEE(body) != sum {
		return nil, s, errors.New("bad checksum")
	}
	r := bytes.NewReader(body[1:])
	m, err := read(r, &s)
	if err != nil {
		return nil, s, err
	}
	if r.Len() > 0 {
		return nil, s, fmt.Errorf("%d bytes too many", r.Len())
	}
	return m, s, nil
}

func read(r io.Reader, s *stored) (*memory, error) {
	if err := binary.Read(r, binary.BigEndian, s); err != nil {
		return nil, err
	}
	if s.Class > uint8(unknown) || s.Classes >= 1<<classes {
		return nil, fmt.Errorf("class %d of %b", s.Class, s.Classes)
	}
	m := &memory{class: class(s.Class), next: class(s.Class), dusk: s.Dusk}
	m.overlay = overlay{busy: s.Busy, age: s.Age}
	m.overlay.find()
	for c := range m.known {
		if s.Classes&(1<<c) == 0 {
			continue
		}
		k := new(known)
		if err := binary.Read(r, binary.BigEndian, k); err != nil {
			return nil, err
		}
		if !fit(k.U, -128, 127) || !fit(k.V, -128, 127) {
			return nil, fmt.Errorf("colours %v and %v", k.U, k.V)
		}
		for _, h := range []*histogram{&k.Activity, &k.Repeated, &k.Jumped, &k.Sharpness, &k.Match, &k.Bytes} {
			h.recount()
		}
		m.known[c] = k
	}
	if err := binary.Read(r, binary.BigEndian, &m.hours); err != nil {
		return nil, err
	}
	for i := range m.hours {
		h := &m.hours[i]
		if !fit(h.Dark, 0, 1) {
			return nil, fmt.Errorf("hour %d is dark in %v of its looks", i, h.Dark)
		}
		h.Activity.recount()
		h.Repeated.recount()
	}
	return m, nil
}

func fit(v, least, most float32) bool {
	return !math.IsNaN(float64(v)) && v >= least && v <= most
}
