package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/config"
	"kentongan/agent/doctor"
	"kentongan/agent/report"
	"kentongan/agent/uplink"
	"kentongan/hal/tpm"
)

// way is one broker, tried step by step.
type way struct {
	v       *visit
	subject string // "" where there is only one broker
	broker  config.Broker
	tried   *uplink.Examiner

	hello once[shake]
	talk  once[uplink.Talk]
}

// shake is how the TLS handshake went.
type shake struct {
	state tls.ConnectionState
	lost  bool // small packets pass, large ones don't
}

// uplink are the checks from the network to the centre.
func (v *visit) uplink() (all []doctor.Check) {
	c := v.cfg.Uplink
	known, err := enrolClock(v.cfg.Data)
	if err != nil {
		known = newKnownTime("", func() report.Stamp { return report.Stamp{Time: v.o.clock()} }, slog.New(slog.DiscardHandler))
	}
	passwords, badPassword := brokers(c)
	var ways []*way
	for i, b := range c.Brokers {
		w := &way{v: v, broker: b}
		made := uplink.Broker{URL: b.URL, Cert: b.Cert, Key: b.Key, Pair: tpm.At(c.TPM).X509KeyPair}
		if badPassword == nil {
			made = passwords[i]
		}
		w.tried, err = uplink.NewExaminer(uplink.Config{Device: v.cfg.Device, Now: known.now, Resolver: v.o.network.Resolver}, made)
		if err != nil {
			continue // config says so
		}
		if len(c.Brokers) > 1 {
			_, w.subject, _ = w.tried.Address()
		}
		ways = append(ways, w)
	}
	for i, w := range ways {
		host, _, _ := w.tried.Address()
		if i == 0 {
			all = append(all, doctor.Check{ID: "network", Run: v.o.network.Interfaces(w.broker.Interface, isHere(host))})
		}
		add := func(id string, run func(context.Context) doctor.Verdict, needs ...string) {
			for i, n := range needs {
				if n != "network" && n != "time" && w.subject != "" {
					needs[i] = n + "/" + w.subject
				}
			}
			all = append(all, doctor.Check{ID: id, Subject: w.subject, Needs: needs, Run: run})
		}
		add("route", v.o.network.Route(host), "network")
		add("dns", v.o.network.DNS(host), "route")
		add("broker.tcp", w.tcp, "dns")
		add("mtu", w.mtu, "broker.tcp")
		add("identity", w.identity)
		add("broker.tls", w.tls, "mtu", "identity")
		add("broker.login", w.login, "broker.tls")
		add("broker.acl", w.acl, "broker.login")
	}
	if len(ways) > 0 {
		first := ways[0]
		need := "broker.acl"
		if first.subject != "" {
			need += "/" + first.subject
		}
		all = append(all, doctor.Check{ID: "centre", Needs: []string{need}, Run: first.centre})
	}
	return all
}

// isHere tells whether a host is this machine.
func isHere(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (w *way) address() string {
	_, hostPort, _ := w.tried.Address()
	return hostPort
}

func (w *way) tcp(ctx context.Context) doctor.Verdict {
	err := w.tried.TCP(ctx)
	say := func(cause string) doctor.Verdict {
		detail := ""
		if err != nil {
			detail = err.Error()
		}
		if errno, ok := errors.AsType[syscall.Errno](err); ok {
			detail = errno.Error()
		}
		return doctor.Say(cause, "addr", w.address(), "detail", detail)
	}
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case err == nil:
		return say("broker.tcp.ok")
	case errors.Is(err, syscall.ECONNREFUSED):
		return say("broker.tcp.refused")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETDOWN):
		return say("broker.tcp.unreachable")
	case ok && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return say("broker.tcp.silent")
	}
	return say("broker.tcp.failed")
}

// smallAfter is when a handshake that is not answered is tried with small
// packets, beside the first.
const smallAfter = 1500 * time.Millisecond

// shake does the TLS handshake, once in a visit.
func (w *way) shake(ctx context.Context) (shake, error) {
	return w.hello.get(func() (shake, error) {
		type answer struct {
			state tls.ConnectionState
			err   error
		}
		try := func(small bool) chan answer {
			out := make(chan answer, 1)
			go func() {
				state, err := w.tried.TLS(ctx, small)
				out <- answer{state, err}
			}()
			return out
		}
		large := try(false)
		var small chan answer
		later := time.NewTimer(smallAfter)
		defer later.Stop()
		passes := false
		for {
			select {
			case a := <-large:
				select { // what came before, where both are there
				case b := <-small:
					passes = b.err == nil || !timedOut(b.err)
				default:
				}
				if a.err != nil && passes && timedOut(a.err) {
					return shake{lost: true}, nil
				}
				return shake{state: a.state}, a.err
			case <-later.C:
				small = try(true)
			case a := <-small:
				passes = a.err == nil || !timedOut(a.err) // a certificate that is refused has come, too
				small = nil
			}
		}
	})
}

