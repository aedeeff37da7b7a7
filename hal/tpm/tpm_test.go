package tpm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kentongan/hal/tpm/tpmtest"
)

var hash = sha256.Sum256([]byte("from a citizen"))

func makeKey(t *testing.T, at *TPM) (*Key, []byte) {
	t.Helper()
	k, err := at.Make()
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.PEM()
	if err != nil {
		t.Fatal(err)
	}
	return k, text
}

// A key is made, kept in a file, read again after the TPM lost its power, and
// signs the same way for several at a time; another TPM does not know it.
func TestKeyStaysInItsTPM(t *testing.T) {
	t.Parallel()
	m := tpmtest.Start(t)
	k, text := makeKey(t, At(m.Socket))
	m.Stop()
	if err := k.Try(); err == nil || !strings.Contains(err.Error(), m.Socket) {
		t.Errorf("without its TPM: %v", err)
	}
	m.Start()
	again, err := At(m.Socket).Read(text)
	if err != nil {
		t.Fatal(err)
	}
	if !k.point.Equal(again.Public()) {
		t.Error("another public key was read")
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			sig, err := again.Sign(rand.Reader, hash[:], crypto.SHA256)
			if err != nil || !ecdsa.VerifyASN1(k.point, hash[:], sig) {
				t.Errorf("sign: %v", err)
			}
		})
	}
	all.Wait()

	foreign, err := At(tpmtest.Start(t).Socket).Read(text)
	if err != nil {
		t.Fatal(err)
	}
	err = foreign.Try()
	if e, ok := errors.AsType[*Error](err); !errors.Is(err, ErrOther) || !ok || !e.Reached {
		t.Errorf("another TPM: %v", err)
	}
}

// OpenSSL reads the file's outer form, and the private half is not in it.
func TestOpenSSLReadsTheFile(t *testing.T) {
	t.Parallel()
	_, text := makeKey(t, At(tpmtest.Start(t).Socket))
	b, _ := pem.Decode(text)
	cmd := exec.Command("openssl", "asn1parse", "-inform", "DER")
	cmd.Stdin = bytes.NewReader(b.Bytes)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "2.23.133.10.1.3") || !strings.Contains(string(out), "INTEGER           :40000001") {
		t.Errorf("openssl: %v\n%s", err, out)
	}
}

// signed is a certificate for a key, by an authority that is made for it.
func signed(t *testing.T, key crypto.PublicKey) (text []byte, pool *x509.CertPool, server tls.Certificate) {
	t.Helper()
	ca, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kiosk-7"}, DNSNames: []string{"broker"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	pool = x509.NewCertPool()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, ca.Public(), ca)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(root)
	server = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: ca}
	tmpl = &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kiosk-7"}, NotBefore: tmpl.NotBefore, NotAfter: tmpl.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if der, err = x509.CreateCertificate(rand.Reader, tmpl, root, key, ca); err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pool, server
}

// A TLS server takes the client's certificate, whose key is in the TPM, with both
// versions that we speak.
func TestHandshake(t *testing.T) {
	t.Parallel()
	at := At(tpmtest.Start(t).Socket)
	k, text := makeKey(t, at)
	cert, pool, server := signed(t, k.Public())
	pair, err := at.X509KeyPair(cert, append(text, cert...))
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		here, there := net.Pipe()
		s := tls.Server(there, &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MaxVersion: version, MinVersion: version})
		done := make(chan error, 1)
		go func() { done <- s.HandshakeContext(t.Context()) }()
		c := tls.Client(here, &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, ServerName: "broker"})
		if err := errors.Join(c.HandshakeContext(t.Context()), <-done); err != nil {
			t.Fatalf("%s: %v", tls.VersionName(version), err)
		}
		if got := s.ConnectionState().PeerCertificates[0]; !k.point.Equal(got.PublicKey) {
			t.Errorf("%s: the server saw another key", tls.VersionName(version))
		}
		_, _ = here.Close(), there.Close()
	}

	other, _, _ := signed(t, server.PrivateKey.(*ecdsa.PrivateKey).Public())
	if _, err := at.X509KeyPair(other, text); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("a certificate of another key: %v", err)
	}
	if _, err := At("").X509KeyPair(cert, text); !errors.Is(err, ErrNone) {
		t.Errorf("without a TPM: %v", err)
	}
	if _, err := at.X509KeyPair(nil, text); err == nil {
		t.Error("without a certificate: no error")
	}
	if _, err := k.Sign(nil, make([]byte, 48), crypto.SHA384); err == nil {
		t.Error("SHA-384 was signed")
	}
}

