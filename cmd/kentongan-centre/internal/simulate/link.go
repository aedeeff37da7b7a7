package simulate

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/cmd/kentongan-centre/internal/mqttaddr"
)

// link is one MQTT connection with a window of publishes. All but dead and cause
// belongs to one goroutine.
type link struct {
	client mqtt.Client
	window []flight

	failOnce sync.Once
	dead     chan struct{} // closed when the connection is gone
	cause    error         // why; to be read after dead is closed
}

type flight struct {
	tok     mqtt.Token
	records int64
	count   *atomic.Int64
}

const (
	// Long ones: a fleet that sends all it can leaves itself little time to listen.
	answerWithin = 2 * time.Minute
	keepAlive    = time.Minute
	windowSize   = 64 // publishes without PUBACK
)

// dial opens connection n, which is 0 for the receipts.
func (f *fleet) dial(ctx context.Context, n int) (*link, error) {
	l := &link{dead: make(chan struct{})}
	o := mqtt.NewClientOptions().AddBroker(mqttaddr.Paho(f.cfg.Broker)).
		SetClientID(fmt.Sprintf("simulate-%d-%s", n, rand.Text()[:6])).SetCleanSession(true).SetProtocolVersion(4).
		SetKeepAlive(keepAlive).SetPingTimeout(answerWithin).
		SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(answerWithin).SetWriteTimeout(answerWithin).SetOrderMatters(true).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) {
			l.failOnce.Do(func() { l.cause = fmt.Errorf("connection lost: %w", err); close(l.dead) })
		})
	if f.cfg.Username != "" {
		o.SetUsername(strings.ReplaceAll(f.cfg.Username, "%d", strconv.Itoa(n))).SetPassword(f.cfg.Password)
	}
	if f.cfg.Broker.Scheme == "mqtts" {
		o.SetTLSConfig(f.cfg.TLS)
	}
	l.client = mqtt.NewClient(o)
	if err := l.wait(ctx, l.client.Connect()); err != nil {
		l.close()
		return nil, fmt.Errorf("connect to %s: %w", f.cfg.Broker.Redacted(), err)
	}
	return l, nil
}

func (l *link) close() { l.client.Disconnect(250) }

// publish sends a message, and waits while the window is full. count grows by its
// records with the PUBACK.
func (l *link) publish(ctx context.Context, m message, count *atomic.Int64) error {
	for len(l.window) >= windowSize {
		if err := l.oldest(ctx); err != nil {
			return err
		}
	}
	l.window = append(l.window, flight{l.client.Publish(m.topic, 1, m.retained, m.payload), int64(m.records), count})
	return nil
}

func (l *link) oldest(ctx context.Context) error {
	f := l.window[0]
	if err := l.wait(ctx, f.tok); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	f.count.Add(f.records)
	l.window = l.window[1:]
	return nil
}

// drain waits for all PUBACKs.
func (l *link) drain(ctx context.Context) error {
	for len(l.window) > 0 {
		if err := l.oldest(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *link) subscribe(ctx context.Context, filter string, handle mqtt.MessageHandler) error {
	tok := l.client.Subscribe(filter, 0, handle)
	if err := l.wait(ctx, tok); err != nil {
		return fmt.Errorf("subscribe to %s: %w", filter, err)
	}
	if code := tok.(*mqtt.SubscribeToken).Result()[filter]; code > 2 {
		return fmt.Errorf("subscribe to %s: the broker refuses", filter)
	}
	return nil
}

func (l *link) wait(ctx context.Context, tok mqtt.Token) error {
	late := time.NewTimer(answerWithin)
	defer late.Stop()
	select {
	case <-tok.Done():
		return tok.Error()
	case <-l.dead:
		return l.cause
	case <-late.C:
		return fmt.Errorf("no answer of the broker within %s", answerWithin)
	case <-ctx.Done():
		return ctx.Err()
	}
}
