package printer

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
)

var update = flag.Bool("update", false, "write the golden files and docs/images/slip.png again")

func slip() Slip {
	return Slip{
		Ticket: "0007-0002-Z", PIN: "4K7P", Label: report.Text{ID: "Jalan rusak", EN: "Damaged road"},
		At: time.Date(2026, 11, 26, 14, 5, 0, 0, time.FixedZone("WIB", 7*3600)), Set: true,
	}
}

func TestReceipt(t *testing.T) {
	unset, long, bare := slip(), slip(), slip()
	unset.Set = false
	long.Label.ID = "Lampu lalu lintas di perempatan “Ciceri” mati – sejak tadi pagi"
	bare.PIN = ""
	wide := layout{width: 48, title: "Balai Kota Serang", url: "https://lapor.example/t#{ticket}.{pin}"}
	tests := map[string]struct {
		layout layout
		slip   Slip
		code   string
		text   []string
	}{
		"usual":    {wide, slip(), "https://lapor.example/t#0007-0002-Z.4K7P", []string{"Balai Kota Serang", "0007-0002-Z", "PIN 4K7P", "Jalan rusak", "Damaged road", "2026-11-26 14:05 WIB"}},
		"no-clock": {layout{width: 32}, unset, "0007-0002-Z 4K7P", []string{"Jam kios belum disetel", "The kiosk's clock is not set"}},
		"narrow":   {layout{width: 32, title: "Kantor Gubernur Banten, Kawasan Pusat Pemerintahan"}, long, "0007-0002-Z 4K7P", []string{`Lampu lalu lintas di perempatan`, `"Ciceri" mati - sejak tadi pagi`}},
		"no-pin":   {layout{width: 32}, bare, "0007-0002-Z", []string{"0007-0002-Z"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := tt.layout.encode(tt.slip)
			golden(t, "testdata/"+name+".escpos", got)
			p := interpret(t, got)
			if p.code != tt.code {
				t.Errorf("the QR code holds %q, want %q", p.code, tt.code)
			}
			for _, want := range tt.text {
				if !strings.Contains("\n"+p.text()+"\n", "\n"+want+"\n") {
					t.Errorf("no line %q in\n%s", want, p.text())
				}
			}
			for _, l := range p.lines {
				if w := len(l.text) * l.wide; w > tt.layout.width {
					t.Errorf("%q takes %d characters of %d", l.text, w, tt.layout.width)
				}
			}
			if !p.cut {
				t.Error("not cut")
			}
			if name == "usual" {
				picture(t, "../../../docs/images/slip.png", p)
			}
		})
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", file, got, want)
	}
}

func TestWrap(t *testing.T) {
	tests := map[string]struct {
		s    string
		want string
	}{
		"empty":           {"", ""},
		"fits":            {"one two", "one two"},
		"breaks":          {"one two three", "one two|three"},
		"a long word":     {"a abcdefghijklmnop b", "a|abcdefghij|klmnop b"},
		"exactly":         {"abcdefghij x", "abcdefghij|x"},
		"only separators": {"   ", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(wrap(tt.s, 10), "|"); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzReceipt: whatever stands in a label, the slip holds no command of it.
func FuzzReceipt(f *testing.F) {
	f.Add("Jalan \x1b@ rusak", "a\x1d(k\x00\x01", 32)
	f.Add(strings.Repeat("x", 300), "é€\xff", 48)
	f.Fuzz(func(t *testing.T, id, title string, width int) {
		width = 16 + max(0, width)%64
		s := slip()
		s.Label.ID = id
		interpret(t, layout{width: width, title: title}.encode(s))
	})
}
