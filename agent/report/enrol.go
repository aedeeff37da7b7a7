package report

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Paths of a centre's enrolment. The first four are EST's (RFC 7030, 3.2.2); the
// last gives an Enrolment to whoever shows a device's certificate.
const (
	PathCACerts      = "/.well-known/est/cacerts"
	PathCSRAttrs     = "/.well-known/est/csrattrs"
	PathEnrol        = "/.well-known/est/simpleenroll"
	PathReenrol      = "/.well-known/est/simplereenroll"
	PathEnrolment    = "/.well-known/kentongan/enrolment"
	EnrolReason      = "Kentongan-Reason" // header of a refusal: one of the reasons below
	MaxEnrolBytes    = 16 << 10           // of a request's body
	MaxEnrolAnswer   = 64 << 10           // of any answer
	EnrolUser        = "enrol"            // user name of the token as a password
	recordKeyScheme  = "urn"
	recordKeyPrefix  = "kentongan:record-key:ed25519:"
	linkPath         = "/enrol"
	tokenSecretBytes = 16
	tokenPinBytes    = 16
	tokenCheckBytes  = 3
)

// Reasons why an enrolment or a renewal was refused.
const (
	RefusedToken     = "token"        // nobody gave out such a token
	RefusedUsed      = "used"         // the token was used, with another key
	RefusedExpired   = "expired"      // the token
	RefusedWithdrawn = "withdrawn"    // the token
	RefusedClaimed   = "claimed"      // another device holds this id
	RefusedName      = "name"         // the request names another device
	RefusedType      = "content_type" // not application/pkcs10
	RefusedLarge     = "large"        // more than MaxEnrolBytes
	RefusedRequest   = "request"      // no PKCS #10, or not signed by its own key
	RefusedKey       = "key"          // not an ECDSA key on P-256
	RefusedRecordKey = "record_key"   // another record key than the device has
	RefusedRate      = "rate"         // too many wrong tokens
	RefusedStranger  = "certificate"  // none, not of this centre, or over for too long
	RefusedRevoked   = "revoked"      // the certificate
	RefusedClone     = "clone"        // this certificate was renewed already, with another key
)

// Enrolment is what a device must know of its centre beyond the certificates.
type Enrolment struct {
	V          int           `json:"v"`
	Device     string        `json:"device"`
	Time       time.Time     `json:"time"` // the centre's clock
	Centre     string        `json:"centre"`
	Brokers    []EnrolBroker `json:"brokers"`     // in order of preference
	CentreKeys []string      `json:"centre_keys"` // note verifier keys: receipts and orders; the first one signs now
}

// EnrolBroker is one broker.
type EnrolBroker struct {
	URL        string `json:"url"`
	ServerName string `json:"server_name,omitempty"`
}

// ErrEnrolToken is a text that is no token.
var ErrEnrolToken = errors.New("not an enrolment token")

// EnrolToken lets one device enrol, once. It also tells the device which centre
// to believe, so that its first contact is not blind.
//
// It is written in Crockford's base 32, 14 groups of 4: 16 random bytes, 16 bytes
// of the pin, and 3 bytes of the SHA-256 of those, so that a token that was
// misread is found before it is sent.
type EnrolToken struct {
	Secret [tokenSecretBytes]byte
	Pin    [tokenPinBytes]byte // the first bytes of the SHA-256 of the root certificate (DER)
}

var tokenEncoding = base32.NewEncoding(ticketAlphabet).WithPadding(base32.NoPadding)

// PinOf is the pin of a root certificate in DER.
func PinOf(root []byte) [tokenPinBytes]byte {
	sum := sha256.Sum256(root)
	return [tokenPinBytes]byte(sum[:tokenPinBytes])
}

// String returns the token as it is printed.
func (t EnrolToken) String() string {
	raw := append(t.Secret[:], t.Pin[:]...)
	sum := sha256.Sum256(raw)
	text := tokenEncoding.EncodeToString(append(raw, sum[:tokenCheckBytes]...))
	var b strings.Builder
	for i := 0; i < len(text); i += 4 {
		if i > 0 {
			b.WriteByte('-')
		}
		b.WriteString(text[i : i+4])
	}
	return b.String()
}

