package ingest

import (
	"context"
	"fmt"
	"time"

	"kentongan/agent/report"
)

// Wake says that there is an order to send. It returns at once and may be called
// from any goroutine.
func (i *Ingest) Wake() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// sendOrders publishes the orders that are due until the session's work is over.
// They are not retained and do not wait in the broker: they are kept here and
// sent again until the device's result is there.
func (s *session) sendOrders() {
	tick := time.NewTicker(s.cfg.OrdersEvery)
	defer tick.Stop()
	for {
		if err := s.sendDue(); err != nil {
			s.fail(fmt.Errorf("publish orders: %w", err))
			return
		}
		select {
		case <-s.over:
			return
		case <-s.dead:
			return
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// sendDue sends what is due. A database that is busy is no reason to end the
// session; the next look tries again.
func (s *session) sendDue() error {
	due, err := s.store.DueOrders(context.Background(), time.Now())
	if err != nil {
		s.quiet.warn(s.log, "orders not read", err)
		return nil
	}
	for _, o := range due {
		tok := s.client.Publish(report.Topics(o.Device).Command(o.Name), 1, false, o.Note)
		// Each has its own time: two hundred on a slow link are no fault of one.
		if err := s.wait(context.Background(), tok, writeWithin); err != nil {
			return err
		}
		s.stats.orders.Add(1)
		s.log.Debug("order sent", "device", o.Device, "cmd", o.Name, "id", o.ID, "sends", o.Sends+1)
		if err := s.store.OrderSent(context.Background(), o.ID, time.Now()); err != nil {
			s.quiet.warn(s.log, "order not noted as sent", err)
		}
	}
	return nil
}