func timedOut(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

func (w *way) mtu(ctx context.Context) doctor.Verdict {
	if _, _, secure := w.tried.Address(); !secure {
		return doctor.Say("mtu.unknown")
	}
	early, cancel := w.v.before(ctx, 300*time.Millisecond)
	defer cancel()
	s, err := w.shake(early)
	switch {
	case s.lost:
		return doctor.Say("mtu.blackhole", "interface", w.outgoing(ctx))
	case err != nil && timedOut(err):
		return doctor.Say("mtu.unknown")
	}
	return doctor.Say("mtu.ok")
}

// outgoing is the interface that leads to the broker.
func (w *way) outgoing(ctx context.Context) string {
	dial := net.Dialer{Resolver: w.v.o.network.Resolver}
	c, err := dial.DialContext(ctx, "udp", w.address())
	if err != nil {
		return "eth0"
	}
	defer c.Close()
	here, err := netip.ParseAddrPort(c.LocalAddr().String())
	all, _ := net.Interfaces()
	for _, i := range all {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if p, bad := netip.ParsePrefix(a.String()); err == nil && bad == nil && p.Addr() == here.Addr().Unmap() {
				return i.Name
			}
		}
	}
	return "eth0"
}

func day(t time.Time) string { return t.Format("2006-01-02") }

// endingShare is the part of a certificate's life in which it should have been
// renewed long ago: that is begun after two thirds.
const endingShare = 10

// identity looks at the device's own certificate.
func (w *way) identity(context.Context) doctor.Verdict {
	if w.broker.Cert == "" {
		return doctor.Say("identity.none")
	}
	for _, file := range []string{w.broker.Cert, w.broker.Key, w.broker.CA} {
		if file == "" {
			continue
		}
		switch _, err := loadFile(file, maxIdentityFile); {
		case errors.Is(err, fs.ErrPermission):
			return doctor.Say("identity.unreadable", "detail", err.Error())
		case err != nil:
			return doctor.Say("identity.broken", "detail", err.Error())
		}
		if _, err := os.Stat(file); err != nil {
			return doctor.Say("identity.missing", "file", file)
		}
	}
	pair, err := w.tried.Pair()
	if errors.Is(err, tpm.ErrNone) {
		return doctor.Say("identity.tpm", "detail", err.Error())
	}
	if err == nil && pair.Leaf == nil {
		pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0])
	}
	if err != nil {
		return doctor.Say("identity.broken", "detail", w.broker.Cert+": "+err.Error())
	}
	if k, ok := pair.PrivateKey.(*tpm.Key); ok {
		switch err := k.Try(); {
		case errors.Is(err, fs.ErrPermission):
			return doctor.Say("identity.unreadable", "detail", err.Error())
		case errors.Is(err, tpm.ErrOther):
			return doctor.Say("identity.broken", "detail", err.Error())
		case err != nil:
			return doctor.Say("identity.tpm", "detail", err.Error())
		}
	}
	c, now := pair.Leaf, w.v.o.clock()
	if w.v.o.quality(now) == report.ClockUnset {
		now = c.NotBefore // the clock is told by its own check
	}
	with := []string{"name", c.Subject.CommonName, "until", day(c.NotAfter), "from", day(c.NotBefore), "device", w.v.cfg.Device}
	switch {
	case c.Subject.CommonName != w.v.cfg.Device:
		return doctor.Say("identity.other", with...)
	case now.After(c.NotAfter):
		return doctor.Say("identity.expired", with...)
	case now.Before(c.NotBefore):
		return doctor.Say("identity.future", with...)
	case c.NotAfter.Sub(now) < c.NotAfter.Sub(c.NotBefore)/endingShare:
		return doctor.Say("identity.ending", with...)
	}
	return doctor.Say("identity.ok", with...)
}

const maxIdentityFile = 1 << 20