// The device that is not there, that may not be opened, and that is no TPM.
func TestNoTPM(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, reached := range map[string]bool{filepath.Join(dir, "none"): false, file: true, dir: false} {
		_, err := At(path).Make()
		if e, ok := errors.AsType[*Error](err); !ok || e.Reached != reached || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// script is a TPM that answers what it was told, in two pieces each. It stands
// for broken ones, which nobody has.
type script struct {
	answers [][]byte
	rest    []byte
}

func (s *script) Write(p []byte) (int, error) {
	if len(s.answers) == 0 {
		return 0, io.ErrClosedPipe
	}
	s.rest, s.answers = s.answers[0], s.answers[1:]
	return len(p), nil
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest[:(len(s.rest)+1)/2])
	s.rest = s.rest[n:]
	return n, nil
}

func (s *script) Close() error { return nil }

func answer(tag uint16, code uint32, body ...byte) []byte {
	b := order.AppendUint16(nil, tag)
	b = order.AppendUint32(b, uint32(headerBytes+len(body)))
	b = order.AppendUint32(b, code)
	return append(b, body...)
}

func TestBrokenTPMs(t *testing.T) {
	long := answer(tagNoSessions, 0)
	order.PutUint32(long[2:], 5000)
	tests := map[string]struct {
		answers [][]byte
		want    string
	}{
		"nothing":          {[][]byte{nil}, "too short"},
		"half a header":    {[][]byte{{0x80, 1, 0, 0}}, "too short"},
		"too long":         {[][]byte{long}, "5000 bytes"},
		"no handle":        {[][]byte{answer(tagSessions, 0)}, "too short"},
		"no such tag":      {[][]byte{answer(0x1234, 0, 0, 0, 0, 0)}, "unknown tag"},
		"password":         {[][]byte{answer(tagNoSessions, 0x9a2)}, "password"},
		"locked":           {[][]byte{answer(tagNoSessions, 0x921)}, "locked"},
		"busy, then off":   {[][]byte{answer(tagNoSessions, 0x922), answer(tagNoSessions, 0x185)}, "switched off"},
		"parameters short": {[][]byte{answer(tagSessions, 0, 0x80, 0, 0, 0, 0, 0, 0, 9)}, "too short"},
		"empty key":        {[][]byte{answer(tagSessions, 0, 0x80, 0, 0, 0, 0, 0, 0, 0), answer(tagSessions, 0, 0, 0, 0, 0), answer(tagNoSessions, 0)}, "too short"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &script{answers: tt.answers}
			_, err := New("broken", func() (io.ReadWriteCloser, error) { return s, nil }).Make()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// Key files that are not ours, or damaged.
func TestForeignKeyFiles(t *testing.T) {
	k := scriptKey(t)
	good, err := k.PEM()
	if err != nil {
		t.Fatal(err)
	}
	at := At(Device)
	if _, err := at.Read(good); err != nil {
		t.Fatal(err)
	}
	encoded := func(change func(*keyFile)) []byte {
		f := keyFile{oidLoadable, true, handleOwner, sized(k.public), sized(k.private)}
		change(&f)
		der, err := asn1.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})
	}
	for want, text := range map[string][]byte{
		"no TSS2 PRIVATE KEY": []byte("hello"),
		"not a TPMKey":        pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: []byte{0x30, 3, 1}}),
		"loadable":            encoded(func(f *keyFile) { f.Type = asn1.ObjectIdentifier{1, 2, 3} }),
		"0x81000001":          encoded(func(f *keyFile) { f.Parent = 0x81000001 }),
		"password":            encoded(func(f *keyFile) { f.EmptyAuth = false }),
		"it is damaged":       encoded(func(f *keyFile) { f.Private = f.Private[:3] }),
		"part is damaged":     encoded(func(f *keyFile) { f.Public = sized(k.public[:len(k.public)-3]) }),
		"ECDSA on P-256": encoded(func(f *keyFile) {
			f.Public = sized(bytes.Replace(k.public, []byte{0, 0x10, 0, 3}, []byte{0, 0x10, 0, 4}, 1))
		}),
		"made as ours": encoded(func(f *keyFile) { f.Public = sized(withPoint(storageSigning(), k.point)) }),
		"public part:": encoded(func(f *keyFile) { f.Public[len(f.Public)-1] ^= 1 }),
	} {
		if _, err := at.Read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// storageSigning is the signing template without its right to sign.
func storageSigning() []byte {
	b := signingTemplate()
	order.PutUint32(b[4:], attrOurs)
	return b
}

// withPoint puts a point into a template, whose own is empty.
func withPoint(template []byte, p *ecdsa.PublicKey) []byte {
	b, err := p.Bytes()
	if err != nil {
		panic(err)
	}
	out := bytes.Clone(template[:len(template)-4])
	out = append(out, sized(b[1:1+coordinate])...)
	return append(out, sized(b[1+coordinate:])...)
}

// scriptKey is a key as a TPM would write it.
func scriptKey(t testing.TB) *Key {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := At(Device).key([]byte("wrapped"), withPoint(signingTemplate(), &secret.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// FuzzAnswer: no answer of a TPM makes a panic, nor a signature that is wrong.
func FuzzAnswer(f *testing.F) {
	f.Add(answer(tagSessions, 0, 0x80, 0, 0, 0, 0, 0, 0, 0), answer(tagSessions, 0, 0, 0, 0, 4, 0, 1, 2, 0))
	f.Add(answer(tagSessions, 0x9a2), answer(tagNoSessions, 0x922))
	f.Add(answer(tagSessions, 0, 0x80, 0, 0, 1, 0, 0, 0, 10, 0, 0x18, 0, 0xb, 0, 1, 1, 0, 1, 1), []byte{})
	k := scriptKey(f)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if _, p, err := parseAnswer(a, true); err == nil {
			_, _, _ = parseCreated(&fields{rest: p.rest})
			_, _, _ = parseSignature(p)
		}
		for _, text := range [][]byte{a, b} {
			if len(text) >= headerBytes && passes(codeError(order.Uint32(text[6:]))) {
				return // it would wait
			}
		}
		s := &script{answers: [][]byte{a, b, a, b, a, b}}
		at := New("fuzzed", func() (io.ReadWriteCloser, error) { return s, nil })
		if k, err := at.Make(); err == nil {
			t.Errorf("a key was made: %x", k.public)
		}
		s.answers = [][]byte{a, b, a, b, a, b}
		k.tpm = at
		if sig, err := k.Sign(nil, hash[:], crypto.SHA256); err == nil && !ecdsa.VerifyASN1(k.point, hash[:], sig) {
			t.Errorf("a wrong signature: %x", sig)
		}
	})
}

// FuzzKeyFile: no file makes a panic.
func FuzzKeyFile(f *testing.F) {
	k := scriptKey(f)
	text, err := k.PEM()
	if err != nil {
		f.Fatal(err)
	}
	b, _ := pem.Decode(text)
	f.Add(b.Bytes)
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		private, public, err := parseKeyFile(der)
		if err != nil {
			return
		}
		if k, err := At(Device).key(private, public); err == nil {
			if _, err := k.PEM(); err != nil {
				t.Errorf("it was read and can't be written: %v", err)
			}
		}
	})
}
