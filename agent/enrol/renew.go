package enrol

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"time"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
)

// RenewConfig is what a Renewer needs.
type RenewConfig struct {
	Dir       string
	Disk      Disk
	Keys      Keys // nil is Files
	Clock     Clock
	RecordKey ed25519.PublicKey // nil without one
	// Told keeps what became of the certificate.
	Told func(report.Certificate)
	// Learned is told the centre's time where no time service is heard; may be nil.
	Learned func(time.Time)
	Jitter  func(lo, hi time.Duration) time.Duration // nil is uniform random; for tests
}

// Renewer renews the device's certificate after two thirds of its life.
type Renewer struct {
	cfg     RenewConfig
	log     *slog.Logger
	pulse   pulse.Pulse
	failing string    // the newest trouble that was told
	asked   time.Time // when the centre's time was asked for (monotonic)
}

// NewRenewer makes a Renewer; Run does the work.
func NewRenewer(cfg RenewConfig, log *slog.Logger) *Renewer {
	if cfg.Jitter == nil {
		cfg.Jitter = func(lo, hi time.Duration) time.Duration { return lo + rand.N(hi-lo+1) }
	}
	cfg.Keys = orFiles(cfg.Keys)
	return &Renewer{cfg: cfg, log: log.With("part", "enrol"), pulse: pulse.New()}
}

// Pulses ask the loop.
func (r *Renewer) Pulses() []pulse.Named { return []pulse.Named{{Name: "enrol", Pulse: r.pulse}} }

const (
	// lookEvery is between two looks at the certificate, and between two tries
	// after the first hours of failing.
	lookEvery  = time.Hour
	firstRetry = 5 * time.Minute
	// passWithin bounds one pass: three requests and some writing.
	passWithin = 4 * time.Minute
	// clockEvery is how often a board without a time service asks the centre for
	// the time: it would otherwise never see its certificate get old.
	clockEvery = 24 * time.Hour
	// spread keeps a fleet that was enrolled in one week from renewing in one hour:
	// each device has its own place in this part of the life.
	spread = 24 // 1/24
)

// Run works until ctx ends. A device that is not enrolled waits: it may be, later.
func (r *Renewer) Run(ctx context.Context) error {
	wait, retry := r.cfg.Jitter(0, firstRetry), firstRetry
	for {
		t := time.NewTimer(wait)
		for due := false; !due; {
			select {
			case <-ctx.Done():
				t.Stop()
				return nil
			case beat := <-r.pulse:
				beat()
			case <-t.C:
				due = true
			}
		}
		var err error
		r.pulse.While(passWithin+time.Minute, func() {
			ctx, cancel := context.WithTimeout(ctx, passWithin)
			defer cancel()
			err = r.pass(ctx)
		})
		if ctx.Err() == nil {
			r.tell(err)
		}
		if err != nil {
			wait, retry = r.cfg.Jitter(retry/2, retry), min(2*retry, lookEvery)
		} else {
			wait, retry = r.cfg.Jitter(lookEvery/2, lookEvery), firstRetry
		}
	}
}

// tell reports a failure when it begins and when it changes.
func (r *Renewer) tell(err error) {
	if err == nil {
		r.failing = ""
		return
	}
	state := report.Certificate{State: report.CertificateFailing, Detail: report.Clip(err.Error(), 300)}
	if no, ok := errors.AsType[Refused](err); ok {
		state.State, state.Reason = report.CertificateRefused, no.Reason
	}
	if r.failing == state.State+state.Reason {
		return
	}
	r.failing = state.State + state.Reason
	r.log.Warn("certificate not renewed", "err", err)
	r.cfg.Told(state)
}

// pass looks once, and renews when it is due.
func (r *Renewer) pass(ctx context.Context) error {
	id, err := load(r.cfg.Dir, r.cfg.Disk, r.cfg.Keys)
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	now, synced := r.cfg.Clock()
	if !synced && (r.asked.IsZero() || time.Since(r.asked) >= clockEvery) {
		if t, err := r.centreTime(ctx, id); err != nil {
			r.log.Debug("centre's time not heard", "err", err)
		} else if r.asked = time.Now(); t.After(now) {
			now = t
			if r.cfg.Learned != nil {
				r.cfg.Learned(t)
			}
		}
	}
	if now.Before(dueAt(id.pair.Leaf)) {
		return nil
	}
	return r.renew(ctx, id)
}

// dueAt is after two thirds of a certificate's life, and each device's own part
// of a twenty-fourth more.
func dueAt(c *x509.Certificate) time.Time {
	life := c.NotAfter.Sub(c.NotBefore)
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.Subject.CommonName)) // never fails
	own := time.Duration(float64(life/spread) * float64(h.Sum32()) / (1 << 32))
	return c.NotBefore.Add(life*2/3 + own)
}

// speaker is a client that shows the present certificate.
func (r *Renewer) speaker(id *identity) (*client, error) {
	centre, err := report.ParseCentreURL(id.Centre)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(id.roots)
	now, sure := split(r.cfg.Clock)
	return newClient(centre, trust{roots: pool, now: now, sure: sure, own: &id.pair}), nil
}

func (r *Renewer) centreTime(ctx context.Context, id *identity) (time.Time, error) {
	c, err := r.speaker(id)
	if err != nil {
		return time.Time{}, err
	}
	defer c.close()
	e, err := c.enrolment(ctx)
	return e.Time, err
}

// renew gets the next certificate, tries it, and puts it in the place of the old
// one. The broker's connection sees the new file and takes it at its next start.
func (r *Renewer) renew(ctx context.Context, id *identity) error {
	c, err := r.speaker(id)
	if err != nil {
		return err
	}
	defer c.close()
	key, err := nextKey(r.cfg.Dir, r.cfg.Disk, r.cfg.Keys)
	if err == nil && key.goes(id.pair.Leaf) {
		// A cut came between the last renewal and its end: each has a new key.
		if err = Finish(r.cfg.Dir); err == nil {
			key, err = nextKey(r.cfg.Dir, r.cfg.Disk, r.cfg.Keys)
		}
	}
	if err != nil {
		return err
	}
	chain, err := c.caCerts(ctx)
	if err != nil {
		return err
	}
	// Whom to believe does not change with a renewal: chain has what is below.
	roots, err := decodeCerts(id.roots)
	if err != nil {
		return err
	}
	cert, err := c.certificate(ctx, "", key, uris(r.cfg.RecordKey), append(roots, below(chain)...))
	if err != nil {
		return err
	}
	if cert.Subject.CommonName != id.Device {
		return fmt.Errorf("the new certificate is for %q, this is %q", cert.Subject.CommonName, id.Device)
	}
	n := &next{dir: r.cfg.Dir, disk: r.cfg.Disk, keys: r.cfg.Keys, key: key, cert: cert, chain: chain, roots: id.roots}
	now, sure := split(r.cfg.Clock)
	answer, err := n.ask(ctx, c.centre, now, sure)
	if err != nil {
		return fmt.Errorf("try the new certificate: %w", err)
	}
	if err := n.save(answer); err != nil {
		return err
	}
	serial := cert.SerialNumber.Text(16)
	r.log.Info("certificate renewed", "serial", serial, "until", cert.NotAfter.Format(time.DateOnly))
	r.cfg.Told(report.Certificate{State: report.CertificateRenewed, Serial: serial, NotAfter: &cert.NotAfter})
	return Finish(r.cfg.Dir)
}

// below are the authorities that are no roots.
func below(chain []*x509.Certificate) (all []*x509.Certificate) {
	for _, c := range chain {
		if !isRoot(c) {
			all = append(all, c)
		}
	}
	return all
}