func (w *way) tls(ctx context.Context) doctor.Verdict {
	if _, _, secure := w.tried.Address(); !secure {
		return doctor.Say("broker.tls.none")
	}
	s, err := w.shake(ctx)
	if err == nil {
		leaf := s.state.PeerCertificates[0]
		return doctor.Say("broker.tls.ok", "version", tls.VersionName(s.state.Version), "until", day(leaf.NotAfter))
	}
	if portal, ok := w.portal(ctx, err); ok {
		return doctor.Say("broker.tls.portal", "detail", portal)
	}
	unknown, isUnknown := errors.AsType[x509.UnknownAuthorityError](err)
	name, isName := errors.AsType[x509.HostnameError](err)
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	_, isRecord := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case isName:
		names := strings.Join(name.Certificate.DNSNames, ", ")
		for _, ip := range name.Certificate.IPAddresses {
			names = strings.TrimPrefix(names+", "+ip.String(), ", ")
		}
		if names == "" {
			names = name.Certificate.Subject.CommonName
		}
		return doctor.Say("broker.tls.name", "names", names, "host", name.Host)
	case isUnknown:
		issuer := unknown.Cert.Issuer.CommonName
		if issuer == "" {
			issuer = unknown.Cert.Issuer.String()
		}
		ca := w.broker.CA
		if ca == "" {
			ca = "/etc/ssl/certs"
		}
		return doctor.Say("broker.tls.authority", "ca", ca, "issuer", issuer)
	case isInvalid && invalid.Reason == x509.Expired && w.v.o.clock().Before(invalid.Cert.NotBefore):
		return doctor.Say("broker.tls.future", "from", day(invalid.Cert.NotBefore))
	case isInvalid && invalid.Reason == x509.Expired:
		return doctor.Say("broker.tls.expired", "until", day(invalid.Cert.NotAfter))
	case isRecord, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return doctor.Say("broker.tls.plain")
	case timedOut(err):
		return doctor.Say("broker.tls.silent")
	}
	return doctor.Say("broker.tls.failed", "detail", err.Error())
}

// portalWithin is how long a login page is waited for.
const portalWithin = time.Second

// portal tells whether a login page stands in the broker's place: it speaks
// HTTP there, or, with a certificate that is not ours, leads whoever asks the
// same host for a page somewhere else (RFC 8952, 2.1).
func (w *way) portal(ctx context.Context, err error) (detail string, ok bool) {
	if h, is := errors.AsType[tls.RecordHeaderError](err); is && string(h.RecordHeader[:]) == "HTTP/" {
		return "HTTP", true
	}
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	if !unknown && !name {
		return "", false
	}
	host, _, _ := w.tried.Address()
	ctx, cancel := context.WithTimeout(ctx, portalWithin)
	defer cancel()
	dial := net.Dialer{Resolver: w.v.o.network.Resolver}
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: dial.DialContext},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, w.v.o.portal)+"/", nil)
	if err != nil {
		return "", false
	}
	answer, err := client.Do(req)
	if err != nil {
		return "", false
	}
	_ = answer.Body.Close()
	if answer.StatusCode == http.StatusNetworkAuthenticationRequired {
		return answer.Status, true
	}
	to, err := url.Parse(answer.Header.Get("Location"))
	return to.Redacted(), err == nil && to.Host != "" && to.Hostname() != host
}

// standing is how long retained receipts are waited for.
const standing = 2 * time.Second

// converse logs in, once in a visit. Nobody may call it while the agent runs.
func (w *way) converse(ctx context.Context) uplink.Talk {
	t, _ := w.talk.get(func() (uplink.Talk, error) {
		ctx, cancel := w.v.before(ctx, time.Second)
		defer cancel()
		question := w.question()
		if question == nil { // then what stands at the broker is all that can come
			ctx, cancel = context.WithTimeout(ctx, standing)
			defer cancel()
		}
		// A second device of this name takes a while to come back, so the centre's
		// word ends nothing.
		enough := func(n uplink.Note) bool { return w.v.o.hasty && !n.Retained }
		return w.tried.Talk(ctx, question, enough), nil
	})
	return t
}

// question is an empty batch of the event lane: its head alone, which is what
// stands on the disk. The centre answers each batch with a receipt.
func (w *way) question() map[string][]byte {
	s, err := w.v.look()
	if err != nil {
		return nil
	}
	return map[string][]byte{report.Topics(w.v.cfg.Device).Up(report.Event, false, false): report.EncodeBatch(s.event, nil)}
}

// login causes by the uplink's kind of trouble.
var loginCauses = map[string]string{
	"credentials": "broker.login.password", "not_authorised": "broker.login.not_allowed", "identifier": "broker.login.not_allowed",
	"unavailable": "broker.login.unavailable", "version": "broker.login.unavailable",
	"turned_away": "broker.login.closed", "network": "broker.login.closed", "takeover": "broker.login.twice",
	"timeout": "broker.login.silent", "stuck": "broker.login.silent", "protocol": "broker.login.not_mqtt",
}

