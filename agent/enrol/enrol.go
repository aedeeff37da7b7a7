// Package enrol gets a device its certificate, and the next one before it ends.
//
//	token ─► key (on the disk, first) ─► EST simpleenroll ─► files, one rename each
//
// The key is made here and never leaves; where Keys are a TPM's, it is in there
// and the files hold it wrapped. The centre sets the name in the
// certificate. The first contact believes only the root whose hash the token
// carries; later ones believe the root that came then.
//
// # Power cuts
//
// The key is on the disk before the centre is asked, and the centre gives the same
// key the same certificate again, so a cut at any moment costs a repetition and
// never the token. device.pem holds the key and the certificate in one file: it is
// written last, and one rename makes it, so there is never one without the other.
//
//	DIR/device.pem      key and certificate chain: cert and key of the brokers
//	DIR/ca.pem          the centre's root: ca of the brokers
//	DIR/enrolment.json  report.Enrolment
//	DIR/next.key        the key of a certificate that is being asked for
package enrol

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"kentongan/agent/report"
)

// Disk keeps small files, each whole or not at all: Save returns when the new
// content is on the disk. Load returns nil for a file that is not there.
type Disk interface {
	Save(file string, text []byte) error
	Load(file string, most int64) ([]byte, error)
}

// Files of an identity.
const (
	DeviceFile = "device.pem"
	CAFile     = "ca.pem"
	AnswerFile = "enrolment.json"
	nextFile   = "next.key"
	maxFile    = 256 << 10
)

// Clock tells the time, never earlier than what is known for sure, and whether a
// time service keeps it.
type Clock func() (now time.Time, synced bool)

// Options say how to enrol.
type Options struct {
	Centre *url.URL
	Token  report.EnrolToken
	Dir    string // of the identity; made when it is not there
	Disk   Disk
	Keys   Keys // nil is Files
	Clock  Clock
	// RecordKey is the key that the device signs its records with; nil without one.
	RecordKey ed25519.PublicKey
	Progress  func(step Step) // told before each step; may be nil
}

// Step is what is being done.
type Step string

// Steps, in their order.
const (
	StepKey     Step = "key"     // the key is made, or found from before a cut
	StepContact Step = "contact" // the centre is asked who it is
	StepRequest Step = "request" // the certificate is asked for
	StepBrokers Step = "brokers" // and what else has to be known
	StepSave    Step = "save"
)

// Identity is what enrolment brought.
type Identity struct {
	report.Enrolment
	Certificate *x509.Certificate
}

// Enrol gets a device's first certificate and writes it into Dir. After an error
// it may be called again with the same token.
func Enrol(ctx context.Context, o Options) (*Identity, error) {
	say := o.Progress
	if say == nil {
		say = func(Step) {}
	}
	say(StepKey)
	if err := makeDir(o.Dir); err != nil {
		return nil, err
	}
	keys := orFiles(o.Keys)
	key, err := nextKey(o.Dir, o.Disk, keys)
	if err != nil {
		return nil, err
	}
	now, sure := split(o.Clock)
	say(StepContact)
	first := newClient(o.Centre, trust{pin: &o.Token.Pin, now: now, sure: sure})
	defer first.close()
	chain, err := first.caCerts(ctx)
	if err != nil {
		return nil, err
	}
	root, err := pinned(chain, o.Token.Pin)
	if err != nil {
		return nil, err
	}
	say(StepRequest)
	cert, err := first.certificate(ctx, o.Token.String(), key, uris(o.RecordKey), chain)
	if err != nil {
		return nil, err
	}
	n := &next{dir: o.Dir, disk: o.Disk, keys: keys, key: key, cert: cert, chain: chain, roots: encodeCert(root)}
	say(StepBrokers)
	answer, err := n.ask(ctx, o.Centre, now, sure)
	if err != nil {
		return nil, err
	}
	say(StepSave)
	return &Identity{answer, cert}, n.save(answer)
}

