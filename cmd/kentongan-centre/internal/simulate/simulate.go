// Package simulate is a fleet of devices that are not there: it sends what real
// ones do (records numbered, chained and encoded by agent/report, in compressed
// batches over MQTT, with states, alarms and complaints), and sees that the centre
// signs for all of it.
//
// Many devices share a connection, so the broker must let one client publish for
// many; a broker out of broker-config, which confines a certificate to its device,
// does not. Devices have no spool: what is not acknowledged is kept in memory and
// sent again, and measurements are let go of on PUBACK, as a device does.
package simulate

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/url"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"kentongan/agent/report"
)

// Config says what fleet, where, and for how long.
type Config struct {
	Broker             *url.URL       // mqtt or mqtts
	TLS                *tls.Config    // for mqtts
	Username, Password string         // %d in the name is the connection's number: 0 for the receipts, 1 to Connections
	Keys               note.Verifiers // of the centre, that sign the receipts

	Devices, Streams int           // streams of each device
	Connections      int           // that the devices share
	Rate             float64       // records a second over all; 0 is as many as the broker takes
	For              time.Duration // after the births
	Settle           time.Duration // how long receipts are waited for at the end
	Progress         io.Writer     // a line every ProgressEvery
	ProgressEvery    time.Duration
}

// Result is what came of it.
type Result struct {
	Records   int64         // published and given a PUBACK, births among them
	Signed    int64         // of them complaints and events that the centre signed for
	Again     int64         // sent again, for want of a receipt
	Took      time.Duration // from the first birth to the last receipt
	Unsigned  int64         // complaints and events without a receipt at the end
	MostAwait int64         // the most that waited for a receipt at a time, as seen each second
}

// againAfter is how long a device waits for a receipt before it sends again.
const againAfter = 15 * time.Second

// fleet is a run under way.
type fleet struct {
	cfg     Config
	devices []*device
	byID    map[string]*device
	limit   *rate.Limiter // nil: none

	records, signed, again, most atomic.Int64
}

// Run plays the fleet until its time is over and the centre has signed for
// everything, or will not. An error is a broker that can't be used, or a receipt
// that is wrong.
func Run(ctx context.Context, cfg Config) (Result, error) {
	f := &fleet{cfg: cfg, byID: map[string]*device{}}
	if cfg.Rate > 0 {
		f.limit = rate.NewLimiter(rate.Limit(cfg.Rate), max(1000, int(cfg.Rate/4)))
	}
	began := time.Now()
	for n := range cfg.Devices {
		d := newDevice(n+1, cfg.Streams, began)
		f.devices, f.byID[d.id] = append(f.devices, d), d
	}
	g, ctx := errgroup.WithContext(ctx)
	listening, stop := context.WithCancel(ctx)
	defer stop()
	ready := make(chan struct{})
	g.Go(func() error { return f.listen(listening, ready) })
	g.Go(func() error {
		defer stop()
		select {
		case <-ready:
		case <-ctx.Done():
			return nil
		}
		return f.send(ctx)
	})
	g.Go(func() error { f.tell(listening, began); return nil })
	err := g.Wait()
	r := Result{Records: f.records.Load(), Signed: f.signed.Load(), Again: f.again.Load(), Took: time.Since(began), Unsigned: f.waits(), MostAwait: f.most.Load()}
	return r, err
}

