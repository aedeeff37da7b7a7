package report

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// anyText draws strings with all that encoding/json escapes.
func anyText(t *rapid.T, name string) string {
	return rapid.OneOf(
		rapid.StringMatching(`[a-z-]{0,12}`), rapid.String(),
		rapid.SampledFrom([]string{`<b>&"\`, "\u2028\u2029\x00\x1f\x7f", "bad \xff\xc3 utf", "é漢\U0001f514"}),
	).Draw(t, name)
}

// anyBody draws values as parts of the agent append them.
func anyBody(t *rapid.T) any {
	switch rapid.IntRange(0, 4).Draw(t, "body") {
	case 0:
		return anyText(t, "text")
	case 1:
		return map[string]any{anyText(t, "key"): rapid.Float64().Draw(t, "number"), "list": []int{1, 2}, "none": nil}
	case 2:
		return json.RawMessage(" { \"a\" : \"<\u2028>\" ,\n\"b\":[ 1 , 2.50 ] } ")
	case 3:
		return Press{Ticket: anyText(t, "ticket"), Label: Text{ID: anyText(t, "id")}, Presses: rapid.Int().Draw(t, "presses")}
	}
	return struct {
		At time.Time `json:"at"`
		P  *Press    `json:"p,omitempty"`
	}{At: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "at"), 0)}
}

// TestBytesAreThoseOfEncodingJSON: the chain stands on the bytes.
func TestBytesAreThoseOfEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Origin{anyText(t, "device"), Lane(anyText(t, "lane")), Epoch(rapid.Uint64().Draw(t, "epoch"))}
		if rapid.Bool().Draw(t, "known lane") {
			o.Lane = rapid.SampledFrom(Lanes()).Draw(t, "lane")
		}
		s := Stamp{
			Time:  time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "seconds"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")),
			Clock: Clock(anyText(t, "clock")), Boot: anyText(t, "boot"), Uptime: time.Duration(rapid.Int64().Draw(t, "uptime")),
		}
		seq, kind, body := rapid.Uint64().Draw(t, "seq"), anyText(t, "kind"), anyBody(t)
		prev := HashLine([]byte(kind))
		var want []byte
		r, wantErr := NewRecord(o.Device, o.Lane, o.Epoch, seq, prev, s, kind, body)
		if wantErr == nil {
			want, wantErr = json.Marshal(r)
		}
		before := []byte("before")
		got, err := AppendRecord(before, o, seq, prev, s, kind, body)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, encoding/json %v", err, wantErr)
		}
		if err != nil {
			if !bytes.Equal(got, before) {
				t.Fatalf("an error left %q", got)
			}
			return
		}
		if string(got) != "before"+string(want) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		r.Prev = rapid.SampledFrom([]*Hash{nil, &prev}).Draw(t, "prev")
		r.Body = rapid.SampledFrom([]json.RawMessage{r.Body, nil, json.RawMessage("[ 1,\t2 ]"), json.RawMessage("{")}).Draw(t, "raw")
		r.V = rapid.Int().Draw(t, "v")
		want, wantErr = json.Marshal(r)
		got, err = r.Encode()
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Fatalf("got  %s, %v\nwant %s, %v", got, err, want, wantErr)
		}
	})
}

func TestHeadLineIsThatOfEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Head{
			Lane: Lane(anyText(t, "lane")), Epoch: Epoch(rapid.Uint64().Draw(t, "epoch")),
			First: rapid.Uint64().Draw(t, "first"), Next: rapid.Uint64().Draw(t, "next"),
		}
		want, err := json.Marshal(headLine{V: Version, Head: h})
		if err != nil {
			t.Fatal(err)
		}
		if got := EncodeBatch(h, []Entry{{1, []byte("line")}}); string(got) != string(want)+"\nline\n" {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}

func TestRecordThatIsTooLarge(t *testing.T) {
	body := string(bytes.Repeat([]byte("x"), MaxRecordBytes))
	if got, err := AppendRecord(nil, Origin{"d", Event, 1}, 1, Hash{}, stamp, "k", body); err == nil || got != nil {
		t.Errorf("took %d bytes", len(got))
	}
}

func BenchmarkAppendRecord(b *testing.B) {
	body := Press{Ticket: NewTicket(7, 1).String(), Line: "road", ServiceCode: "jalan-rusak", Category: "infrastruktur", Label: Text{ID: "Jalan rusak", EN: "Damaged road"}}
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if line, err = AppendRecord(line[:0], Origin{"kiosk-7", Complaint, 7}, 1, Hash{}, stamp, KindPress, body); err != nil {
			b.Fatal(err)
		}
	}
}

// TestMovedRecordSaysWhereItWas: its bytes are those of encoding/json too, and
// one that would become too long goes without.
func TestMovedRecordSaysWhereItWas(t *testing.T) {
	for _, size := range []int{1, MaxRecordBytes - 262} {
		r, err := NewRecord("kiosk-7", Complaint, 7, 41, Hash{1}, Stamp{Time: time.Unix(5, 0), Boot: "0a1b2c3d"}, "press", bytes.Repeat([]byte{'x'}, size*3/4))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Encode(); err != nil {
			t.Fatal(err)
		}
		got, err := r.Move(8, 5000, Hash{2})
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeRecord(got)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(back)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) || back.Epoch != 8 || back.Seq != 5000 || *back.Prev != (Hash{2}) || !bytes.Equal(back.Body, r.Body) {
			t.Errorf("moved to %.200s", got)
		}
		if long := size > 1; (back.Was == nil) != long || !long && *back.Was != (Place{7, 41}) {
			t.Errorf("%d bytes, was %v", len(got), back.Was)
		}
	}
}