func split(c Clock) (now func() time.Time, sure func() bool) {
	return func() time.Time { t, _ := c(); return t }, func() bool { _, ok := c(); return ok }
}

func uris(key ed25519.PublicKey) []*url.URL {
	if key == nil {
		return nil
	}
	return []*url.URL{report.RecordKeyURI(key)}
}

// pinned is the root that the token names.
func pinned(chain []*x509.Certificate, pin [16]byte) (*x509.Certificate, error) {
	for _, c := range chain {
		if report.PinOf(c.Raw) == pin && isRoot(c) {
			return c, nil
		}
	}
	return nil, ErrPin
}

// makeDir makes the directory, so that it is there after a power cut too: a key
// that is lost with its directory would cost the token.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make identity: %w", err)
	}
	for d := filepath.Dir(dir); ; d = filepath.Dir(d) {
		f, err := os.Open(d)
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil || d == filepath.Dir(d) {
			return nil // above are directories of others, which were there before
		}
	}
}

// nextKey is the key of the certificate that is asked for: the one that was made
// before a cut, or a new one, which is on the disk when this returns.
func nextKey(dir string, disk Disk, keys Keys) (Key, error) {
	file := filepath.Join(dir, nextFile)
	text, err := disk.Load(file, maxFile)
	if err != nil {
		return Key{}, fmt.Errorf("read the new key: %w", err)
	}
	if text != nil {
		k, err := keys.Read(text)
		if err != nil {
			return Key{}, fmt.Errorf("read %s: %w; remove it, and have the centre make another token", file, err)
		}
		return k, nil
	}
	k, err := keys.Make()
	if err != nil {
		return Key{}, err
	}
	return k, disk.Save(file, k.PEM)
}

func orFiles(k Keys) Keys {
	if k == nil {
		return Files{}
	}
	return k
}

// next is a certificate that came and is not in use yet.
type next struct {
	dir   string
	disk  Disk
	keys  Keys
	key   Key
	cert  *x509.Certificate
	chain []*x509.Certificate // as the centre gave it
	roots []byte              // PEM: whom the device believes
}

// pem is key and chain in one file.
func (n *next) pem() []byte {
	text := append(bytes.Clone(n.key.PEM), encodeCert(n.cert)...)
	for _, c := range n.chain {
		if !isRoot(c) {
			text = append(text, encodeCert(c)...)
		}
	}
	return text
}

// ask shows the new certificate to the centre, which proves that it works, and
// returns what the centre tells its devices.
func (n *next) ask(ctx context.Context, centre *url.URL, now func() time.Time, sure func() bool) (report.Enrolment, error) {
	pair, err := pairOf(n.keys, n.pem())
	if err != nil {
		return report.Enrolment{}, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(n.roots)
	c := newClient(centre, trust{roots: pool, now: now, sure: sure, own: &pair})
	defer c.close()
	e, err := c.enrolment(ctx)
	if err == nil && e.Device != n.cert.Subject.CommonName {
		err = fmt.Errorf("the centre says %q, the certificate %q", e.Device, n.cert.Subject.CommonName)
	}
	return e, err
}

// save writes everything; device.pem is the last, and makes it count. The new
// key's own file is kept until Finish, so that a cut here can be repeated.
func (n *next) save(e report.Enrolment) error {
	answer, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		return fmt.Errorf("encode enrolment: %w", err)
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{CAFile, n.roots}, {AnswerFile, append(answer, '\n')}, {DeviceFile, n.pem()}} {
		if err := n.disk.Save(filepath.Join(n.dir, f.name), f.text); err != nil {
			return err
		}
	}
	return nil
}

// Finish says that what enrolment brought is in use: the next call of Enrol is
// for another token.
func Finish(dir string) error {
	if err := os.Remove(filepath.Join(dir, nextFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("finish enrolment: %w", err)
	}
	return nil
}
