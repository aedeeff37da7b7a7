package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kentongan/cmd/kentongan-centre/internal/access"
)

// An admin erases an account: it is out at once, no name of it is left on a page, and
// the access log says who did it and why, once.
func TestAccountIsErased(t *testing.T) {
	srv, s, _ := serve(t, (*seeder).province)
	admin, approver := []string{"Authorization", "Bearer " + s.tokenOf("dewi", access.Admin, "")}, []string{"Authorization", "Bearer " + s.tokenOf("agus", access.Approver, "")}
	if res, _ := send(t, srv.URL+"/users", url.Values{"name": {"rinakartika"}, "full_name": {"Rina Kartika"}, "role": {"admin"}}, admin...); res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	a, err := s.room.Named(t.Context(), "rinakartika")
	if err != nil {
		t.Fatal(err)
	}
	rina := []string{"Cookie", "kentongan=" + browse(t, s.room, "rinakartika")}
	if _, body := get(t, srv.URL+"/access-log?lang=en&name=rinakartika", rina...); !strings.Contains(body, access.Mark(a.ID)) {
		t.Error("the log does not say by its number who looks")
	}
	at, why := srv.URL+"/users/"+a.ID+"/erase", url.Values{"reason": {"surat 18/2026"}}
	for name, tt := range map[string]struct {
		at     string
		form   url.Values
		header []string
		status int
	}{
		"by nobody":               {at, why, nobody, http.StatusUnauthorized},
		"by who is no admin":      {at, why, approver, http.StatusForbidden},
		"without a reason":        {at, url.Values{"reason": {" "}}, admin, http.StatusBadRequest},
		"of one that is not here": {srv.URL + "/users/x/erase", why, admin, http.StatusBadRequest},
		"from an old page":        {srv.URL + "/users/rinakartika/erase", why, admin, http.StatusBadRequest},
		"a link from an old page": {srv.URL + "/users/rinakartika/link", url.Values{}, admin, http.StatusBadRequest},
	} {
		if res, _ := send(t, tt.at, tt.form, tt.header...); res.StatusCode != tt.status {
			t.Errorf("%s: %s, want %d", name, res.Status, tt.status)
		}
	}
	if res, _ := get(t, srv.URL+"/api/v1/devices", rina...); res.StatusCode != http.StatusOK {
		t.Fatalf("before: %s", res.Status)
	}
	if res, _ := send(t, at, why, admin...); res.StatusCode != http.StatusBadRequest {
		t.Errorf("while no other admin has a way in of her own: %s", res.Status)
	}
	if dewi, err := s.room.Named(t.Context(), "dewi"); err != nil {
		t.Fatal(err)
	} else if err := s.room.SetPassword(t.Context(), dewi.ID, "kuda baterai jepit benar", ""); err != nil {
		t.Fatal(err)
	}
	if res, back := send(t, at, why, admin...); res.StatusCode != http.StatusSeeOther || back != "/users" {
		t.Fatalf("%s to %q", res.Status, back)
	}
	if res, _ := get(t, srv.URL+"/api/v1/devices", rina...); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("who was erased is still in: %s", res.Status)
	}
	for _, page := range []string{"/users?lang=en", "/access-log?lang=en"} {
		if _, body := get(t, srv.URL+page, admin...); strings.Contains(strings.ToLower(body), "kartika") {
			t.Errorf("%s still has the name", page)
		}
	}
	if _, body := get(t, srv.URL+"/access-log?lang=en", admin...); !strings.Contains(words(body), "erased account "+access.Mark(a.ID)) {
		t.Error("the log does not show that the account is erased")
	}
	if res, _ := logIn(t, srv.URL, "rinakartika", "wrong", "", "x"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a log-in under the erased name: %s", res.Status)
	}
	if _, body := get(t, srv.URL+"/access-log?lang=en&action=login", admin...); strings.Contains(body, "<b></b>") || !strings.Contains(body, `<span class="dim">–</span>`) {
		t.Error("the log shows nothing in place of a name that nobody has")
	}
	all, err := s.room.Journal(t.Context(), "", "", 0, 500)
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	for _, e := range all {
		if e.Action == "user-erase" && e.Outcome == access.Done {
			done++
			if e.Name != "dewi" || e.Object != "/users/"+a.ID+"/erase" || e.Detail != "reason: surat 18/2026" {
				t.Errorf("%+v", e)
			}
		}
		if e.Action == "user-link" && e.Object != "/users/…/link" {
			t.Errorf("a link from an old page: %+v", e)
		}
		if e.Action == "user-add" && e.Object != "/users/"+a.ID {
			t.Errorf("the log does not say which account was made: %+v", e)
		}
		if text := strings.ToLower(e.Name + e.Object + e.Detail); strings.Contains(text, "kartika") {
			t.Errorf("the access log keeps the name: %+v", e)
		}
	}
	if done != 1 {
		t.Errorf("%d lines say that it was done, want one", done)
	}
	if _, broken, _, err := s.room.Check(t.Context()); broken != 0 || err != nil {
		t.Errorf("the chain: %d, %v", broken, err)
	}
}
