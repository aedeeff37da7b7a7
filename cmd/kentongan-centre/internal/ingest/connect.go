package ingest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/cmd/kentongan-centre/internal/mqttaddr"
)

const (
	connectWithin   = 10 * time.Second
	subscribeWithin = 30 * time.Second // NATS makes four consumers
	writeWithin     = 10 * time.Second
	keepAlive       = 20 * time.Second
	disconnectAfter = 250 * time.Millisecond
)

// connect makes a client of its own for this session: paho's reconnection is
// off, because a new session has to begin with all receipts.
func (s *session) connect(ctx context.Context) error {
	o := mqtt.NewClientOptions().
		AddBroker(mqttaddr.Paho(s.broker)).
		SetClientID(s.cfg.Name).SetCleanSession(false).SetProtocolVersion(4).
		SetAutoReconnect(false).SetConnectRetry(false).
		SetAutoAckDisabled(true).SetOrderMatters(true).
		SetKeepAlive(keepAlive).SetPingTimeout(writeWithin).
		SetConnectTimeout(connectWithin).SetWriteTimeout(writeWithin).
		SetDefaultPublishHandler(s.handle).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { s.fail(fmt.Errorf("connection lost: %w", err)) })
	if s.cfg.Username != "" {
		o.SetUsername(s.cfg.Username).SetPassword(s.cfg.Password)
	}
	if s.broker.Scheme == "mqtts" {
		o.SetTLSConfig(s.cfg.TLS)
	}
	if s.cfg.Dial != nil {
		o.SetCustomOpenConnectionFn(func(u *url.URL, _ mqtt.ClientOptions) (net.Conn, error) { return s.cfg.Dial(u) })
	}
	s.client = mqtt.NewClient(o)
	if err := s.wait(ctx, s.client.Connect(), connectWithin+writeWithin); err != nil {
		// Connect may still be under way in paho; this ends it.
		s.client.Disconnect(0)
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

// subscribe asks for all topics; a persistent session already delivers.
func (s *session) subscribe(ctx context.Context) error {
	tok := s.client.SubscribeMultiple(filters(), nil)
	late := time.After(subscribeWithin)
	// Deliveries may come before the SUBACK: they wait in the channel, and
	// paho can't read the SUBACK behind them when it is full.
	for {
		select {
		case <-tok.Done():
			if err := tok.Error(); err != nil {
				return fmt.Errorf("subscribe: %w", err)
			}
			for filter, code := range tok.(*mqtt.SubscribeToken).Result() {
				if code > 2 {
					return fmt.Errorf("subscribe to %s: the broker refuses", filter)
				}
			}
			return nil
		case m := <-s.in:
			if err := s.commit(ctx, m); err != nil {
				return err
			}
		case <-s.dead:
			return fmt.Errorf("subscribe: %w", s.cause)
		case <-late:
			return fmt.Errorf("subscribe: no answer after %s", subscribeWithin)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wait waits for a token; paho leaves some unfinished when a connection of a
// persistent session is lost.
func (s *session) wait(ctx context.Context, tok mqtt.Token, most time.Duration) error {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-tok.Done():
		return tok.Error()
	case <-ctx.Done():
		return ctx.Err()
	case <-s.dead:
		return s.cause
	case <-t.C:
		return fmt.Errorf("no answer after %s", most)
	}
}
