package enrol

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"testing"
	"time"

	"kentongan/agent/report"
)

// testdata/cacerts.p7 was made by openssl crl2pkcs7 -nocrl of two certificates of
// ten years.
func TestParseAnswerOfOpenSSL(t *testing.T) {
	text, err := os.ReadFile("testdata/cacerts.p7")
	if err != nil {
		t.Fatal(err)
	}
	certs, err := parseAnswer(text)
	if err != nil || len(certs) != 2 || certs[0].Subject.CommonName != "one" || certs[1].Subject.CommonName != "two" {
		t.Errorf("%v, %v", certs, err)
	}
	for name, body := range map[string]string{
		"nothing": "", "no base64": "?", "no PKCS #7": "MAA=", "half": string(text[:len(text)/2]),
		"an error page": "<html>", "text": base64.StdEncoding.EncodeToString([]byte("hello")),
	} {
		if certs, err := parseAnswer([]byte(body)); err == nil {
			t.Errorf("%s was read as %v", name, certs)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	text, err := os.ReadFile("testdata/cacerts.p7")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("MAA="))
	f.Fuzz(func(t *testing.T, body []byte) {
		if certs, err := parseAnswer(body); err == nil && len(certs) == 0 {
			t.Errorf("%q: no certificate and no error", body)
		}
	})
}

func FuzzDecodeEnrolment(f *testing.F) {
	good, err := json.Marshal(report.Enrolment{V: report.Version, Device: "kiosk-7", Centre: "https://c:1", Brokers: []report.EnrolBroker{{URL: "mqtts://b"}}, CentreKeys: []string{"k"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := decodeEnrolment(body)
		if err == nil && (!report.ValidDevice(e.Device) || len(e.Brokers) == 0 || len(e.CentreKeys) == 0) {
			t.Errorf("%q was taken as %+v", body, e)
		}
	})
}

// Each device has its own place after two thirds of the life.
func TestDueAt(t *testing.T) {
	begin := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	places := map[time.Time]bool{}
	for _, name := range []string{"kiosk-1", "kiosk-2", "kiosk-3", "kiosk-4"} {
		c := &x509.Certificate{NotBefore: begin, NotAfter: begin.Add(360 * 24 * time.Hour)}
		c.Subject.CommonName = name
		at := dueAt(c)
		if from, to := begin.Add(240*24*time.Hour), begin.Add(255*24*time.Hour); at.Before(from) || at.After(to) {
			t.Errorf("%s is due %v, want between %v and %v", name, at, from, to)
		}
		places[at.Truncate(time.Hour)] = true
	}
	if len(places) < 4 {
		t.Errorf("four devices are due in %d hours", len(places))
	}
}
