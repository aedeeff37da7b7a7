package console

import (
	"encoding/json"
	"testing"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// FuzzHappening: an event of a device that says anything at all is put into words
// in both languages, and ends no page.
func FuzzHappening(f *testing.F) {
	f.Add(report.KindBoot, []byte(`{"version":"1","go":"go1.26","arch":"arm","epoch":"1122334455667788","clean":true}`))
	f.Add(report.KindGap, []byte(`{"lane":"event","from":1,"to":18446744073709551615,"count":3,"reason":"torn"}`))
	f.Add(report.KindClock, []byte(`{"boot":"0a1b2c3d","step_ms":-9223372036854775808,"clock":"synced"}`))
	f.Add(report.KindAlarm, []byte(`{"id":"x","source":"stream/gate","condition":"down","state":"raised"}`))
	f.Add(report.KindRecovery, []byte(`{"stream":"gate","step":"power","result":"healed","fault_ms":-1}`))
	f.Add(report.KindCommand, []byte(`{"id":"1","name":"config","state":"failed"}`))
	f.Add("unheard-of", []byte(`{"a":[1,2,{"b":null}]}`))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		if !json.Valid(body) {
			return // a record of it is refused when it comes
		}
		for _, lang := range []string{"id", "en"} {
			h := store.Happening{Kind: kind}
			h.Record.Body = body
			_ = happening(lang, h)
		}
	})
}

// FuzzBox: a part of the map that somebody asks for.
func FuzzBox(f *testing.F) {
	f.Add("-6.2,106.1,-6.1,106.2")
	f.Add("NaN,1e308,,")
	f.Fuzz(func(t *testing.T, s string) {
		if a, b := parseBox(s), parseBox(s); a != b && a == a {
			t.Errorf("%q is %+v and %+v", s, a, b)
		}
	})
}
