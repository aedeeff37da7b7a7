package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
)

// An admin erases a complaint: the page shows that there was one and no more, and the
// access log who did it and why.
func TestComplaintIsErased(t *testing.T) {
	srv, s, _ := serve(t, (*seeder).province)
	ticket, at := report.NewTicket(7, 3).String(), srv.URL+"/complaints/"+complaintID(t, s, 3)+"/erase"
	admin, approver := []string{"Authorization", "Bearer " + s.tokenOf("dewi", access.Admin, "")}, []string{"Authorization", "Bearer " + s.tokenOf("agus", access.Approver, "")}
	why := url.Values{"reason": {"surat 17/2026"}}
	page := func(who []string) string {
		t.Helper()
		_, body := get(t, srv.URL+"/complaints?lang=en", who...)
		return body
	}
	if body := page(approver); !strings.Contains(body, ticket) || strings.Contains(body, "/erase") {
		t.Error("who is no admin is offered to erase, or does not see the complaint")
	}
	if body := page(admin); !strings.Contains(body, "/erase") {
		t.Error("an admin is not offered to erase")
	}
	for name, tt := range map[string]struct {
		at     string
		form   url.Values
		header []string
		status int
	}{
		"by nobody":               {at, why, nobody, http.StatusUnauthorized},
		"by who is no admin":      {at, why, approver, http.StatusForbidden},
		"without a reason":        {at, url.Values{"reason": {" "}}, admin, http.StatusBadRequest},
		"of no number":            {srv.URL + "/complaints/x/erase", why, admin, http.StatusNotFound},
		"of one that is not here": {srv.URL + "/complaints/99999/erase", why, admin, http.StatusNotFound},
		"from another site":       {at, why, append([]string{"Sec-Fetch-Site", "cross-site"}, admin...), http.StatusForbidden},
	} {
		if res, _ := send(t, tt.at, tt.form, tt.header...); res.StatusCode != tt.status {
			t.Errorf("%s: %s, want %d", name, res.Status, tt.status)
		}
	}
	if !strings.Contains(page(admin), ticket) {
		t.Fatal("it is gone already")
	}
	if _, body := get(t, srv.URL+"/complaints?lang=en&ticket="+ticket, admin...); !strings.Contains(body, ticket) {
		t.Fatal("it is not found")
	}
	if res, _ := send(t, strings.Replace(at, "/erase", "/status", 1), url.Values{"state": {"done"}, "note": {"catatan untuk Ani"}}, admin...); res.StatusCode != http.StatusSeeOther {
		t.Fatal(res.Status)
	}
	if res, back := send(t, at, why, admin...); res.StatusCode != http.StatusSeeOther || back != "/complaints" {
		t.Fatalf("%s to %q", res.Status, back)
	}
	if body := page(admin); strings.Contains(body, ticket) || !strings.Contains(words(body), "erased") {
		t.Error("the page shows the ticket, or not that a complaint was erased")
	}
	if res, _ := send(t, at, why, admin...); res.StatusCode != http.StatusNotFound {
		t.Errorf("once more: %s", res.Status)
	}
	list, err := s.room.Journal(t.Context(), "dewi", "erase-complaint", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	for _, e := range list {
		if e.Outcome == access.Done {
			done++
			if e.Detail != "reason: surat 17/2026" || !strings.HasPrefix(e.Object, "/complaints/") {
				t.Errorf("%+v", e)
			}
		}
	}
	if done != 1 {
		t.Errorf("%d lines say that it was done, want one: %+v", done, list)
	}
	all, err := s.room.Journal(t.Context(), "", "", 0, 500)
	if err != nil {
		t.Fatal(err)
	}
	searched := false
	for _, e := range all {
		searched = searched || e.Object == "/complaints?lang=en&ticket=…"
		if text := e.Object + e.Detail; strings.Contains(text, ticket) || strings.Contains(text, "Ani") {
			t.Errorf("the access log keeps what was erased: %+v", e)
		}
	}
	if !searched {
		t.Errorf("the access log does not say that somebody searched: %+v", all)
	}
}
