package printer

import (
	"testing"

	"kentongan/agent/kiosk/printer/printertest"
)

func TestState(t *testing.T) {
	const fine = printertest.Fine
	tests := map[string]struct {
		answers answers
		want    string
	}{
		"fine":                      {answers{0, fine, fine, fine, fine}, OK},
		"no answer":                 {answers{}, Silent},
		"paper near its end":        {answers{0, fine, fine, fine, printertest.PaperLow}, PaperLow},
		"no paper":                  {answers{0, printertest.IsOffline, fine, fine, printertest.NoPaper}, PaperOut},
		"stopped for want of paper": {answers{0, printertest.IsOffline, 0x32, fine, fine}, PaperOut},
		"cover open":                {answers{0, printertest.IsOffline, printertest.CoverOpen, fine, fine}, Cover},
		"cover open and no paper":   {answers{0, printertest.IsOffline, printertest.CoverOpen, fine, printertest.NoPaper}, PaperOut},
		"switched offline":          {answers{0, printertest.IsOffline, fine, fine, fine}, Offline},
		"cutter":                    {answers{0, printertest.IsOffline, fine, printertest.CutterErr, fine}, Error},
		"head too hot":              {answers{0, printertest.IsOffline, fine, 0x52, fine}, Error},
		"answers only the first":    {answers{0, fine}, OK},
		"drawer open is nobody's":   {answers{0, 0x16, fine, fine, fine}, OK},
		"feed button is pressed":    {answers{0, fine, 0x1a, fine, fine}, OK},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for n, b := range tt.answers {
				if b != 0 && !isAnswer(b) {
					t.Fatalf("answer %d, %#x, can't be one", n, b)
				}
			}
			if got := tt.answers.state().State; got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestFirstAnswer(t *testing.T) {
	tests := map[string]struct {
		from []byte
		want byte
	}{
		"nothing":              {nil, 0},
		"alone":                {[]byte{0x12}, 0x12},
		"behind XON and XOFF":  {[]byte{0x11, 0x13, 0x1a}, 0x1a},
		"behind automatic":     {[]byte{0x14, 0x12, 0x12, 0x12, 0x1e}, 0x1e},
		"automatic alone":      {[]byte{0x14, 0x00, 0x00, 0x0f}, 0},
		"our own question":     {[]byte{0x10, 0x04, 0x01}, 0},
		"text":                 {[]byte("hello"), 0},
		"automatic, cut short": {[]byte{0x14, 0x00}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, ok := firstAnswer(tt.from); got != tt.want || ok != (tt.want != 0) {
				t.Errorf("%#x, %v; want %#x", got, ok, tt.want)
			}
		})
	}
}

// FuzzFirstAnswer: whatever a printer sends, what is taken for an answer is one,
// and means one of the states.
func FuzzFirstAnswer(f *testing.F) {
	f.Add([]byte{0x11, 0x14, 0, 0, 0, 0x12})
	f.Add([]byte("\x10\x04\x01"))
	f.Fuzz(func(t *testing.T, from []byte) {
		b, ok := firstAnswer(from)
		if ok != isAnswer(b) {
			t.Fatalf("%x: %#x, %v", from, b, ok)
		}
		for n := askPrinter; n <= askPaper; n++ {
			var a answers
			a[n] = b
			if s := a.state(); s.State == "" || s.State == Hung || s.State == Missing {
				t.Fatalf("%x: %+v", from, s)
			}
		}
	})
}
