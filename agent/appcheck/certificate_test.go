package appcheck

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestCertificates(t *testing.T) {
	now := time.Now()
	long := newAuthority(t, now.AddDate(10, 0, 0))
	short := newAuthority(t, now.AddDate(0, 0, 5))
	unknown := newAuthority(t, now.AddDate(10, 0, 0))
	empty := t.TempDir() + "/empty.pem"
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	const host = "127.0.0.1"
	floor := now.AddDate(0, -1, 0)
	old := func() time.Time { return time.Unix(3600, 0) } // a board without a battery
	for name, tt := range map[string]struct {
		by            *authority
		name          string
		from, until   time.Time
		ca            string
		now           func() time.Time
		class, detail string
		days          int // noDays is none
	}{
		"good":             {by: long, name: host, from: now.Add(-time.Hour), until: now.Add(90*24*time.Hour + time.Hour), days: 90},
		"expires soon":     {by: long, name: host, from: now.Add(-time.Hour), until: now.Add(9*24*time.Hour + time.Hour), days: 9},
		"its signer first": {by: short, name: host, from: now.Add(-time.Hour), until: now.AddDate(1, 0, 0), days: 4},
		"expired":          {by: long, name: host, from: now.AddDate(-1, 0, 0), until: now.Add(-36 * time.Hour), class: ClassTLS, detail: "expired", days: -2},
		"not yet":          {by: long, name: host, from: now.Add(time.Hour), until: now.AddDate(1, 0, 0), class: ClassTLS, detail: "not yet valid", days: noDays - 1},
		"another name":     {by: long, name: "other.example", from: now.Add(-time.Hour), until: now.Add(90*24*time.Hour + time.Hour), class: ClassTLS, detail: "127.0.0.1", days: 90},
		"unknown signer":   {by: unknown, name: host, from: now.Add(-time.Hour), until: now.Add(90*24*time.Hour + time.Hour), ca: long.file, class: ClassTLS, detail: "is an intermediate certificate missing", days: 90},
		"no such CA file":  {by: long, name: host, from: now.Add(-time.Hour), until: now.AddDate(1, 0, 0), ca: "/nonexistent/ca.pem", class: ClassTLS, detail: "no such file", days: noDays},
		"empty CA file":    {by: long, name: host, from: now.Add(-time.Hour), until: now.AddDate(1, 0, 0), ca: empty, class: ClassTLS, detail: "no PEM certificate", days: noDays},

		"in 1970":                         {by: long, name: host, from: now.Add(-time.Hour), until: now.AddDate(1, 0, 0), now: old, days: noDays},
		"in 1970, younger than the floor": {by: long, name: host, from: now.Add(-24 * time.Hour), until: now.AddDate(0, 3, 0), now: old, days: noDays},
		"in 1970, expired at the floor":   {by: long, name: host, from: now.AddDate(-1, 0, 0), until: floor.Add(-time.Hour), now: old, class: ClassTLS, detail: "expired", days: noDays},
	} {
		t.Run(name, func(t *testing.T) {
			cert := tt.by.sign(t, tt.name, tt.from, tt.until)
			site := web(t, &cert, func(http.ResponseWriter, *http.Request) {})
			cfg := Config{URL: site.URL, CA: tt.ca, Floor: floor, Now: tt.now}
			if cfg.CA == "" {
				cfg.CA = tt.by.file
			}
			r := look(t, cfg)
			wantClass(t, r, tt.class, tt.detail)
			days := r.certDays()
			switch {
			case tt.days == noDays && days != nil:
				t.Errorf("%d days, want none", *days)
			case tt.days > noDays && (days == nil || *days != tt.days):
				t.Errorf("days %v, want %d", days, tt.days)
			}
			if tt.class == "" && r.tls <= 0 {
				t.Error("the handshake took no time")
			}
		})
	}
}

// noDays stands for nothing known in TestCertificates; one less for whatever.
const noDays = -1000

func TestTLSVersions(t *testing.T) {
	ca := newAuthority(t, time.Now().AddDate(5, 0, 0))
	cert := ca.sign(t, "127.0.0.1", time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0))
	for _, tt := range []struct {
		version uint16
		class   string
	}{{tls.VersionTLS11, ClassTLS}, {tls.VersionTLS12, ""}, {tls.VersionTLS13, ""}} {
		site := httptest.NewUnstartedServer(http.NotFoundHandler())
		site.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: tt.version}
		site.Config.ErrorLog = log.New(io.Discard, "", 0)
		site.StartTLS()
		r := look(t, Config{URL: site.URL, CA: ca.file, ExpectStatus: "404"})
		wantClass(t, r, tt.class, "")
		site.Close()
	}
}

// TestNobodyIsTrusted: a machine without any root says what to install. The
// roots are read once in a process, so it takes another.
func TestNobodyIsTrusted(t *testing.T) {
	const none = "/nonexistent/roots"
	if os.Getenv("SSL_CERT_FILE") == none {
		ca := newAuthority(t, time.Now().AddDate(5, 0, 0))
		cert := ca.sign(t, "127.0.0.1", time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0))
		site := web(t, &cert, func(http.ResponseWriter, *http.Request) {})
		wantClass(t, look(t, Config{URL: site.URL}), ClassTLS, "install the package ca-certificates")
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNobodyIsTrusted$")
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+none, "SSL_CERT_DIR="+none)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestNoTLSThere: a server that speaks plain HTTP at the TLS port.
func TestNoTLSThere(t *testing.T) {
	site := web(t, nil, func(http.ResponseWriter, *http.Request) {})
	wantClass(t, look(t, Config{URL: "https" + site.URL[len("http"):]}), ClassTLS, "")
}
