package drain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"kentongan/agent/bench/store"
	"kentongan/agent/report"
	"kentongan/agent/spool"
	"kentongan/agent/uplink"
)

// Ours is our uplink over our spool: it reads the records from the disk and
// moves the lane's cursor.
func Ours() []Kind {
	// The wait after a connection, which spreads a province, is left out.
	alone := uplink.Tuning{MaxRecords: 1, GzipFrom: -1, Linger: -1, BacklogDelay: -1}
	batches := uplink.Tuning{BacklogDelay: -1}
	plain := uplink.Tuning{BacklogDelay: -1, GzipFrom: -1}
	return []Kind{
		{Name: "Kentongan, one message a record", From: "disk", prepare: ours(alone)},
		{Name: "Kentongan, batches", Batch: true, Gzip: true, From: "disk", prepare: ours(batches)},
		{Name: "Kentongan, batches without gzip", Batch: true, From: "disk", prepare: ours(plain)},
	}
}

func ours(t uplink.Tuning) func(string, string, int) (func() error, func() error, error) {
	return func(dir, addr string, n int) (func() error, func() error, error) {
		if err := store.FillTelemetry(dir, n); err != nil {
			return nil, nil, err
		}
		s, err := store.OpenSpool(dir, store.TelemetryBytes(n))
		if err != nil {
			return nil, nil, err
		}
		return func() error { return uplinkSend(s, addr, t) }, s.Close, nil
	}
}

// uplinkSend runs the uplink until the telemetry lane is empty.
func uplinkSend(s *spool.Spool, addr string, t uplink.Tuning) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	end := s.Head(report.Telemetry).Next - 1
	drained := make(chan struct{})
	u, err := uplink.New(uplink.Config{
		Device: "kiosk-7", Brokers: []uplink.Broker{{URL: "mqtt://" + addr}},
		Acknowledge: uplink.ByBroker, Tuning: t,
		OnAck: func(lane report.Lane, seq uint64) {
			if lane == report.Telemetry && seq >= end {
				close(drained)
			}
		},
	}, s, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	ran := make(chan error, 1)
	go func() { ran <- u.Run(ctx) }()
	select {
	case <-drained:
		cancel()
		return <-ran
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("not drained: %v, %v", s.Head(report.Telemetry), ctx.Err()), <-ran)
	}
}