func (w *way) login(ctx context.Context) doctor.Verdict {
	if w.v.held().agent {
		return w.agentLogin()
	}
	t := w.converse(ctx)
	detail := ""
	if t.Err != nil {
		detail = t.Err.Error()
	}
	say := func(cause string) doctor.Verdict {
		return doctor.Say(cause, "device", w.v.cfg.Device, "detail", detail)
	}
	switch {
	case t.Refused == "" && t.Over:
		return say("broker.login.twice")
	case t.Refused == "":
		return say("broker.login.ok")
	case strings.Contains(detail, "revoked certificate"): // TLS alert 44
		return say("broker.login.revoked")
	case t.Refused == "tls":
		return say("broker.login.certificate")
	case t.Refused == "protocol" && strings.Contains(detail, `"HTTP/`):
		return say("broker.login.portal")
	case t.Refused == "not_authorised" && w.broker.Username != "" && w.broker.Cert == "":
		return say("broker.login.password") // Mosquitto has one code for both
	case loginCauses[t.Refused] != "":
		return say(loginCauses[t.Refused])
	}
	return say("broker.login.unavailable")
}

// agentLogin is what the agent that runs has said last.
func (w *way) agentLogin() doctor.Verdict {
	s, err := w.v.look()
	if err != nil || s.uplink == nil {
		return doctor.Say("broker.login.left")
	}
	kind := uplink.KindOf(s.uplink.Reason)
	switch cause := loginCauses[kind]; {
	case s.uplink.Broker != w.address():
		return doctor.Say("broker.login.left")
	case s.uplink.State == "connected", kind == "denied": // the ACL's check says it
		return doctor.Say("broker.login.agent")
	case cause != "":
		return doctor.Say(cause, "device", w.v.cfg.Device, "detail", s.uplink.Reason)
	}
	return doctor.Say("broker.login.left")
}

func (w *way) acl(ctx context.Context) doctor.Verdict {
	if w.v.held().agent {
		s, err := w.v.look()
		switch {
		case err == nil && s.uplink != nil && uplink.KindOf(s.uplink.Reason) == "denied":
			return doctor.Say("broker.acl.denied", "topic", report.Topics(w.v.cfg.Device).Up(report.Event, false, false))
		case err == nil && s.owed == 0 && s.event.Next > 1:
			return doctor.Say("broker.acl.ok")
		}
		return doctor.Say("broker.acl.left")
	}
	t := w.converse(ctx)
	switch {
	case len(t.Denied) > 0:
		return doctor.Say("broker.acl.denied", "topic", t.Denied[0])
	case !t.Told:
		return doctor.Say("broker.acl.unknown")
	case w.question() == nil:
		return doctor.Say("broker.acl.unasked")
	}
	return doctor.Say("broker.acl.ok")
}

// youngest is how old a record must be to say that the centre does not take it:
// an uplink tries again for a minute.
const youngest = 3 * time.Minute

// centre tells whether the centre gives receipts, and with whose key.
func (w *way) centre(ctx context.Context) doctor.Verdict {
	if w.v.cfg.Uplink.Acknowledge == config.ByBroker {
		return doctor.Say("centre.broker")
	}
	s, err := w.v.look()
	if err != nil {
		s = &store{}
	}
	waiting := strconv.FormatUint(s.owed, 10)
	if w.v.held().agent {
		age := w.v.o.clock().Sub(s.oldest)
		switch {
		case s.owed == 0:
			return doctor.Say("centre.received")
		case age < youngest:
			return doctor.Say("centre.waiting", "waiting", waiting, "age", age.Round(time.Second).String())
		}
		return doctor.Say("centre.silent", "waiting", waiting)
	}
	t := w.converse(ctx)
	keys := w.keys()
	live, stood, strange := false, false, false
	for _, n := range t.Notes {
		_, err := report.OpenAck(n.Body, w.v.cfg.Device, n.Lane, keys)
		_, bad := note.Open(n.Body, keys)
		_, unsigned := errors.AsType[*note.UnverifiedNoteError](bad)
		strange = strange || unsigned
		live = live || err == nil && !n.Retained
		stood = stood || err == nil
	}
	switch {
	case live:
		return doctor.Say("centre.ok")
	case strange && !stood:
		return doctor.Say("centre.key")
	case w.question() == nil && stood:
		return doctor.Say("centre.ok")
	case w.question() == nil:
		return doctor.Say("centre.unasked")
	}
	return doctor.Say("centre.silent", "waiting", waiting)
}

// keys are whom the device believes as its centre.
func (w *way) keys() note.Verifiers {
	file := filepath.Join(w.v.cfg.Data, keyringName)
	text, _ := loadFile(file, maxKeyringFile)                 // none is as an unreadable one
	k, _ := openKeyring(file, w.v.cfg.Uplink.CentreKey, text) // the configuration's, then
	return k
}
