package firmware

import (
	"bytes"
	"testing"
)

// A text that parses is written back as a text that parses to the same.
func FuzzRelease(f *testing.F) {
	p := newPublisher(f)
	f.Add(releaseText(f, p.bundle(f, 5, "five")))
	f.Add(releaseText(f, p.bundle(f, 5, "v1.2.3", func(r *Release) {
		r.From, r.Keys = 3, 2
		r.Payload[0].Boards = []string{"raspberrypi,model-b"}
		r.Payload[0].Patch = []Patch{{Base: r.Payload[0].SHA256, Packed: r.Payload[0].Packed}}
	})))
	f.Add(releaseTitle + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRelease(text)
		if err != nil {
			return
		}
		again, err := ParseRelease(r.Text())
		if err != nil || again.Text() != r.Text() {
			t.Errorf("%v\n%s\nbecame\n%s", err, r.Text(), again.Text())
		}
	})
}

func FuzzKeys(f *testing.F) {
	p := newPublisher(f)
	f.Add(p.note)
	f.Add([]byte(keysTitle + "\nversion 1\n\n— a b\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		k, err := FirstKeys(msg)
		if err == nil && (k.Threshold < 1 || k.Threshold > len(k.Root)) {
			t.Errorf("took a list that wants %d of %d", k.Threshold, len(k.Root))
		}
		// What a stranger wrote is never believed by a board.
		if next, err := p.keys.Next(msg); err == nil && next.Text() != p.keys.Text() {
			t.Errorf("took key list %d", next.Version)
		}
	})
}

// A bundle that is cut or changed anywhere never becomes another program.
func FuzzPayload(f *testing.F) {
	program := elf("five")
	packed := pack(f, program, nil)
	file := File{"x", int64(len(packed)), sum(packed)}
	f.Add(packed)
	f.Add(packed[:len(packed)-3])
	f.Fuzz(func(t *testing.T, b []byte) {
		var out bytes.Buffer
		err := unpack(&out, bytes.NewReader(b), file, Payload{Size: int64(len(program)), SHA256: sum(program)}, nil)
		if err == nil && !bytes.Equal(out.Bytes(), program) {
			t.Error("another program was taken")
		}
		if int64(out.Len()) > int64(len(program))+1 {
			t.Errorf("it swelled to %d bytes", out.Len())
		}
	})
}

func releaseText(f *testing.F, s files) string {
	f.Helper()
	text, err := unsigned(s[ReleaseName])
	if err != nil {
		f.Fatal(err)
	}
	return text
}
