package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// An order goes out signed, once the device is online, and again until its
// result is there.
func TestOrderIsSentUntilItsResult(t *testing.T) {
	brokers(t, func(t *testing.T, u *url.URL) {
		signer, verifiers := keys(t)
		c := startCentre(t, t.TempDir(), u, signer)
		desk := orders.New(orders.Config{Store: c.Store, Signer: signer, Wake: c.in.Wake, Changed: func() {}, Keep: time.Hour, Log: slog.New(slog.DiscardHandler)})
		o, err := desk.Snapshot(context.Background(), "kiosk-7", "gate", "Sari", "laporan warga")
		if err != nil {
			t.Fatal(err)
		}

		p := dial(t, u, "kiosk-7", verifiers)
		got := make(chan report.Order, 100)
		p.done(p.c.Subscribe(report.Topics(p.id).Commands(), 0, func(_ mqtt.Client, m mqtt.Message) {
			topic, err := report.ParseTopic(m.Topic())
			if err != nil {
				t.Error(err)
				return
			}
			if m.Retained() {
				t.Error("the order is retained: a new card would do it again")
			}
			opened, err := report.OpenOrder(m.Payload(), p.id, topic.Name, verifiers)
			if err != nil {
				t.Errorf("order: %v", err)
				return
			}
			got <- opened
		}))
		take := func(what string) report.Order {
			t.Helper()
			select {
			case o := <-got:
				return o
			case <-time.After(patience):
				t.Fatalf("waited %s in vain for the order: %s", patience, what)
				return report.Order{}
			}
		}
		birth := func(session string) {
			p.send(report.Topics(p.id).State(), fmt.Appendf(nil, `{"v":1,"state":"online","session":"%s","since":"2026-11-26T10:00:00Z","epoch":"%s"}`, session, epoch))
		}
		birth("b1.1")
		first := take("when the device is online")
		if first.ID != o.ID || first.Name != report.OrderSnapshot || string(first.Arguments) != `{"stream":"gate","who":"Sari","reason":"laporan warga"}` || first.Expires.Sub(first.NotBefore) != 10*time.Minute {
			t.Errorf("order %+v", first)
		}
		if again := take("again, without a result"); again.ID != o.ID {
			t.Errorf("order %+v", again)
		}

		result := report.CommandResult{ID: o.ID, Name: o.Name, State: report.CommandFailed, Detail: "no camera"}
		p.send(report.Topics(p.id).Up(report.Event, false, false), report.EncodeBatch(head(report.Event, 1, 2), []report.Entry{entry(t, p.id, report.Event, 1, report.KindCommand, result)}))
		until(t, "the result", func() bool {
			list, err := c.Orders(context.Background(), store.OrderFilter{Device: p.id, Limit: 10})
			return err == nil && len(list) == 1 && list[0].State == report.CommandFailed && list[0].Result.Detail == "no camera" && list[0].Sends >= 2
		})
		due, err := c.DueOrders(context.Background(), time.Now().Add(time.Minute))
		if err != nil || len(due) != 0 {
			t.Errorf("still due: %+v (%v)", due, err)
		}
	})
}

// The retained set of a device's alarms reaches the store; one that can't be
// right does not.
func TestAlarmSetArrives(t *testing.T) {
	brokers(t, func(t *testing.T, u *url.URL) {
		signer, verifiers := keys(t)
		c := startCentre(t, t.TempDir(), u, signer)
		p := dial(t, u, "cam-1", verifiers)
		topic := report.Topics(p.id).Alarms()
		p.send(topic, []byte(`{"v":1,"n":5,"ledger":"x","count":0,"alarms":[{"id":"a","n":1,"source":"stream/gate","condition":"down","severity":"major","state":"raised","since":"2026-11-26T10:00:00Z"}]}`))
		p.send(topic, []byte(`{"v":9}`))
		p.send(topic, []byte(`{"v":1,"n":5,"ledger":"x","count":1,"alarms":[{"id":"b","n":1,"source":"stream/gate","condition":"down","severity":"major","state":"raised","since":"2026-11-26T10:00:00Z"}]}`))
		until(t, "the good one", func() bool {
			list, err := c.Alarms(context.Background(), store.AlarmFilter{Limit: 10})
			return err == nil && len(list) == 1 && list[0].ID == "b" && list[0].Condition == "down"
		})
		if got := c.in.Status().BadStates; got != 2 {
			t.Errorf("%d bad states, want 2", got)
		}
	})
}
