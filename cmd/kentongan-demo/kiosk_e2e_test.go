package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"kentongan/broker-config/brokertest"
)

// TestCitizenFollowsAComplaint is a citizen's way with the real programs: a press,
// its slip, the answer at the kiosk's screen, and the centre's word on it there.
// Then the paper runs out, and a press is kept all the same.
func TestCitizenFollowsAComplaint(t *testing.T) {
	ctx := t.Context()
	device, centre := buildPrograms(t)
	s, err := openSite(ctx, siteOptions{Dir: t.TempDir(), Device: device, Centre: centre, PageAddr: brokertest.FreeAddress(t), Leased: leased(t)})
	if s != nil {
		defer s.close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if s.paper == nil {
		t.Fatal("no printer")
	}
	up := func() bool { return s.ask(ctx, "ticket", map[string]string{"Text": ""})["error"] == "ticket" }
	if !waitFor(ctx, 2*time.Minute, up) {
		t.Fatalf("the screen does not answer:\n%s", s.device.log.text())
	}
	if !s.device.pressAndWait(buttons[0].Line, 2*time.Minute) {
		t.Fatalf("a press was not kept:\n%s", s.device.log.text())
	}
	ticket := s.device.tickets()[0]
	if !waitFor(ctx, 2*time.Minute, func() bool { return len(s.paper.Slips()) == 1 }) {
		t.Fatalf("no slip:\n%s", s.device.log.text())
	}
	slip := string(s.paper.Slips()[0])
	pin := regexp.MustCompile(`PIN ([0-9A-Z]{4})\n`).FindStringSubmatch(slip)
	if pin == nil || !strings.Contains(slip, ticket) || !strings.Contains(slip, "Jalan rusak") {
		t.Fatalf("the slip is %q", slip)
	}
	says := func(state string) bool {
		a := s.ask(ctx, "ticket", map[string]string{"Text": strings.ToLower(ticket) + " " + pin[1]})
		return a["ticket"] == ticket && a["state"] == state
	}
	began := time.Now()
	if !waitFor(ctx, 2*time.Minute, func() bool { return says("received") }) {
		t.Fatalf("the screen does not say that the centre has it:\n%s", s.device.log.text())
	}
	t.Logf("the screen knows after %v that the centre has it", time.Since(began).Round(time.Millisecond))
	if a := s.ask(ctx, "ticket", map[string]string{"Text": ticket + " 0000"}); a["error"] != "wrong" {
		t.Errorf("with another PIN the screen says %v", a)
	}

	at, err := s.centre.complaints(ctx, demoDevice)
	if err != nil || len(at) != 1 {
		t.Fatalf("complaints at the centre: %+v, %v", at, err)
	}
	said := post(ctx, s.centre.do, fmt.Sprintf("%s/api/v1/complaints/%d/status", s.centre.page, at[0].ID), map[string]string{"state": "assigned", "note": "Dinas PUPR"})
	if said["state"] != "assigned" {
		t.Fatalf("the centre says %v", said)
	}
	began = time.Now()
	if !waitFor(ctx, 2*time.Minute, func() bool { return says("assigned") }) {
		t.Fatalf("the centre's word does not reach the screen:\n%s", s.device.log.text())
	}

	t.Logf("the centre's word is on the screen after %v", time.Since(began).Round(time.Millisecond))

	s.paper.Paper(false)
	touched := s.ask(ctx, "touch", map[string]string{"Button": "water"})
	if touched["ticket"] == nil {
		t.Fatalf("a touch without paper: %v", touched)
	}
	out := waitFor(ctx, 2*time.Minute, func() bool { return strings.Contains(s.device.log.text(), `"state":"paper_out"`) })
	if !out || len(s.paper.Slips()) != 1 {
		t.Errorf("%d slips without paper; the log:\n%s", len(s.paper.Slips()), s.device.log.text())
	}
}

// ask posts to the kiosk's screen.
func (s *site) ask(ctx context.Context, what string, body map[string]string) map[string]any {
	return post(ctx, http.DefaultClient.Do, s.screen+what, body)
}

// post sends JSON and reads JSON; nothing when there is no answer.
func post(ctx context.Context, do func(*http.Request) (*http.Response, error), url string, body map[string]string) (answer map[string]any) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(text)))
	if err != nil {
		return nil
	}
	res, err := do(req)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	_ = json.NewDecoder(res.Body).Decode(&answer)
	return answer
}
