package console_test

import (
	"net/url"
	"strings"
	"testing"

	"kentongan/cmd/kentongan-centre/internal/access"
)

// A person makes a passkey, logs out, and comes in with it: the browser's own
// WebAuthn, with an authenticator that Chromium plays.
func TestBrowserPasskey(t *testing.T) {
	srv, s, _ := serve(t, (*seeder).province)
	at := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	b := startChromium(t)
	b.Call(nil, "WebAuthn.enable", nil)
	b.Call(nil, "WebAuthn.addVirtualAuthenticator", map[string]any{"options": map[string]any{
		"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true}})
	b.enter(at, s.room, "sari")
	b.Open(at + "/account?lang=en")
	b.Eval("document.getElementById('label').value = 'my phone'; document.getElementById('passkey-add').click()")
	b.Until("the passkey on the page", "document.readyState === 'complete' && document.body.innerText.includes('my phone')")
	b.Eval("document.querySelector('form[action=\"/logout\"] button').click()")
	b.Until("the log-in page", "document.readyState === 'complete' && location.pathname === '/login' && !document.getElementById('passkey').hidden")
	b.Eval("document.getElementById('passkey').click()")
	b.Until("the first page", "document.readyState === 'complete' && location.pathname === '/' && document.querySelector('.me summary').innerText === 'Sari Wulandari'")
	a, err := s.room.Named(t.Context(), "sari")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := s.room.Passkeys(t.Context(), a.ID)
	if err != nil || len(keys) != 1 || keys[0].Label != "my phone" || keys[0].Used == nil {
		t.Errorf("passkeys %+v, %v", keys, err)
	}
	log, err := s.room.Journal(t.Context(), "sari", "login", 0, 1)
	if err != nil || len(log) != 1 || log[0].Object != "passkey" || log[0].Outcome != access.Done {
		t.Errorf("access log %+v, %v", log, err)
	}
	if e := b.Errors(); len(e) > 0 {
		t.Errorf("the pages complain: %s", e)
	}
}

// The way in of a new person: a link, a password, out, and in again.
func TestWayInWithALink(t *testing.T) {
	srv, s, _ := serve(t, (*seeder).province)
	a := account(t, s.room, access.Account{Name: "budi", Role: access.Viewer})
	link, err := s.room.Link(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, srv.URL+"/link/"+link, "Cookie", "kentongan=x"); !strings.Contains(body, "budi") {
		t.Fatal("the link does not say whose it is")
	}
	res, to := send(t, srv.URL+"/link/"+link, url.Values{}, "Cookie", "kentongan=x")
	if res.StatusCode != 303 || to != "/account" || len(res.Cookies()) != 1 {
		t.Fatalf("%s to %q with %v", res.Status, to, res.Cookies())
	}
	c := res.Cookies()[0]
	if !c.HttpOnly || c.SameSite != 2 || c.Path != "/" {
		t.Errorf("cookie %+v", c)
	}
	cookie := "kentongan=" + c.Value
	_, html := get(t, srv.URL+"/account", "Cookie", cookie)
	_, rest, _ := strings.Cut(html, `name="csrf" value="`)
	csrf, _, _ := strings.Cut(rest, `"`)
	if res, to := send(t, srv.URL+"/account/password", url.Values{"csrf": {csrf}, "password": {"kuda baterai jepit"}, "repeat": {"kuda baterai jepit"}}, "Cookie", cookie); to != "/account?saved" {
		t.Fatalf("%s to %q", res.Status, to)
	}
	if res, _ := send(t, srv.URL+"/logout", url.Values{"csrf": {csrf}}, "Cookie", cookie); res.StatusCode != 303 {
		t.Fatal(res.Status)
	}
	if res, _ := send(t, srv.URL+"/logout", url.Values{"csrf": {csrf}}, "Cookie", cookie); res.StatusCode != 401 {
		t.Errorf("the session is open after its log-out: %s", res.Status)
	}
	for password, want := range map[string]int{"kuda baterai jepit": 303, "kuda baterai": 401} {
		res, to := send(t, srv.URL+"/login", url.Values{"name": {"Budi "}, "password": {password}, "next": {"//evil.example/"}}, "Cookie", "kentongan=x")
		if res.StatusCode != want || want == 303 && to != "/" {
			t.Errorf("%q: %s to %q, want %d", password, res.Status, to, want)
		}
	}
	if res, _ := send(t, srv.URL+"/link/"+link, url.Values{}, "Cookie", "kentongan=x"); res.StatusCode != 410 {
		t.Errorf("the link works twice: %s", res.Status)
	}
}
