package picture

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// learnedState is what a Judge stores that has seen day and night.
func learnedState(t testing.TB) []byte {
	c := newCamera(Config{})
	c.hint.ClockSet = true
	c.looks(400, func(i int) *Frame { return withClock(living)(c, i) })
	c.looks(60, func(i int) *Frame { return c.noisy(colourless(town(1))) })
	c.looks(60, func(i int) *Frame { return c.noisy(street()) })
	b, err := c.j.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMarshal(t *testing.T) {
	b := learnedState(t)
	if len(b) > MaxBinary {
		t.Errorf("%d bytes, more than %d", len(b), MaxBinary)
	}
	t.Logf("%d bytes", len(b))
	again := New(Config{})
	if err := again.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	c, err := again.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, c) {
		t.Error("what was read is not what was stored")
	}
}

// TestRestart: a Judge that goes on after a restart knows what is usual, and
// ends what was present.
func TestRestart(t *testing.T) {
	c := newCamera(Config{})
	c.looks(60, func(i int) *Frame { return living(c, i) })
	restart := func() {
		b, err := c.j.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		c.j = New(Config{})
		if err := c.j.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
	}
	restart()
	frozen := func(int) *Frame { return town(1) }
	if said := c.looks(14, frozen); len(said) != 1 || said[0].Condition != Frozen || !said[0].Present {
		t.Errorf("%+v, want frozen", said)
	}
	restart()
	if said := c.looks(14, frozen); len(said) > 0 {
		t.Errorf("%+v again", said)
	}
	if said := c.looks(20, func(i int) *Frame { return living(c, i) }); len(said) != 1 || said[0].Present {
		t.Errorf("%+v, want the end of frozen", said)
	}
}

func TestUnmarshalDamaged(t *testing.T) {
	good := learnedState(t)
	for name, damage := range map[string]func([]byte) []byte{
		"empty":           func([]byte) []byte { return nil },
		"another version": func(b []byte) []byte { b[0]++; return b },
		"a flipped bit":   func(b []byte) []byte { b[1000] ^= 4; return b },
		"cut":             func(b []byte) []byte { return b[:len(b)-7] },
		"longer":          func(b []byte) []byte { return append(b, 0) },
		"far too long":    func(b []byte) []byte { return make([]byte, MaxBinary+1) },
	} {
		t.Run(name, func(t *testing.T) {
			j := New(Config{})
			if err := j.UnmarshalBinary(damage(bytes.Clone(good))); err == nil {
				t.Error("no error")
			}
			if j.class != unknown {
				t.Error("the Judge has changed")
			}
		})
	}
}

// FuzzUnmarshal: whatever is read, the Judge can go on and stores as much as
// it may at most. The checksum is made right, or nothing would get past it.
func FuzzUnmarshal(f *testing.F) {
	good := learnedState(f)
	f.Add(good)
	f.Add(good[:200])
	empty, err := New(Config{}).MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(empty)
	frame := town(1)
	f.Fuzz(func(t *testing.T, b []byte) {
		j := New(Config{})
		if err := j.UnmarshalBinary(sealed(b)); err != nil {
			return
		}
		c := newCamera(Config{})
		c.j, c.hint.ClockSet = j, true
		for _, v := range c.looks(3, func(int) *Frame { return frame }) {
			if !(v.Confidence >= 0 && v.Confidence <= 1) {
				t.Errorf("confidence %v", v.Confidence)
			}
		}
		if b, err := j.MarshalBinary(); err != nil || len(b) > MaxBinary {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	})
}

// FuzzAdd: no frame makes the Judge fall, or say more than it may.
func FuzzAdd(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint8(3))
	f.Add(bytes.Repeat([]byte{16}, Width*Height), uint8(40))
	f.Fuzz(func(t *testing.T, b []byte, looks uint8) {
		c := newCamera(Config{Masks: []Rect{{0, 0, 1000, 1000}}[:len(b)%2]})
		said := c.looks(int(looks), func(i int) *Frame {
			f := new(Frame)
			for p := range f.Y {
				if len(b) > 0 {
					f.Y[p] = b[(p+i*7)%len(b)]
				}
			}
			return f
		})
		for _, v := range said {
			if !(v.Confidence >= 0 && v.Confidence <= 1) || v.Detail == "" {
				t.Errorf("%+v", v)
			}
		}
	})
}

// sealed returns the bytes with a right checksum at their end.
func sealed(b []byte) []byte {
	if len(b) < crc32.Size {
		return b
	}
	body := b[: len(b)-crc32.Size : len(b)-crc32.Size]
	return binary.BigEndian.AppendUint32(body, crc32.ChecksumIEEE(body))
}
