package onvif

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"time"
)

// Of OASIS WS-Security 1.0 and its Username Token Profile 1.0.
const (
	nsWSSE     = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	nsWSU      = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	digestType = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
	base64Type = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
)

func newNonce() []byte {
	n := make([]byte, 16)
	_, _ = rand.Read(n) // never fails (crypto/rand)
	return n
}

// usernameToken proves the password: Base64(SHA-1(nonce + created + password)).
// at is the camera's own time; it refuses what is too old or of the future.
func usernameToken(user, password string, nonce []byte, at time.Time) string {
	created := at.UTC().Format("2006-01-02T15:04:05.000Z")
	h := sha1.New()
	h.Write(nonce)
	h.Write([]byte(created + password))
	return fmt.Sprintf(`<wsse:Security s:mustUnderstand="1" xmlns:wsse="%s" xmlns:wsu="%s"><wsse:UsernameToken><wsse:Username>%s</wsse:Username>`+
		`<wsse:Password Type="%s">%s</wsse:Password><wsse:Nonce EncodingType="%s">%s</wsse:Nonce><wsu:Created>%s</wsu:Created></wsse:UsernameToken></wsse:Security>`,
		nsWSSE, nsWSU, escaped(user), digestType, base64.StdEncoding.EncodeToString(h.Sum(nil)),
		base64Type, base64.StdEncoding.EncodeToString(nonce), created)
}

// challenge is HTTP digest authentication (RFC 7616, and RFC 2069 without qop).
type challenge struct {
	realm, nonce, opaque, algorithm string
	qop                             bool // auth
	stale                           bool
	count                           int
	good                            bool // an answer to it was let in
}

// challenged takes a challenge from a refused request, and tells whether
// another try is worth it: not when the password was refused already. Cameras
// that change their nonce without saying that the old one is stale are known by
// what went well before.
func (d *Device) challenged(headers []string) bool {
	if d.cfg.Username == "" {
		return false
	}
	for _, h := range headers {
		c := parseChallenge(h)
		if c == nil {
			continue
		}
		if d.digest != nil && !c.stale && !d.digest.good {
			return false
		}
		d.digest = c
		return true
	}
	return false
}

// maxChallenge bounds a header that is looked at, in bytes.
const maxChallenge = 4096

// parseChallenge reads a WWW-Authenticate header; nil when it is no digest that
// we can compute. Basic, which shows the password, is never answered.
func parseChallenge(h string) *challenge {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(h), " ")
	if !ok || !strings.EqualFold(scheme, "Digest") || len(h) > maxChallenge {
		return nil
	}
	p := parameters(rest)
	c := &challenge{realm: p["realm"], nonce: p["nonce"], opaque: p["opaque"], algorithm: strings.ToUpper(p["algorithm"]), stale: strings.EqualFold(p["stale"], "true")}
	for _, q := range strings.Split(p["qop"], ",") {
		c.qop = c.qop || strings.EqualFold(strings.TrimSpace(q), "auth")
	}
	if c.nonce == "" || c.hash() == nil || p["qop"] != "" && !c.qop {
		return nil
	}
	return c
}

// parameters reads name=value and name="value", separated by commas. Values
// that would break out of a quoted string again are dropped.
func parameters(s string) map[string]string {
	p := map[string]string{}
	for s = strings.TrimLeft(s, " ,\t"); s != ""; s = strings.TrimLeft(s, " ,\t") {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			break
		}
		var value string
		if rest = strings.TrimLeft(rest, " \t"); strings.HasPrefix(rest, `"`) {
			value, s, ok = strings.Cut(rest[1:], `"`)
			if !ok {
				break
			}
		} else {
			value, s, _ = strings.Cut(rest, ",")
			value = strings.TrimSpace(value)
		}
		if !strings.ContainsAny(value, "\"\\\r\n") {
			p[strings.ToLower(strings.TrimSpace(name))] = value
		}
	}
	return p
}

func (c *challenge) hash() hash.Hash {
	switch c.algorithm {
	case "", "MD5":
		return md5.New()
	case "SHA-256":
		return sha256.New()
	}
	return nil
}

func (c *challenge) sum(parts ...string) string {
	h := c.hash()
	h.Write([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h.Sum(nil))
}

// authorize answers the challenge for one request.
func (c *challenge) authorize(user, password, method, uri string) string {
	return c.answer(user, password, method, uri, hex.EncodeToString(newNonce()[:8]))
}

func (c *challenge) answer(user, password, method, uri, cnonce string) string {
	c.count++
	ha1 := c.sum(user, c.realm, password)
	ha2 := c.sum(method, uri)
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(user)
	b := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s"`, quoted, c.realm, c.nonce, uri)
	if c.qop {
		nc := fmt.Sprintf("%08x", c.count)
		b += fmt.Sprintf(`, qop=auth, nc=%s, cnonce="%s", response="%s"`, nc, cnonce, c.sum(ha1, c.nonce, nc, cnonce, "auth", ha2))
	} else {
		b += fmt.Sprintf(`, response="%s"`, c.sum(ha1, c.nonce, ha2))
	}
	if c.algorithm != "" {
		b += ", algorithm=" + c.algorithm
	}
	if c.opaque != "" {
		b += `, opaque="` + c.opaque + `"`
	}
	return b
}
