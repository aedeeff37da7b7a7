package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var stamp = Stamp{
	Time:   time.Date(2026, 11, 23, 10, 0, 0, 123_456_789, time.FixedZone("WIB", 7*3600)),
	Clock:  ClockSynced,
	Boot:   "1f2e3d4c",
	Uptime: 90 * time.Second,
}

func press(t testing.TB, seq uint64, prev Hash) []byte {
	t.Helper()
	r, err := NewRecord("kiosk-7", Complaint, 0x0f3a9c1d2e4b5a67, seq, prev, stamp, KindPress, Press{
		Ticket: NewTicket(7, seq).String(), Line: "road", ServiceCode: "jalan-rusak", Category: "infrastruktur",
		Label: Text{ID: "Jalan rusak", EN: "Damaged road"}, Presses: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	line, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// The golden file is a message that any other implementation can test against.
func TestRecordGolden(t *testing.T) {
	first := press(t, 1, Hash{})
	second := press(t, 2, HashLine(first))
	got := EncodeBatch(Head{Lane: Complaint, Epoch: 0x0f3a9c1d2e4b5a67, First: 1, Next: 3},
		[]Entry{{1, first}, {2, second}})
	golden(t, "complaint-batch.jsonl", got)

	b, err := DecodeBatch(got, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Records) != 2 || *b.Records[1].Prev != HashLine(b.Records[0].Line) {
		t.Errorf("the batch that came back is not the chain of two that went in: %+v", b)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\ngot  %s\nwant %s", file, got, want)
	}
}

func TestDecodeRecordRefuses(t *testing.T) {
	good := string(press(t, 1, Hash{}))
	tests := map[string]struct {
		line string
		want error
	}{
		"nothing":           {"", ErrRecord},
		"no JSON":           {"press", ErrRecord},
		"cut":               {good[:len(good)/2], ErrRecord},
		"newer version":     {strings.Replace(good, `"v":1`, `"v":2`, 1), ErrVersion},
		"no version":        {strings.Replace(good, `"v":1,`, ``, 1), ErrVersion},
		"foreign lane":      {strings.Replace(good, `"lane":"complaint"`, `"lane":"x"`, 1), ErrRecord},
		"device with slash": {strings.Replace(good, `kiosk-7`, `a/b`, 1), ErrRecord},
		"seq 0":             {strings.Replace(good, `"seq":1`, `"seq":0`, 1), ErrRecord},
		"negative seq":      {strings.Replace(good, `"seq":1`, `"seq":-1`, 1), ErrRecord},
		"epoch 0":           {strings.Replace(good, `0f3a9c1d2e4b5a67`, `0000000000000000`, 1), ErrRecord},
		"no prev":           {strings.Replace(good, `"prev"`, `"x"`, 1), ErrRecord},
		"short prev":        {strings.Replace(good, `"prev":"AAAA`, `"prev":"`, 1), ErrRecord},
		"no kind":           {strings.Replace(good, `"kind":"press"`, `"kind":""`, 1), ErrRecord},
		"no body":           {strings.Replace(good, `"body"`, `"b"`, 1), ErrRecord},
		"huge":              {good + strings.Repeat(" ", MaxRecordBytes), ErrRecord},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := DecodeRecord([]byte(tt.line)); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
	if _, err := DecodeRecord([]byte(strings.Replace(good, `{`, `{"newer":true,`, 1))); err != nil {
		t.Errorf("a field that a newer device adds must be ignored: %v", err)
	}
}

func TestEncodeRefusesWhatNoBatchHolds(t *testing.T) {
	r, err := NewRecord("d", Event, 1, 1, Hash{}, stamp, "big", strings.Repeat("x", MaxRecordBytes))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Encode(); err == nil {
		t.Error("a record of more than MaxRecordBytes was encoded")
	}
}

func TestOneBadLineCostsNoOther(t *testing.T) {
	h := Head{Lane: Complaint, Epoch: 0x0f3a9c1d2e4b5a67, First: 1, Next: 4}
	batch := EncodeBatch(h, []Entry{{1, press(t, 1, Hash{})}, {2, []byte(`{"v":1,`)}, {3, press(t, 3, Hash{})}})
	b, err := DecodeBatch(batch, false)
	if !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("error %v, want one that names line 3", err)
	}
	if len(b.Records) != 2 || b.Records[0].Seq != 1 || b.Records[1].Seq != 3 {
		t.Errorf("records %+v, want 1 and 3", b.Records)
	}
}

func TestDecodeBatchRefuses(t *testing.T) {
	bomb := Gzip(bytes.Repeat([]byte{' '}, 4*MaxBatchBytes))
	tests := map[string]struct {
		data []byte
		gz   bool
	}{
		"nothing":            {nil, false},
		"no head":            {append(press(t, 1, Hash{}), '\n'), false},
		"head of no lane":    {[]byte(`{"v":1,"head":{"lane":"x","epoch":"0f3a9c1d2e4b5a67","first":1,"next":2}}`), false},
		"head runs backward": {[]byte(`{"v":1,"head":{"lane":"event","epoch":"0f3a9c1d2e4b5a67","first":3,"next":2}}`), false},
		"newer head":         {[]byte(`{"v":9,"head":{"lane":"event","epoch":"0f3a9c1d2e4b5a67","first":1,"next":2}}`), false},
		"not gzip":           {[]byte("plain"), true},
		"cut gzip":           {bomb[:len(bomb)/2], true},
		"gzip bomb":          {bomb, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if b, err := DecodeBatch(tt.data, tt.gz); err == nil {
				t.Errorf("took it as %+v", b)
			}
		})
	}
}

func FuzzDecodeBatch(f *testing.F) {
	batch := EncodeBatch(Head{Lane: Complaint, Epoch: 1, First: 1, Next: 2}, []Entry{{1, press(f, 1, Hash{})}})
	f.Add(batch, false)
	f.Add(Gzip(batch), true)
	f.Add([]byte(`{"v":1,"head":{}}`), false)
	f.Fuzz(func(t *testing.T, data []byte, gz bool) {
		b, err := DecodeBatch(data, gz)
		for _, r := range b.Records {
			if r.Lane != b.Head.Lane || r.Seq == 0 || !json.Valid(r.Line) {
				t.Fatalf("took %q", r.Line)
			}
		}
		if err != nil && b.Head.Epoch == 0 && len(b.Records) > 0 {
			t.Fatal("records without a head")
		}
	})
}
