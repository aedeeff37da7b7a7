package longrun

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/audit"
	"kentongan/cmd/kentongan-centre/internal/ingest"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// centre is the command centre's way in: its database, its orders, its audit.
type centre struct {
	t      *testing.T
	net    *network
	dir    string
	signer note.Signer
	key    string
	store  *store.Store
	desk   *orders.Desk
	stop   func()

	place map[int64]uint64 // of what was read, by lane
	seen  map[string]int   // presses by ticket
	twice []string         // tickets that came more than once
	count int              // presses

	alarms map[string]int // raised, by condition
}

func newCentre(t *testing.T, n *network) *centre {
	secret, public, err := note.GenerateKey(rand.Reader, "kentongan-centre")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return &centre{t: t, net: n, dir: t.TempDir(), signer: signer, key: public, place: map[int64]uint64{}, seen: map[string]int{}, alarms: map[string]int{}}
}

// start opens the database and begins to take records.
func (c *centre) start() {
	log := slog.New(slog.DiscardHandler)
	st, err := store.Open(c.dir, log)
	if err != nil {
		c.t.Fatal(err)
	}
	in, err := ingest.New(ingest.Config{
		Broker: &url.URL{Scheme: "mqtt", Host: brokerAddr}, Name: "centre", Signer: c.signer, OrdersEvery: 30 * time.Second,
		Dial: func(*url.URL) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			return c.net.dial(ctx, "tcp", brokerAddr)
		},
	}, st, log)
	if err != nil {
		c.t.Fatal(err)
	}
	c.store = st
	c.desk = orders.New(orders.Config{Store: st, Signer: c.signer, Wake: in.Wake, Changed: func() {}, Keep: time.Hour, Log: log})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = in.Run(ctx) })
	c.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		if err := st.Close(); err != nil {
			c.t.Errorf("close the database: %v", err)
		}
	})
}

// read takes what is new of the complaints and the events.
func (c *centre) read() {
	c.t.Helper()
	ctx := context.Background()
	v := c.store.For(store.Everything())
	lanes, err := v.AuditLanes(ctx, deviceID, time.Time{})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, l := range lanes {
		if l.Lane == string(report.Telemetry) {
			continue
		}
		for {
			list, err := v.AuditRecords(ctx, l.ID, c.place[l.ID], 1000)
			if err != nil {
				c.t.Fatal(err)
			}
			for _, r := range list {
				c.place[l.ID] = r.Seq
				c.take(r)
			}
			if len(list) == 0 {
				break
			}
		}
	}
}

func (c *centre) take(r store.AuditRecord) {
	if r.Kind != report.KindPress && r.Kind != report.KindAlarm {
		return
	}
	var rec report.Record
	var p report.Press
	var a report.Alarm
	err := json.Unmarshal(r.Line, &rec)
	if err == nil && r.Kind == report.KindAlarm {
		if err = json.Unmarshal(rec.Body, &a); err == nil {
			if a.State == report.AlarmRaised {
				c.alarms[a.Condition]++
			}
			return
		}
	}
	if err == nil {
		err = json.Unmarshal(rec.Body, &p)
	}
	if err != nil {
		c.t.Errorf("record %d: %v", r.Seq, err)
		return
	}
	if c.seen[p.Ticket] > 0 {
		c.twice = append(c.twice, p.Ticket)
	}
	c.seen[p.Ticket] += int(p.Presses)
	c.count += int(p.Presses)
}

// audit holds everything against hashes, checkpoints and receipts.
func (c *centre) audit() (audit.Report, error) {
	keys, err := audit.Keys(c.key)
	if err != nil {
		return audit.Report{}, err
	}
	return audit.Verify(context.Background(), c.store.For(store.Everything()), audit.Options{Centre: keys, Roots: filepath.Join(c.dir, audit.RootsFile), Now: time.Now()})
}

// undone is the orders whose life is over and that have no end.
func (c *centre) undone() (list []string) {
	c.t.Helper()
	if _, err := c.desk.Upkeep(context.Background()); err != nil {
		c.t.Errorf("upkeep of the orders: %v", err)
	}
	all, err := c.store.Orders(context.Background(), store.OrderFilter{Device: deviceID, Limit: 1000})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, o := range all {
		if o.State == store.OrderOpen && time.Since(o.Expires) > time.Hour {
			list = append(list, fmt.Sprint(o.Name, " ", o.ID))
		}
	}
	return list
}

// leave ends the centre's programs; start brings them back.
func (c *centre) leave() { c.stop() }
