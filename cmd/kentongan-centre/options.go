package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/url"
	"os"
	"strings"
	"time"

	"kentongan/cmd/kentongan-centre/internal/access"
)

// options are the flags of run.
type options struct {
	data, listen, mqtt, broker  string
	ca, cert, key               string
	username, passwordFile      string
	name, logLevel, allowedHost string
	security                    string
	keepPictures, updateStale   time.Duration
	enrol                       enrolOptions
	tlsCert, tlsKey             string
	proxy                       bool
	sessionIdle, sessionLife    time.Duration
	database                    databaseOptions
	keep                        keepOptions
	audit                       auditOptions
	home                        homeOptions
	fanout                      fanoutOptions
}

func (o *options) flags(stderr io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet("kentongan-centre run", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.data, "data", "", "`directory` of the database, the key and the embedded broker's store (required)")
	fs.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` of the page and the API; port 0 takes a free one")
	fs.StringVar(&o.allowedHost, "host", "", "further host `name`s that the page answers to, separated by commas; IP addresses and localhost always are")
	fs.StringVar(&o.security, "security-contact", "", "`uri` that faults of security are reported to, as mailto:NAME@HOST, https://HOST/PAGE or tel:+NUMBER; the page tells it at /.well-known/security.txt")
	fs.StringVar(&o.tlsCert, "tls-cert", "", "PEM `file` of the page's certificate, with its chain; the page is then served by https, and a renewed file is read by itself")
	fs.StringVar(&o.tlsKey, "tls-key", "", "PEM `file` of that certificate's key")
	fs.BoolVar(&o.proxy, "behind-proxy", false, "believe X-Forwarded-For and X-Forwarded-Proto: a proxy of yours is in front of the page, and nobody gets past it")
	fs.DurationVar(&o.sessionIdle, "session-idle", access.DefaultIdle, "`time` after which a log-in that nobody uses ends")
	fs.DurationVar(&o.sessionLife, "session-life", access.DefaultLife, "`time` after which a log-in ends in any case")
	fs.StringVar(&o.mqtt, "mqtt", "127.0.0.1:1883", "`address` of the embedded broker; port 0 takes a free one")
	fs.StringVar(&o.broker, "broker", "", "`url` of a broker to use instead of the embedded one: mqtt://HOST:PORT or mqtts://HOST:PORT; those of a cluster's nodes separated by commas")
	fs.StringVar(&o.ca, "ca", "", "PEM `file` of the authority that signed the broker's certificate (default: the system's)")
	fs.StringVar(&o.cert, "cert", "", "PEM `file` of the client certificate for the broker")
	fs.StringVar(&o.key, "key", "", "PEM `file` of the client certificate's key")
	fs.StringVar(&o.username, "username", "", "user `name` for the broker")
	fs.StringVar(&o.passwordFile, "password-file", "", "`file` whose first line is the password for the broker")
	fs.StringVar(&o.name, "name", "kentongan-centre", "MQTT client `id`; the broker keeps this centre's messages under it, so it must stay the same and be used once")
	fs.DurationVar(&o.keepPictures, "keep-pictures", 7*24*time.Hour, "`time` after which a picture that was asked for is erased, as 168h")
	fs.DurationVar(&o.updateStale, "update-stale", 45*24*time.Hour, "`time` after which a device whose release was published longer ago than that has an alarm, as 1080h: it may be kept from new ones; 0 is never")
	o.database.flags(fs)
	o.keep.flags(fs)
	o.enrol.flags(fs)
	o.audit.flags(fs)
	o.home.flags(fs)
	o.fanout.flags(fs)
	fs.StringVar(&o.logLevel, "log", "info", "least `level` of what is logged to standard error: debug, info, warn, error")
	return fs
}

// parse reads and checks the flags.
func (o *options) parse(args []string, stderr io.Writer) error {
	fs := o.flags(stderr)
	if err := fs.Parse(args); err != nil {
		return err
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case fs.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case o.data == "":
		return errors.New("--data is missing: name the directory that the centre keeps its database in")
	case given["broker"] && given["mqtt"]:
		return errors.New("--broker and --mqtt exclude each other: the one uses another's broker, the other is the address of the embedded one")
	case !given["broker"] && (o.ca != "" || o.cert != "" || o.username != "" || o.passwordFile != ""):
		return errors.New("--ca, --cert, --username and --password-file are for --broker, which is missing")
	case o.security != "" && !contact(o.security):
		return fmt.Errorf("--security-contact %q: write mailto:NAME@HOST, https://HOST/PAGE or tel:+NUMBER", o.security)
	case o.keepPictures < time.Minute || o.keepPictures > 10*365*24*time.Hour:
		return errors.New("--keep-pictures: 1m to 87600h")
	case o.updateStale != 0 && o.updateStale < time.Hour:
		return errors.New("--update-stale: 1h or more, or 0 for never")
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return errors.New("--tls-cert and --tls-key belong together: one of them is missing")
	case o.tlsCert != "" && o.proxy:
		return errors.New("--tls-cert and --behind-proxy exclude each other: with a proxy in front, the proxy has the certificate")
	case o.sessionIdle < time.Minute || o.sessionLife < o.sessionIdle || o.sessionLife > 30*24*time.Hour:
		return errors.New("--session-idle, --session-life: 1m to 720h, and idle is not more than life")
	case (o.cert == "") != (o.key == ""):
		return errors.New("--cert and --key belong together: one of them is missing")
	}
	if err := o.enrol.check(); err != nil {
		return err
	}
	if err := o.fanout.check(o.broker != ""); err != nil {
		return err
	}
	if err := o.database.check(); err != nil {
		return err
	}
	if err := o.keep.check(); err != nil {
		return err
	}
	if err := o.audit.check(); err != nil {
		return err
	}
	if err := o.home.check(); err != nil {
		return err
	}
	for name, addr := range map[string]string{"listen": o.listen, "mqtt": o.mqtt} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("--%s %q: write HOST:PORT", name, addr)
		}
	}
	return nil
}

// contact tells whether a URI may stand in security.txt (RFC 9116, 2.5.3).
func contact(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false
	}
	switch u.Scheme {
	case "mailto":
		a, err := mail.ParseAddress(u.Opaque)
		return err == nil && a.Address == u.Opaque
	case "https":
		return u.Host != ""
	case "tel":
		return strings.Trim(u.Opaque, "+-0123456789") == "" && u.Opaque != ""
	}
	return false
}

// authorities reads the PEM file that a flag names; nil, the system's, without one.
func authorities(flag, file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s %s: no certificate in PEM form in it", flag, file)
	}
	return pool, nil
}

// tls is the configuration for an mqtts broker.
func (o *options) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if c.RootCAs, err = authorities("--ca", o.ca); err != nil {
		return nil, err
	}
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return nil, fmt.Errorf("--cert, --key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// password reads the first line of the password file.
func (o *options) password() (string, error) {
	line, err := firstLine(o.passwordFile)
	if err != nil {
		return "", fmt.Errorf("--password-file: %w", err)
	}
	return line, nil
}

// firstLine reads a secret from a file; "" is no file, and no secret.
func firstLine(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSuffix(line, "\r"), err
}
