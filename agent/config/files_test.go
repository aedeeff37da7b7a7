package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair makes a certificate that signs itself, and its key.
func writePair(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	put(t, dir, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	writePair(t, dir, "a")
	writePair(t, dir, "b")
	put(t, dir, "good", "s3cret\n")
	put(t, dir, "empty", "")
	put(t, dir, "newline", "\n")
	put(t, dir, "two", "a\ns3cret\n")
	put(t, dir, "long", strings.Repeat("s3cret", 1000))
	put(t, dir, "locked", "-----BEGIN ENCRYPTED PRIVATE KEY-----\naaaa\n-----END ENCRYPTED PRIVATE KEY-----\n")
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	const header = "device: a\nuplink:\n  acknowledge: broker\n  brokers: [{url: 'mqtts://h',\n"
	tests := map[string]struct{ keys, want string }{ // DIR stands for the directory
		"all good":             {"ca: a.pem, cert: a.pem, key: a.key, username: u, password_file: good", ""},
		"ca missing":           {"ca: none", `5:5: uplink.brokers[0].ca: "DIR/none": no such file`},
		"ca empty":             {"ca: empty", `5:5: uplink.brokers[0].ca: "DIR/empty": empty`},
		"ca a folder":          {"ca: folder", `5:5: uplink.brokers[0].ca: "DIR/folder": is a directory; name a file in it`},
		"ca a key":             {"ca: a.key", `5:5: uplink.brokers[0].ca: "DIR/a.key": no certificate in it; it must be PEM, with lines BEGIN CERTIFICATE`},
		"cert and key swapped": {"cert: a.key, key: a.pem", "5:7: uplink.brokers[0].cert: \"DIR/a.key\": no certificate in it; it must be PEM, with lines BEGIN CERTIFICATE\n" + `5:19: uplink.brokers[0].key: "DIR/a.pem": no private key in it; it must be PEM, with lines BEGIN PRIVATE KEY, not encrypted`},
		"key encrypted":        {"cert: a.pem, key: locked", `5:19: uplink.brokers[0].key: "DIR/locked": no private key in it; it must be PEM, with lines BEGIN PRIVATE KEY, not encrypted`},
		"key of another":       {"cert: a.pem, key: b.key", `5:19: uplink.brokers[0].key: "DIR/b.key": does not go with cert "DIR/a.pem" (tls: private key does not match public key)`},
		"password missing":     {"username: u, password_file: none", `5:29: uplink.brokers[0].password_file: "DIR/none": no such file`},
		"password empty":       {"username: u, password_file: empty", `5:29: uplink.brokers[0].password_file: "DIR/empty": empty; write the password into it`},
		"password a line end":  {"username: u, password_file: newline", `5:29: uplink.brokers[0].password_file: "DIR/newline": empty; write the password into it`},
		"password two lines":   {"username: u, password_file: two", `5:29: uplink.brokers[0].password_file: "DIR/two": more than one line; it must hold the password alone`},
		"password long":        {"username: u, password_file: long", `5:29: uplink.brokers[0].password_file: "DIR/long": more than 4096 bytes; it must hold the password alone`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := header + tt.keys + "}]\n"
			file := filepath.Join(dir, "x.yaml")
			c, err := Parse(file, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := c.CheckFiles(); err != nil {
				got = err.Error()
			}
			got = strings.ReplaceAll(strings.ReplaceAll(got, file+":", ""), dir, "DIR")
			if strings.Contains(got, "s3cret") {
				t.Errorf("a password is in the message: %s", got)
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A key that a TPM wrapped has the certificate's point in it, and needs a TPM.
func TestFilesOfATPM(t *testing.T) {
	dir := t.TempDir()
	writePair(t, dir, "a")
	writePair(t, dir, "b")
	text, err := os.ReadFile(filepath.Join(dir, "a.pem"))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	point, err := cert.PublicKey.(*ecdsa.PublicKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	// What stands around the two coordinates is read by hal/tpm, and tested there.
	wrapped := append(append(append([]byte{0, 32}, point[1:33]...), 0, 32), point[33:]...)
	put(t, dir, "tpm.key", string(pem.EncodeToMemory(&pem.Block{Type: "TSS2 PRIVATE KEY", Bytes: wrapped})))
	for name, tt := range map[string]struct{ cert, more, want string }{
		"good":                {"a.pem", "  tpm: none\n", ""},
		"no TPM named":        {"a.pem", "", `4:50: uplink.brokers[0].key: "DIR/tpm.key": the key is in a TPM, and uplink.tpm names none; write tpm: /dev/tpmrm0 into uplink`},
		"another's key":       {"b.pem", "  tpm: none\n", `4:50: uplink.brokers[0].key: "DIR/tpm.key": does not go with cert "DIR/b.pem" (the certificate is for another key)`},
		"damaged certificate": {"bad", "  tpm: none\n", `4:48: uplink.brokers[0].key: "DIR/tpm.key": does not go with cert "DIR/bad" (x509: malformed tbs certificate)`},
	} {
		put(t, dir, "bad", "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n")
		file := filepath.Join(dir, "x.yaml")
		c, err := Parse(file, []byte("device: a\nuplink:\n  acknowledge: broker\n  brokers: [{url: 'mqtts://h', cert: "+tt.cert+", key: tpm.key}]\n"+tt.more))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := c.CheckFiles(); err != nil {
			got = strings.ReplaceAll(strings.ReplaceAll(err.Error(), file+":", ""), dir, "DIR")
		}
		if got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, tt.want)
		}
	}
}

// TestExampleKeyIsRefused: receipts of no centre would ever count with it.
func TestExampleKeyIsRefused(t *testing.T) {
	c, err := Parse("x.yaml", []byte(least))
	if err != nil {
		t.Fatal(err)
	}
	want := "x.yaml:3:15: uplink.centre_key: this is the example's key, which no centre has; put in what 'kentongan-centre key' prints"
	if err := c.CheckFiles(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	// Where the broker acknowledges, the key is not used.
	if c, err = Parse("x.yaml", []byte(strings.Replace(least, "uplink:\n", "uplink:\n  acknowledge: broker\n", 1))); err != nil {
		t.Fatal(err)
	}
	if err := c.CheckFiles(); err != nil {
		t.Errorf("acknowledge broker: %v", err)
	}
}

// TestCheckNamesBothKinds: one list, in the order of the places, of what is
// wrong in the file and with the files that it names.
func TestCheckNamesBothKinds(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.yaml")
	put(t, dir, "x.yaml", `device: Kiosk 7
uplink:
  centre_key: `+exampleKey+`
  brokers:
  - {url: "mqtts://h:0", ca: none, cert: [none], key: none}
  - {url: "mqtt://h", ca: none}
streams:
- {name: a, url: "rtsp://h/", password_file: none, silent_after: 10s, username: u}
stats_every: 2h
`)
	const want = `1:9: device: "Kiosk 7" can't be a device's id; write 1 to 40 of a-z, 0-9 and hyphen, no hyphen at either end
3:15: uplink.centre_key: this is the example's key, which no centre has; put in what 'kentongan-centre key' prints
5:11: uplink.brokers[0].url: port is not 1 to 65535 in "mqtts://h:0"; write mqtts://HOST:8883
5:30: uplink.brokers[0].ca: "DIR/none": no such file
5:42: uplink.brokers[0].cert: a list where a path is expected
5:55: uplink.brokers[0].key: "DIR/none": no such file
6:27: uplink.brokers[1].ca: means nothing without TLS; write mqtts:// in url or remove it
6:27: uplink.brokers[1].ca: "DIR/none": no such file
8:46: streams[0].password_file: "DIR/none": no such file
9:14: stats_every: "2h" is out of range; write 1s to 1h`
	c, err := Check(file)
	if c != nil || err == nil {
		t.Fatalf("%v, %v; want problems alone", c, err)
	}
	if got := strings.ReplaceAll(strings.ReplaceAll(err.Error(), file+":", ""), dir, "DIR"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	put(t, dir, "x.yaml", "device: a\nuplink: {acknowledge: broker, brokers: [{url: 'mqtts://h'}]}\n")
	if c, err := Check(file); err != nil || c.Device != "a" {
		t.Errorf("a good file: %v, %v", c, err)
	}
	put(t, dir, "x.yaml", "a: [\n")
	if _, err := Check(file); err == nil || !strings.Contains(err.Error(), "not YAML") {
		t.Errorf("no YAML: %v", err)
	}
	if _, err := Check(filepath.Join(dir, "none")); err == nil || !strings.HasSuffix(err.Error(), "none: no such file") {
		t.Errorf("no file: %v", err)
	}
}

func TestSecretValue(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "file", "pa ss\r\n")
	inline := "s3cret"
	for _, tt := range []struct {
		s    Secret
		want string
	}{
		{Secret{}, ""}, {Secret{inline: &inline}, "s3cret"}, {Secret{file: filepath.Join(dir, "file")}, "pa ss"},
	} {
		if got, err := tt.s.Value(); got != tt.want || err != nil {
			t.Errorf("%v: %q, %v, want %q", tt.s, got, err, tt.want)
		}
		if tt.s.IsSet() != (tt.want != "") {
			t.Errorf("%v: IsSet is %t", tt.s, tt.s.IsSet())
		}
	}
	if _, err := (Secret{file: filepath.Join(dir, "none")}).Value(); err == nil || !strings.HasSuffix(err.Error(), "none: no such file") {
		t.Errorf("missing file: %v", err)
	}
}

// TestNothingPrintsASecret prints a configuration in every way that a log, a
// page or a careless line might.
func TestNothingPrintsASecret(t *testing.T) {
	c, err := Load("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := c.Uplink.Brokers[2].Password.Value(); p != "s3cret-2" || err != nil {
		t.Fatalf("the password of the URL is %q, %v", p, err)
	}
	type holder struct{ c Config } // fmt calls no method on what it finds in here
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	urls := fmt.Sprint(c.Streams[1].URL)
	for _, text := range []string{
		c.String(), string(asJSON), fmt.Sprintf("%v %+v %#v %s", c, c, c, c), fmt.Sprintf("%v %+v", *c, *c),
		fmt.Sprintf("%+v %#v", holder{*c}, holder{*c}), fmt.Sprint(c.Warnings()),
	} {
		// A password in a URL's query is part of what the camera is asked for,
		// and stays in the field.
		text = strings.ReplaceAll(text, urls, "")
		text = strings.ReplaceAll(text, strings.ReplaceAll(urls, "&", `\u0026`), "")
		if i := strings.Index(text, "s3cret"); i >= 0 || strings.Contains(text, "67890") {
			t.Errorf("a secret in %.200s", text[max(i-50, 0):])
		}
	}
}

func TestWarnings(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.yaml")
	text := `device: kiosk-7
uplink:
  acknowledge: broker
  megabytes_per_day: 5
  brokers:
  - url: mqtt://ops:s3cret@centre.example
streams:
- {name: a, url: "rtsp://10.0.0.5/main"}
- {name: b, url: "rtsp://10.0.0.5:554/main"}
- {name: c, url: "rtsp://10.0.0.6/main", sub_url: "rtsp://10.0.0.6/sub", expect: {fps: 25}}
- {name: d, url: "rtsp://10.0.0.7/main", sub_expect: {fps: 25}}
board: {driver: gpio, socket: s}
kiosk:
  number: 7
  buttons:
  - {name: a, line: GPIO1, service_code: a, category: b, label: {id: a, en: a}, bias: down}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/warnings.golden", strings.ReplaceAll(c.Warnings().Error(), file, "x.yaml")+"\n")

	c, err = Parse("x.yaml", []byte(least))
	if err != nil {
		t.Fatal(err)
	}
	want := "x.yaml:1:9: device: no streams, no apps, no buttons, no sensors and no lines: the device only says that it is alive"
	if got := c.Warnings().Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
