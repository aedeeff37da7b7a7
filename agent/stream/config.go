package stream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"

	"kentongan/agent/report"
)

// Transports.
const (
	TransportAuto      = "auto" // TCP; UDP when the camera takes no TCP
	TransportTCP       = "tcp"
	TransportUDP       = "udp"       // UDP; TCP when no packet comes through
	TransportMulticast = "multicast" // UDP to a group; TCP when no packet comes through
)

// Defaults and bounds.
const (
	defaultSilentAfter = 10 * time.Second
	minSilentAfter     = time.Second
	defaultStatsEvery  = 10 * time.Second
)

// Config is one camera's stream.
type Config struct {
	Name        string // report.ValidName
	URL         string // rtsp:// or rtsps://; a user and password in it are taken when Username is empty
	Username    string
	Password    string
	Transport   string        // auto (also ""), tcp, udp
	CAFile      string        // rtsps: PEM file of who may sign the camera's certificate; "" is the system's
	Fingerprint string        // rtsps: SHA-256 of the camera's certificate in hex, instead of a CA
	SilentAfter time.Duration // without a picture; 0 is 10 s. It is reported within this time
	StatsEvery  time.Duration // between measurements; 0 is 10 s

	Sub      bool   // URL is the camera's smaller stream; reported only
	Shared   bool   // reported only
	Expect   Expect // what the stream should be
	Site     *Site  // shared by the Watchers of one device; nil is one of its own
	Recovery Recovery
	Picture  PictureConfig
	Group    string // of streams that share a switch or a power supply; "" is none

	// Dial opens connections to the camera, of its stream and of a probe; nil is
	// the kernel's. UDP and single pictures do not go through it.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// ClockKnown tells whether this board's clock is set; nil is always. An
	// unset clock says nothing of a camera's.
	ClockKnown func() bool
	// Now is the wall clock, for time stamps and certificates; nil is
	// time.Now. A board whose clock stands in 1970 can give a later time.
	Now func() time.Time
}

// target is where and how to connect.
type target struct {
	url  *base.URL   // rtsp, with user and password
	tls  *tls.Config // nil is plain
	host string
	port string
}

// check fills in the defaults and says what is wrong.
func (c *Config) check() (target, error) {
	if !report.ValidName(c.Name) {
		return target{}, fmt.Errorf("name %q: use 1 to 40 of a-z, 0-9, hyphen and underscore", c.Name)
	}
	switch c.Transport {
	case "":
		c.Transport = TransportAuto
	case TransportAuto, TransportTCP, TransportUDP, TransportMulticast:
	default:
		return target{}, fmt.Errorf("transport %q: it can be auto, tcp, udp or multicast", c.Transport)
	}
	if c.SilentAfter == 0 {
		c.SilentAfter = defaultSilentAfter
	}
	if c.SilentAfter < minSilentAfter {
		return target{}, fmt.Errorf("silent_after %v: the least is %v", c.SilentAfter, minSilentAfter)
	}
	if c.StatsEvery <= 0 {
		c.StatsEvery = defaultStatsEvery
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.ClockKnown == nil {
		c.ClockKnown = func() bool { return true }
	}
	if c.Site == nil {
		c.Site = NewSite()
	}
	if err := errors.Join(c.Expect.check(), c.Recovery.check()); err != nil {
		return target{}, err
	}
	t, err := c.target(c.URL)
	if err == nil && c.Username == "" && t.url.User != nil {
		c.Username = t.url.User.Username()
		c.Password, _ = t.url.User.Password()
	}
	return t, err
}

// target reads an address of this camera.
func (c *Config) target(raw string) (target, error) {
	u, err := base.ParseURL(raw)
	if err != nil {
		return target{}, fmt.Errorf("url %q: write rtsp://HOST/PATH", Redact(raw)) // the library's error repeats the password
	}
	t := target{url: u, host: u.Hostname(), port: u.Port()}
	if t.host == "" {
		return target{}, fmt.Errorf("url: no host in %q; write rtsp://HOST/PATH", Redact(raw))
	}
	secure := u.Scheme == "rtsps"
	if t.port == "" {
		t.port = "554"
		if secure {
			t.port = "322"
		}
	}
	switch {
	case c.Username != "":
		u.User = url.UserPassword(c.Username, c.Password)
	case raw != c.URL:
		u.User = nil // of a redirect: the camera has no say in this
	case c.Password != "" && u.User == nil:
		return target{}, errors.New("password without a username")
	}
	if !secure {
		if c.CAFile != "" || c.Fingerprint != "" {
			return target{}, errors.New("ca and fingerprint are for rtsps:// only; this url is rtsp://")
		}
		return t, nil
	}
	if t.tls, err = c.tlsConfig(t.host); err != nil {
		return target{}, err
	}
	// The handshake is ours, since the library's has no deadline. What is
	// left for it is RTSP over a connection, whose requests then say rtsp://
	// as those of GStreamer's rtspsrc do.
	u.Scheme = "rtsp"
	u.Host = net.JoinHostPort(t.host, t.port)
	return t, nil
}

func (c *Config) tlsConfig(host string) (*tls.Config, error) {
	out := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, Time: c.Now}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read ca: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca %s: no PEM certificate in it", c.CAFile)
		}
	}
	if c.Fingerprint == "" {
		return out, nil
	}
	want, err := hex.DecodeString(strings.ReplaceAll(c.Fingerprint, ":", ""))
	if err != nil || len(want) != sha256.Size {
		return nil, fmt.Errorf("fingerprint %q: it must be the SHA-256 of the camera's certificate, 64 hex digits", c.Fingerprint)
	}
	out.InsecureSkipVerify = c.CAFile == "" // the pin replaces the chain; see VerifyConnection
	out.VerifyConnection = func(s tls.ConnectionState) error {
		if got := sha256.Sum256(s.PeerCertificates[0].Raw); !bytes.Equal(got[:], want) {
			return failf(ClassTLS, "the camera's certificate has the fingerprint %x, not the one that is pinned", got)
		}
		return nil
	}
	return out, nil
}

// namedPassword is how some cameras take theirs, in the path or the query:
// /user=a&password=b&channel=1, ?username=a&pwd=b.
var namedPassword = regexp.MustCompile(`(?i)(pass(?:word|wd|wort)?|pwd|psw|secret|token)=[^&\s]*`)

// Redact takes the password out of an address. What can't be read as an
// address loses everything before its last @.
func Redact(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		raw = u.Redacted()
	} else if i := strings.LastIndexByte(raw, '@'); i >= 0 {
		raw = "xxxxx" + raw[i:]
	}
	return namedPassword.ReplaceAllString(raw, "${1}=xxxxx")
}

// Check tells what New would say of a configuration, and does nothing else.
func Check(cfg Config) error {
	if _, err := cfg.check(); err != nil {
		return fmt.Errorf("stream %s: %w", cfg.Name, err)
	}
	return nil
}
