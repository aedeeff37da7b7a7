package ingest_test

import (
	"context"
	"encoding/json"
	"net/url"
	"testing"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// TestApplications: what devices say of applications arrives, over both brokers;
// what they must not say is counted and left out.
func TestApplications(t *testing.T) {
	brokers(t, func(t *testing.T, u *url.URL) {
		signer, verifiers := keys(t)
		c := startCentre(t, t.TempDir(), u, signer)
		p := dial(t, u, "kiosk-7", verifiers)
		mine := report.Topics(p.id)
		say := func(topic string, body any) {
			t.Helper()
			payload, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			p.send(topic, payload)
		}
		apps := func() []store.App {
			t.Helper()
			list, err := c.Apps(context.Background(), p.id)
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		say(mine.State(), report.DeviceState{V: 1, State: report.Online, Session: "b1.1", Epoch: epoch, Apps: []string{"e-lpse", "e-cctv"}})
		say(mine.AppState("e-lpse"), report.AppState{Name: "e-lpse", State: report.AppWrong, Class: "text", URL: "https://ops:secret@lpse.example/"})
		say(mine.AppState("e-cctv"), report.AppState{Name: "e-cctv", State: report.AppOK, URL: "javascript:alert(1)"})
		until(t, "both", func() bool { return len(apps()) == 2 })
		list := apps()
		if list[0].Doc.URL != "" || list[1].Doc.URL != "https://lpse.example/" || list[1].State != report.AppWrong {
			t.Errorf("applications %+v %+v", *list[0].Doc, *list[1].Doc)
		}
		before := c.in.Status().BadStates
		say(mine.AppState("e-cctv"), report.AppState{Name: "other", State: report.AppOK})
		p.send(mine.AppState("e-cctv"), []byte("<html>"))
		until(t, "both counted", func() bool { return c.in.Status().BadStates == before+2 })
		p.send(mine.AppState("e-cctv"), nil)
		until(t, "one taken away", func() bool { return len(apps()) == 1 })
	})
}
