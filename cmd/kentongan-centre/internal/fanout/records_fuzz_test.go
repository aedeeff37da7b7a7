package fanout

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/agencies"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// FuzzRecords: what a device says is passed on to its agency or not at all, never
// with a press's PIN; and a damaged file of the place where we are ends nothing.
func FuzzRecords(f *testing.F) {
	f.Add(report.KindPress, true, []byte(`{"ticket":"0007-0002-Z","service_code":"jalan","pin":"1234","PIN":"1234"}`))
	f.Add(report.KindStream, false, []byte(`{"name":"gate","state":"playing","shared":true}`))
	f.Add(report.KindAlarm, false, []byte(`{"id":"a","n":1,"source":"stream/gate","condition":"down"}`))
	f.Add("a/+/#", false, []byte(`[]`))
	file := filepath.Join(f.TempDir(), "position")
	agencies, err := agencies.Parse([]byte("agencies: [{name: dishub, devices: [kiosk-7], services: [jalan]}]"))
	if err != nil {
		f.Fatal(err)
	}
	st, err := store.Open(f.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = st.Close() })
	f.Fuzz(func(t *testing.T, kind string, complaint bool, body []byte) {
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		fan := &Fanout{cfg: Config{File: file, Log: slog.New(slog.DiscardHandler), Source: st.For(store.Everything())}}
		if _, err := fan.position(); err != nil {
			t.Errorf("position: %v", err)
		}
		if !json.Valid(body) {
			return
		}
		s := &session{Fanout: fan, standing: map[string]standing{}}
		s.agencies = agencies
		lane, do := report.Event, s.event
		if complaint {
			lane, do = report.Complaint, s.complaint
		}
		rec, err := report.NewRecord("kiosk-7", lane, 0x1122334455667788, 1, report.Hash{}, report.Stamp{}, kind, json.RawMessage(body))
		if err != nil {
			return
		}
		line, err := rec.Encode()
		if err != nil {
			return
		}
		out, err := do(context.Background(), report.Received{Record: rec, Line: line})
		if err != nil {
			t.Errorf("%v", err)
		}
		for _, m := range out {
			if strings.ContainsAny(m.topic, "+#\x00") {
				t.Errorf("topic %q", m.topic)
			}
			var said struct{ Body map[string]json.RawMessage }
			if complaint && kind == report.KindPress && json.Unmarshal(m.payload, &said) == nil {
				for key := range said.Body {
					if strings.EqualFold(key, "pin") {
						t.Errorf("a PIN is passed on: %s", m.payload)
					}
				}
			}
		}
	})
}