// ParseEnrolToken reads a token as people write it: see ParseTicket. The error
// does not show the token.
func ParseEnrolToken(s string) (EnrolToken, error) {
	const size = tokenSecretBytes + tokenPinBytes + tokenCheckBytes
	if len(s) > 4*size {
		return EnrolToken{}, fmt.Errorf("%w: too long", ErrEnrolToken)
	}
	digits, bad := crockford(s)
	switch {
	case bad != 0:
		return EnrolToken{}, fmt.Errorf("%w: no token has the character %q", ErrEnrolToken, bad)
	case len(digits) != size*8/5:
		return EnrolToken{}, fmt.Errorf("%w: %d characters, a token has %d", ErrEnrolToken, len(digits), size*8/5)
	}
	for i, d := range digits {
		digits[i] = ticketAlphabet[d]
	}
	raw := make([]byte, size)
	if _, err := tokenEncoding.Decode(raw, digits); err != nil {
		return EnrolToken{}, fmt.Errorf("%w: %v", ErrEnrolToken, err)
	}
	body, check := raw[:size-tokenCheckBytes], raw[size-tokenCheckBytes:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:tokenCheckBytes], check) {
		return EnrolToken{}, fmt.Errorf("%w: it was misread: its last characters do not fit the others", ErrEnrolToken)
	}
	return EnrolToken{Secret: [tokenSecretBytes]byte(body), Pin: [tokenPinBytes]byte(body[tokenSecretBytes:])}, nil
}

// EnrolLink is what a QR code holds: where the centre is, and the token. The
// token stands behind #, which a browser that opens the link keeps to itself.
func EnrolLink(centre *url.URL, t EnrolToken) string {
	u := url.URL{Scheme: centre.Scheme, Host: centre.Host, Path: linkPath, Fragment: t.String()}
	return u.String()
}

// ParseEnrolLink reads what EnrolLink wrote. The error does not show the token.
func ParseEnrolLink(s string) (centre *url.URL, t EnrolToken, err error) {
	base, token, found := strings.Cut(strings.TrimSpace(s), "#")
	if !found {
		return nil, t, errors.New("no token in the link; it stands behind #")
	}
	if centre, err = ParseCentreURL(strings.TrimSuffix(base, linkPath)); err != nil {
		return nil, t, err
	}
	t, err = ParseEnrolToken(token)
	return centre, t, err
}

// ParseCentreURL reads https://HOST[:PORT], the address of a centre's enrolment.
func ParseCentreURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Host == "" || u.Hostname() == "":
		return nil, errors.New("not the address of a centre; write https://HOST:PORT")
	case u.Scheme != "https":
		return nil, fmt.Errorf("a centre is reached with https, not %q; write https://HOST:PORT", Clip(u.Scheme, 20))
	case u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return nil, errors.New("more than https://HOST:PORT in the centre's address")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// RecordKeyURI is how a certificate request carries the key that the device signs
// its checkpoints with: as a URI among its alternative names.
func RecordKeyURI(key ed25519.PublicKey) *url.URL {
	return &url.URL{Scheme: recordKeyScheme, Opaque: recordKeyPrefix + hex.EncodeToString(key)}
}

// RecordKeyOf finds the record key among a request's URIs; nil without one.
func RecordKeyOf(uris []*url.URL) (key ed25519.PublicKey, err error) {
	for _, u := range uris {
		text, ok := strings.CutPrefix(u.Opaque, recordKeyPrefix)
		if u.Scheme != recordKeyScheme || !ok {
			continue
		}
		raw, err := hex.DecodeString(text)
		if err != nil || len(raw) != ed25519.PublicKeySize || key != nil {
			return nil, errors.New("record key: want one Ed25519 key in hex")
		}
		key = raw
	}
	return key, nil
}