// send has the devices talk, on as many connections as there are.
func (f *fleet) send(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	n := min(f.cfg.Connections, len(f.devices))
	for c := range n {
		from, to := c*len(f.devices)/n, (c+1)*len(f.devices)/n
		g.Go(func() error {
			if err := f.connection(ctx, c, f.devices[from:to]); err != nil && ctx.Err() == nil {
				return fmt.Errorf("connection %d: %w", c+1, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// connection plays some devices over one connection.
func (f *fleet) connection(ctx context.Context, n int, devices []*device) error {
	l, err := f.dial(ctx, n+1)
	if err != nil {
		return err
	}
	defer l.close()
	for _, d := range devices {
		ms, err := d.birth(time.Now())
		if err == nil {
			err = f.publish(ctx, l, ms)
		}
		if err != nil {
			return err
		}
	}
	over := time.After(f.cfg.For)
	for k := 0; ; k++ {
		select {
		case <-over:
			return f.settle(ctx, l, devices)
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		d := devices[k%len(devices)]
		ms, err := d.round(time.Now())
		if err != nil {
			return err
		}
		if err := f.publish(ctx, l, append(ms, f.late(d)...)); err != nil {
			return err
		}
	}
}

// late is what a device sends again.
func (f *fleet) late(d *device) []message {
	ms := d.again(time.Now(), againAfter)
	for _, m := range ms {
		f.again.Add(int64(m.records))
	}
	return ms
}

// settle waits until everything has its receipt, or the time for that is over,
// and takes the devices offline.
func (f *fleet) settle(ctx context.Context, l *link, devices []*device) error {
	over := time.After(f.cfg.Settle)
	for waits := true; waits; {
		waits = false
		for _, d := range devices {
			if d.waits() == 0 {
				continue
			}
			waits = true
			if err := f.publish(ctx, l, f.late(d)); err != nil {
				return err
			}
		}
		if waits {
			select {
			case <-time.After(100 * time.Millisecond):
			case <-over:
				waits = false
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	for _, d := range devices {
		m, err := d.farewell(time.Now())
		if err == nil {
			err = f.publish(ctx, l, []message{m})
		}
		if err != nil {
			return err
		}
	}
	return l.drain(ctx)
}

func (f *fleet) publish(ctx context.Context, l *link, ms []message) error {
	for _, m := range ms {
		if f.limit != nil && m.records > 0 {
			if err := f.limit.WaitN(ctx, m.records); err != nil {
				return err
			}
		}
		if err := l.publish(ctx, m, &f.records); err != nil {
			return err
		}
	}
	return nil
}

// listen takes the receipts of all devices.
func (f *fleet) listen(ctx context.Context, ready chan<- struct{}) error {
	l, err := f.dial(ctx, 0)
	if err != nil {
		return err
	}
	defer l.close()
	wrong := make(chan error, 1)
	err = l.subscribe(ctx, report.Root+"/+/ack/+", func(_ mqtt.Client, m mqtt.Message) {
		if err := f.receipt(m); err != nil {
			select {
			case wrong <- err:
			default:
			}
		}
	})
	if err != nil {
		return err
	}
	close(ready)
	select {
	case <-ctx.Done():
		return nil
	case err := <-wrong:
		return err
	case <-l.dead:
		return fmt.Errorf("receipts: %w", l.cause)
	}
}

// receipt takes one; that of a device that is none of ours is passed over.
func (f *fleet) receipt(m mqtt.Message) error {
	t, err := report.ParseTopic(m.Topic())
	if err != nil {
		return err
	}
	d := f.byID[t.Device]
	if d == nil || len(m.Payload()) == 0 {
		return nil
	}
	a, err := report.OpenAck(m.Payload(), t.Device, t.Lane, f.cfg.Keys)
	if err != nil {
		return fmt.Errorf("receipt of %s/%s: %w; is the centre's key the right one?", t.Device, t.Lane, err)
	}
	n, err := d.acked(a, time.Now())
	f.signed.Add(int64(n))
	return err
}

func (f *fleet) waits() (n int64) {
	for _, d := range f.devices {
		n += int64(d.waits())
	}
	return n
}

// tell writes the line of progress.
func (f *fleet) tell(ctx context.Context, began time.Time) {
	if f.cfg.ProgressEvery == 0 {
		return
	}
	tick := time.NewTicker(f.cfg.ProgressEvery)
	defer tick.Stop()
	var before int64
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		n, waits := f.records.Load(), f.waits()
		f.most.Store(max(f.most.Load(), waits))
		fmt.Fprintf(f.cfg.Progress, "%4.0f s  %d records, %.0f/s  signed for %d  waiting for a receipt %d  sent again %d\n",
			time.Since(began).Seconds(), n, float64(n-before)/f.cfg.ProgressEvery.Seconds(), f.signed.Load(), waits, f.again.Load())
		before = n
	}
}
