package onvif

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kentongan/agent/onvif/onviftest"
)

func camera(t *testing.T, o onviftest.Options) *onviftest.Camera {
	t.Helper()
	c, err := onviftest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if v := c.Violations(); len(v) > 0 {
			t.Errorf("requests break the specifications: %s", strings.Join(v, "\n"))
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func device(t *testing.T, cfg Config) *Device {
	t.Helper()
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// two are the profiles of an ordinary camera.
func two(codec string) []onviftest.Profile {
	return []onviftest.Profile{
		{Token: "Profile_1", Name: "main & first", Source: "v1", Encoding: codec, Width: 1920, Height: 1080, FPS: 25, Kbit: 4096, GOP: 50, StreamURI: "rtsp://127.0.0.1:554/ch1?a=1&b=2", SnapshotURI: "http://127.0.0.1/snap?ch=1"},
		{Token: "Profile_2", Name: "sub", Source: "v1", Encoding: codec, Width: 640, Height: 360, FPS: 15, Kbit: 512, GOP: 30, StreamURI: "rtsp://127.0.0.1:554/ch2"},
	}
}

// want is what two looks like through the client.
func want(codec string) []Profile {
	return []Profile{
		{Token: "Profile_1", Name: "main & first", Source: "v1", Codec: codec, Width: 1920, Height: 1080, FPS: 25, KbitPerS: 4096, GOP: 50, StreamURI: "rtsp://127.0.0.1:554/ch1?a=1&b=2", SnapshotURI: "http://127.0.0.1/snap?ch=1"},
		{Token: "Profile_2", Name: "sub", Source: "v1", Codec: codec, Width: 640, Height: 360, FPS: 15, KbitPerS: 512, GOP: 30, StreamURI: "rtsp://127.0.0.1:554/ch2"},
	}
}

func TestCameras(t *testing.T) {
	const user, password = `ops"<&>`, `kata "sandi" & <lain>`
	for name, tt := range map[string]struct {
		o         onviftest.Options
		codec     string
		noteParts string
	}{
		"open":                       {o: onviftest.Options{Profiles: two("H264")}},
		"username token":             {o: onviftest.Options{Username: user, Password: password, Profiles: two("H264")}},
		"clock of 1970":              {o: onviftest.Options{Username: user, Password: password, Profiles: two("H264"), Clock: -56 * 365 * 24 * time.Hour}},
		"clock ahead":                {o: onviftest.Options{Username: user, Password: password, Profiles: two("H264"), Clock: 9 * time.Hour}},
		"HTTP digest":                {o: onviftest.Options{Username: "ops", Password: password, HTTPDigest: true, Profiles: two("H264")}},
		"HTTP digest, fresh nonces":  {o: onviftest.Options{Username: "ops", Password: password, HTTPDigest: true, FreshNonces: true, Profiles: two("H264")}},
		"media2":                     {o: onviftest.Options{Username: user, Password: password, Media2: true, Profiles: two("H265")}, codec: "H265"},
		"media2 broken":              {o: onviftest.Options{Media2: true, Media2Broken: true, Profiles: two("H264")}, noteParts: "media2 gives no profiles"},
		"before GetServices":         {o: onviftest.Options{NoServices: true, Profiles: two("H264")}},
		"media service elsewhere":    {o: onviftest.Options{MediaXAddr: "http://192.0.2.1/onvif/media", Profiles: two("H264")}, noteParts: "192.0.2.1, which is another host"},
		"streams at another address": {o: onviftest.Options{Profiles: elsewhere()}, noteParts: "10.9.9.9:554, which is another host"},
	} {
		t.Run(name, func(t *testing.T) {
			c := camera(t, tt.o)
			d := device(t, Config{URL: c.URL(), Username: tt.o.Username, Password: tt.o.Password})
			info, err := d.Information(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if (info != Information{"Contoh", "Kamera 1", "1.0", "SN-1", "HW-1"}) {
				t.Errorf("information %+v", info)
			}
			got, err := d.Profiles(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if tt.codec == "" {
				tt.codec = "H264"
			}
			if w := want(tt.codec); !reflect.DeepEqual(got, w) {
				t.Errorf("profiles\n%+v, want\n%+v", got, w)
			}
			if notes := strings.Join(d.Notes(), "\n"); !strings.Contains(notes, tt.noteParts) || tt.noteParts == "" && notes != "" {
				t.Errorf("notes %q, want %q in them", notes, tt.noteParts)
			}
			if err := d.Reboot(t.Context()); err != nil || c.Reboots() != 1 {
				t.Errorf("reboot: %v, %d reboots", err, c.Reboots())
			}
		})
	}
}

// elsewhere is two with stream addresses of another host, and a password in one.
func elsewhere() []onviftest.Profile {
	p := two("H264")
	p[0].StreamURI = "rtsp://admin:12345@10.9.9.9:554/ch1?a=1&b=2"
	p[1].StreamURI = "rtsp://10.9.9.9:554/ch2"
	return p
}

func TestWrongPassword(t *testing.T) {
	for name, o := range map[string]onviftest.Options{
		"username token": {Username: "ops", Password: "right"},
		"HTTP digest":    {Username: "ops", Password: "right", HTTPDigest: true},
	} {
		for who, cfg := range map[string]Config{"wrong": {Username: "ops", Password: "wrong"}, "none": {}} {
			t.Run(name+", "+who, func(t *testing.T) {
				c := camera(t, o)
				cfg.URL = c.Host()
				d := device(t, cfg)
				if _, err := d.Information(t.Context()); !errors.Is(err, ErrNotAuthorized) {
					t.Errorf("error %v, want that it refuses", err)
				}
				if n := c.Requests("GetDeviceInformation"); n > 2 {
					t.Errorf("asked %d times: cameras lock accounts", n)
				}
				if err := d.Reboot(t.Context()); !errors.Is(err, ErrNotAuthorized) || c.Reboots() != 0 {
					t.Errorf("reboot: %v", err)
				}
			})
		}
	}
}

func TestRebooter(t *testing.T) {
	c := camera(t, onviftest.Options{Username: "ops", Password: "rahasia", Clock: -time.Hour})
	r := Rebooter{URL: c.URL(), Username: "ops", PasswordOf: func() (string, error) { return "rahasia", nil }}
	if err := r.Reboot(t.Context()); err != nil || c.Reboots() != 1 {
		t.Errorf("error %v, %d reboots", err, c.Reboots())
	}
	r.PasswordOf = func() (string, error) { return "", errors.New("no file") }
	if err := r.Reboot(t.Context()); err == nil || c.Reboots() != 1 {
		t.Errorf("error %v, %d reboots", err, c.Reboots())
	}
	if err := (Rebooter{Stream: "rtsp:///x"}).Reboot(t.Context()); err == nil {
		t.Error("a stream without a host is rebooted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (Rebooter{Stream: "rtsp://192.0.2.1/x"}).Reboot(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that it was cancelled", err)
	}
}

// TestStrangers: whatever answers, the question ends in time, in bounded memory,
// with an error.
func TestStrangers(t *testing.T) {
	const envelope = `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>%s</s:Body></s:Envelope>`
	say := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) }
	}
	for name, tt := range map[string]struct {
		h    http.HandlerFunc
		want string
	}{
		"web page":       {say("<html><body>Login</body></html>"), "no SOAP envelope"},
		"garbage":        {say("\x00\x01\xff"), "not XML"},
		"nothing":        {say(""), "no element"},
		"404":            {http.NotFound, "HTTP status 404"},
		"another answer": {say(fmt.Sprintf(envelope, "<GetUsersResponse/>")), "holds no GetDeviceInformationResponse"},
		"document type":  {say(`<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`), "document type"},
		"unknown entity": {say("<a>&b;</a>"), "not XML"},
		"billion laughs": {say(`<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><a>&b;</a>`), "document type"},
		"deep":           {say(strings.Repeat("<a>", 100_000)), "deep"},
		"wide":           {say("<a>" + strings.Repeat("<b/>", 100_000)), "more than 20000 elements"},
		"huge":           {say("<a>" + strings.Repeat("x", 5<<20)), "more than 1048576 bytes"},
		"endless":        {func(w http.ResponseWriter, _ *http.Request) { forever(w, strings.Repeat("<a>", 1000), 0) }, "more than 1048576 bytes"},
		"slow":           {func(w http.ResponseWriter, _ *http.Request) { forever(w, "x", 20*time.Millisecond) }, "deadline exceeded"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusTemporaryRedirect)
		}, "redirects"},
		"fault of 1.1": {say(fmt.Sprintf(envelope, "<s:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>kaputt\x1b[31m</faultstring></s:Fault>")), ""},
		"asks for Basic": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(401)
		}, ErrNotAuthorized.Error()},
		"digest for ever": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Digest realm="x", nonce="%d", stale=true`, time.Now().UnixNano()))
			w.WriteHeader(401)
		}, ErrNotAuthorized.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			var asked, basic atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				body, _ := io.ReadAll(r.Body)
				if strings.HasPrefix(r.Header.Get("Authorization"), "Basic") || bytes.Contains(body, []byte("rahasia")) {
					basic.Add(1)
				}
				tt.h(w, r)
			}))
			defer s.Close()
			timeout := time.Minute // that no busy machine uses up
			if name == "slow" {
				timeout = time.Second
			}
			d := device(t, Config{URL: s.URL, Username: "ops", Password: "rahasia", Timeout: timeout})
			d.timed = true
			_, err := d.Information(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("control characters in %q", err)
			}
			if basic.Load() > 0 {
				t.Error("the password was shown")
			}
			if asked.Load() > tries {
				t.Errorf("asked %d times", asked.Load())
			}
		})
	}
}

// forever writes until the other side has enough.
func forever(w http.ResponseWriter, piece string, pause time.Duration) {
	for {
		if _, err := io.WriteString(w, piece); err != nil {
			return
		}
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		time.Sleep(pause)
	}
}

// TestPasswordStaysAtItsHost: an answer that leads to another host gets nobody
// there a question.
func TestPasswordStaysAtItsHost(t *testing.T) {
	var asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer other.Close()
	// The same machine by another name: what counts is the host that was named.
	lie := strings.Replace(other.URL, "127.0.0.1", "localhost", 1) + "/onvif/media"
	c := camera(t, onviftest.Options{Username: "ops", Password: "p", Profiles: two("H264"), MediaXAddr: lie})
	d := device(t, Config{URL: c.URL(), Username: "ops", Password: "p"})
	if _, err := d.Profiles(t.Context()); err != nil {
		t.Error(err)
	}
	if asked.Load() != 0 {
		t.Errorf("another host was asked %d times", asked.Load())
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"192.168.1.64": "http://192.168.1.64/onvif/device_service", "camera:8080": "http://camera:8080/onvif/device_service",
		"http://h/x": "http://h/x", "https://h": "https://h/onvif/device_service", "fe80::1": "http://[fe80::1]/onvif/device_service",
		"": "", "rtsp://h/": "", "http://u:p@h/": "", "http:///x": "", "a b": "",
	} {
		u, err := deviceURL(in)
		if (err == nil) != (want != "") || err == nil && u.String() != want {
			t.Errorf("%q: %v, %v, want %q", in, u, err, want)
		}
	}
	for in, want := range map[string]int{
		"10.0.0.1": 1, "10.0.0.0/24": 254, "10.0.0.7/24": 254, "10.0.0.0/31": 2, "10.0.0.5/32": 1, "10.0.0.0/20": 4094,
		"10.0.0.0/19": -1, "10.0.0.0/0": -1, "fe80::/64": -1, "fd00::/124": 16, "camera": -1, "": -1, "10.0.0.1/33": -1,
	} {
		list, err := ParseAddresses(in)
		if want < 0 != (err != nil) || err == nil && len(list) != want {
			t.Errorf("%q: %d addresses, %v, want %d", in, len(list), err, want)
		}
	}
}

// TestDigests holds the two digests to the examples of their specifications.
func TestDigests(t *testing.T) {
	// RFC 2617, 3.5, and RFC 7616, 3.9.1.
	c := parseChallenge(`Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`)
	if got := c.answer("Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b"); !strings.Contains(got, `response="6629fae49393a05397450978507c4ef1"`) {
		t.Error(got)
	}
	c = parseChallenge(`Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`)
	if got := c.answer("Mufasa", "Circle of Life", "GET", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"); !strings.Contains(got, `response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"`) {
		t.Error(got)
	}
	// WS-Security: computed apart, with openssl:
	//	printf '0123456789abcdef2010-09-16T07:50:45.000Zuserpassword' | openssl sha1 -binary | base64
	token := usernameToken("user", "userpassword", []byte("0123456789abcdef"), time.Date(2010, 9, 16, 7, 50, 45, 0, time.UTC))
	for _, want := range []string{">L1jHiuKAWVe4/mWu5yDkQgrOkiA=<", ">MDEyMzQ1Njc4OWFiY2RlZg==<", ">2010-09-16T07:50:45.000Z<"} {
		if !strings.Contains(token, want) {
			t.Errorf("token %s has no %s", token, want)
		}
	}
	for _, h := range []string{"", "Digest", "Basic realm=x", `Digest realm="a"`, `Digest nonce="a", algorithm=SHA-512`, `Digest nonce="a", qop="auth-int"`, `Digest nonce="a`} {
		if c := parseChallenge(h); c != nil {
			t.Errorf("%q is a challenge: %+v", h, c)
		}
	}
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`<s:Envelope xmlns:s="x"><s:Body><a b="c">d</a></s:Body></s:Envelope>`))
	f.Add([]byte(`<!DOCTYPE a><a/>`))
	f.Add([]byte(`<a><b>1</b><b>2.5</b></a><c/>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := parse(data)
		if err != nil {
			return
		}
		for _, s := range []string{n.text("b"), n.at("Body").text("a"), clip(string(data))} {
			if len(s) > maxText+4 || strings.ContainsAny(s, "\n\r\x1b\x00") {
				t.Errorf("text %q", s)
			}
		}
		if n.number("b") < 0 || n.decimal("b") < 0 {
			t.Error("negative")
		}
		_, _ = result(200, data, request{name: "a"})
		m := mediaService{&Device{url: mustURL("http://camera/")}, nil, nsMedia2}
		m.profile(n)
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="a", nonce="b", qop="auth", stale=TRUE, algorithm=MD5`)
	f.Add(`Digest nonce=b,,=,"`)
	f.Fuzz(func(t *testing.T, h string) {
		c := parseChallenge(h)
		if c == nil {
			return
		}
		if got := c.authorize("u", "p", "POST", "/"); strings.ContainsAny(got, "\r\n") {
			t.Errorf("header %q", got)
		}
	})
}
