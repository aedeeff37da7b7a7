package ingest_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sync/errgroup"

	"kentongan/agent/report"
	"kentongan/agent/spool"
	"kentongan/agent/uplink"
	"kentongan/broker-config/brokertest"
	"kentongan/cmd/kentongan-centre/internal/brokerauth"
	"kentongan/cmd/kentongan-centre/internal/ingest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// fieldDevice is a device with a real spool and a real uplink. It appends until
// it is told to end.
type fieldDevice struct {
	id     string
	spool  *spool.Spool
	uplink *uplink.Uplink

	mu      sync.Mutex    // guards the rest
	last    time.Time     // of the newest receipt or PUBACK that let something go
	longest time.Duration // between two since reset
}

func (d *fieldDevice) acked(report.Lane, uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.longest = max(d.longest, time.Since(d.last))
	d.last = time.Now()
}

// reset gives the longest gap since the last reset, with one that still lasts.
func (d *fieldDevice) reset() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	gap := max(d.longest, time.Since(d.last))
	d.longest = 0
	return gap
}

func (d *fieldDevice) since() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Since(d.last)
}

func newFieldDevice(t *testing.T, id string, brokers []uplink.Broker, keys note.Verifiers) *fieldDevice {
	t.Helper()
	d := &fieldDevice{id: id, last: time.Now()}
	began := time.Now()
	var err error
	d.spool, err = spool.Open(t.TempDir(), spool.Options{
		Device: id, Log: slog.New(slog.DiscardHandler), TelemetryDelay: time.Second,
		Stamp: func() report.Stamp {
			return report.Stamp{Time: time.Now(), Clock: report.ClockSynced, Boot: "0badcafe", Uptime: time.Since(began)}
		},
		Quota: map[report.Lane]int64{report.Complaint: 1 << 20, report.Event: 8 << 20, report.Telemetry: 16 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.spool.Close(); err != nil {
			t.Error(err)
		}
	})
	d.uplink, err = uplink.New(uplink.Config{
		Device: id, Brokers: brokers, CentreKeys: keys, OnAck: d.acked,
		// For a province, whose brokers are not killed twice a minute, a backlog
		// waits for 30 s and a session has to last for 60 to be a good one; here
		// the pauses would grow from kill to kill.
		Tuning: uplink.Tuning{BacklogDelay: time.Second, StableAfter: 2 * time.Second},
	}, d.spool, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// work appends an event every 250 ms, a measurement every 100 ms and a press each
// fifth second until stop is closed.
func (d *fieldDevice) work(ctx context.Context, stop <-chan struct{}) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
		var err error
		if n%5 == 0 {
			_, err = d.spool.Append(ctx, report.Event, report.KindLine, report.LineState{Line: "road", State: "ok", Count: uint64(n)})
		}
		if n%2 == 0 && err == nil {
			_, err = d.spool.Append(ctx, report.Telemetry, report.KindStreamStats, report.StreamStats{Name: "gate", WindowMS: 100, Packets: uint64(n)})
		}
		if n%100 == 0 && err == nil {
			_, err = d.spool.AppendFunc(ctx, report.Complaint, report.KindPress, func(seq uint64) any {
				return report.Press{Ticket: report.NewTicket(7, seq).String(), Line: "road", Category: "jalan", Presses: 1}
			})
		}
		if err != nil {
			return fmt.Errorf("%s: append: %w", d.id, err)
		}
	}
}

// clusterPauses are how long it goes on between two kills, and how long a killed
// node is away: short in `make test`, long in `make soak`.
func clusterPauses() (between, away time.Duration, rounds int) {
	if os.Getenv("KENTONGAN_SOAK") != "" {
		return 20 * time.Second, 10 * time.Second, 5
	}
	return 200 * time.Millisecond, 500 * time.Millisecond, 1
}

// TestClusterKilledWhileDevicesPublish kills one NATS node of three, then the one
// that leads, then all, with SIGKILL, while 20 devices publish through them to a
// centre. Each record that was appended is at the centre once; that includes
// measurements, which leave their device on the cluster's PUBACK.
func TestClusterKilledWhileDevicesPublish(t *testing.T) {
	t.Parallel()
	const devices = 20
	between, away, rounds := clusterPauses()
	signer, keys := keys(t)
	ca := brokertest.NewCA(t)
	var ids []string
	for n := range devices {
		ids = append(ids, fmt.Sprintf("kiosk-%d", n))
	}
	var users bytes.Buffer
	if err := brokerauth.NATS(&users, nil, ids); err != nil {
		t.Fatal(err)
	}
	cluster := brokertest.StartCluster(t, ca, users.Bytes())
	st := clusterCentre(t, cluster, ca, signer)

	g, ctx := errgroup.WithContext(t.Context())
	ctx, end := context.WithCancel(ctx)
	stop := make(chan struct{})
	var all []*fieldDevice
	for n, id := range ids {
		cert := ca.Client(t, id)
		var brokers []uplink.Broker
		for i := range cluster.Addrs {
			brokers = append(brokers, uplink.Broker{URL: "mqtts://" + cluster.Addrs[(n+i)%len(cluster.Addrs)], CA: ca.File, Cert: cert.CertFile, Key: cert.KeyFile})
		}
		d := newFieldDevice(t, id, brokers, keys)
		all = append(all, d)
		g.Go(func() error { return d.uplink.Run(ctx) })
		g.Go(func() error { return d.work(ctx, stop) })
	}
	// flowing waits until each device has been heard, lately and by the centre.
	flowing := func(what string) {
		t.Helper()
		for _, d := range all {
			until(t, d.id+" is acknowledged "+what, func() bool { return d.since() < time.Second })
		}
		time.Sleep(between)
	}
	gaps := func(what string) {
		var g []time.Duration
		for _, d := range all {
			g = append(g, d.reset().Round(100*time.Millisecond))
		}
		slices.Sort(g)
		t.Logf("%-22s gap of a device: median %v, longest %v", what, g[len(g)/2], g[len(g)-1])
	}
	flowing("at first")
	for _, d := range all {
		d.reset()
	}
	for range rounds {
		for _, one := range []struct {
			what  string
			nodes func() []int
		}{
			{"a follower killed", func() []int { return []int{(leader(t, cluster) + 1) % brokertest.Nodes} }},
			{"the leader killed", func() []int { return []int{leader(t, cluster)} }},
			{"all three killed", func() []int { return []int{0, 1, 2} }},
		} {
			killed := one.nodes()
			var wg sync.WaitGroup
			for _, n := range killed {
				wg.Go(func() { cluster.Kill(n) })
			}
			wg.Wait()
			time.Sleep(away)
			for _, n := range killed {
				cluster.StartNode(t, n)
			}
			cluster.WaitReady(t)
			flowing("after " + one.what)
			gaps(one.what)
		}
	}
	close(stop)
	var want uint64
	for _, d := range all {
		for _, lane := range report.Lanes() {
			until(t, fmt.Sprintf("%s has nothing left in lane %s", d.id, lane), func() bool { return d.spool.Head(lane).Backlog() == 0 })
			want += d.spool.Head(lane).Next - 1
		}
	}
	end()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	var missing, doubles, got uint64
	// What NATS has acknowledged and the centre has not committed yet still comes.
	until(t, "the centre holds all", func() bool {
		lanes, err := st.Lanes(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		missing, doubles, got = 0, 0, 0
		for _, l := range lanes {
			missing, doubles, got = missing+l.Missing, doubles+l.Duplicates, got+l.Received
			if l.Conflicts > 0 {
				t.Fatalf("%s/%s: %d conflicts", l.Device, l.Lane, l.Conflicts)
			}
		}
		return got >= want && missing == 0
	})
	t.Logf("%d records of %d devices acknowledged, %d at the centre, %d missing, %d came again and were dropped", want, devices, got, missing, doubles)
	if got != want {
		t.Errorf("%d records at the centre, want each of %d once", got, want)
	}
}

// leader waits until the cluster has one.
func leader(t *testing.T, c *brokertest.Cluster) int {
	t.Helper()
	n := -1
	until(t, "the stream has a leader", func() bool { n = c.Leader(); return n >= 0 })
	return n
}

// clusterCentre is a centre on all nodes of the cluster, with a certificate.
func clusterCentre(t *testing.T, cluster *brokertest.Cluster, ca *brokertest.CA, signer note.Signer) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cfg := ingest.Config{Name: "centre", Signer: signer, TLS: ca.TLS(ca.Client(t, brokerauth.Centre))}
	for n, addr := range cluster.Addrs {
		u := &url.URL{Scheme: "mqtts", Host: addr}
		if n == 0 {
			cfg.Broker = u
		} else {
			cfg.Others = append(cfg.Others, u)
		}
	}
	in, err := ingest.New(cfg, st, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var failed atomic.Pointer[error]
	go func() {
		defer close(done)
		if err := in.Run(ctx); err != nil {
			failed.Store(&err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := failed.Load(); err != nil {
			t.Errorf("run ingest: %v", *err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	until(t, "centre connected", func() bool { return in.Status().Connected })
	return st
}
