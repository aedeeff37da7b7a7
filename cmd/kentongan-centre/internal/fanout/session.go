package fanout

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/mqttaddr"
)

const (
	answerWithin = 10 * time.Second // of the broker, to anything
	keepAlive    = 20 * time.Second
	window       = 64 // publishes that wait for their PUBACK
)

// message is one publish. An empty retained one takes a state away.
type message struct {
	topic    string
	payload  []byte
	retained bool
}

// standing is retained topics, with the hash of their payload.
type standing map[string][sha256.Size]byte

// session is one connection to the broker.
type session struct {
	*Fanout
	client   mqtt.Client
	standing map[string]standing // by device: what is retained at the broker

	lostOnce sync.Once
	lost     chan struct{} // closed when the connection has ended
	cause    error         // why; to be read after lost is closed
}

func (f *Fanout) session(ctx context.Context, node *url.URL) error {
	s := &session{Fanout: f, lost: make(chan struct{})}
	if err := s.connect(ctx, node); err != nil {
		return err
	}
	defer s.client.Disconnect(0)
	if err := s.learn(ctx); err != nil {
		return fmt.Errorf("ask what stands at the broker: %w", err)
	}
	if err := s.rereadAgencies(ctx); err != nil {
		return err
	}
	if err := s.states(ctx, ""); err != nil {
		return err
	}
	f.cfg.Log.Info("fan-out connected", "broker", node.Redacted(), "devices", len(s.standing))
	return s.work(ctx)
}

// work publishes what comes.
func (s *session) work(ctx context.Context) error {
	agencies := time.NewTicker(s.cfg.AgenciesEvery)
	defer agencies.Stop()
	for {
		if err := s.drain(ctx); err != nil {
			return err
		}
		select {
		case <-s.wake:
		case <-agencies.C:
			before := s.agencies
			if err := s.rereadAgencies(ctx); err != nil {
				return err
			}
			if !same(before, s.agencies) {
				if err := s.states(ctx, ""); err != nil {
					return err
				}
			}
		case <-s.lost:
			return s.cause
		case <-ctx.Done():
			return nil
		}
	}
}

// drain publishes all that waits: states first, so that it is known which cameras
// are shared when their events come.
func (s *session) drain(ctx context.Context) error {
	now := time.Now()
	records, told, behind := s.take()
	for _, d := range told {
		if err := s.states(ctx, d); err != nil {
			return err
		}
	}
	if behind {
		if err := s.catchUp(ctx); err != nil {
			return err
		}
	}
	if err := s.records(ctx, records); err != nil {
		return err
	}
	return s.savePosition(now)
}

func (s *session) rereadAgencies(ctx context.Context) (err error) {
	if s.agencies, err = s.cfg.Agencies(ctx); err != nil {
		return fmt.Errorf("read agencies: %w", err)
	}
	return nil
}

func (s *session) connect(ctx context.Context, node *url.URL) error {
	o := mqtt.NewClientOptions().AddBroker(mqttaddr.Paho(node)).
		SetClientID(s.cfg.Name).SetCleanSession(true).SetProtocolVersion(4).
		SetAutoReconnect(false).SetConnectRetry(false).SetOrderMatters(true).
		SetKeepAlive(keepAlive).SetPingTimeout(answerWithin).
		SetConnectTimeout(answerWithin).SetWriteTimeout(answerWithin).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) {
			s.lostOnce.Do(func() {
				s.cause = fmt.Errorf("connection lost: %w", err)
				close(s.lost)
			})
		})
	if s.cfg.Username != "" {
		o.SetUsername(s.cfg.Username).SetPassword(s.cfg.Password)
	}
	if node.Scheme == "mqtts" {
		o.SetTLSConfig(s.cfg.TLS)
	}
	s.client = mqtt.NewClient(o)
	if err := s.wait(ctx, s.client.Connect(), 2*answerWithin); err != nil {
		s.client.Disconnect(0)
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

// learn reads what stands retained below our branches. A message of our own tells
// that all has come: both are delivered in order.
func (s *session) learn(ctx context.Context) error {
	s.standing = map[string]standing{}
	mark := report.SharedRoot + "/mark/" + rand.Text()
	seen := make(chan struct{})
	all := false // of paho's goroutine alone
	handler := func(_ mqtt.Client, m mqtt.Message) {
		switch {
		case all: // the map is ours again
		case m.Topic() == mark:
			all = true
			close(seen)
		case m.Retained():
			s.of(deviceOf(m.Topic()))[m.Topic()] = sha256.Sum256(m.Payload())
		}
	}
	filters := []string{report.AgencyRoot + "/#", report.SharedRoot + "/#"}
	tok := s.client.SubscribeMultiple(map[string]byte{filters[0]: 0, filters[1]: 0}, handler)
	if err := s.wait(ctx, tok, answerWithin); err != nil {
		return err
	}
	for filter, code := range tok.(*mqtt.SubscribeToken).Result() {
		if code > 2 {
			return fmt.Errorf("the broker refuses the subscription to %s; does this certificate have the fan-out's name?", filter)
		}
	}
	if err := s.wait(ctx, s.client.Publish(mark, 1, false, "x"), answerWithin); err != nil {
		return err
	}
	limit := time.NewTimer(answerWithin)
	defer limit.Stop()
	select {
	case <-seen:
	case <-s.lost:
		return s.cause
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		return errors.New("our own message does not come back; the broker's rules do not let this client write or read its branches")
	}
	return s.wait(ctx, s.client.Unsubscribe(filters...), answerWithin)
}

// publish sends messages and waits until the broker has them all.
func (s *session) publish(ctx context.Context, all []message) error {
	for len(all) > 0 {
		n := min(window, len(all))
		toks := make([]mqtt.Token, 0, n)
		for _, m := range all[:n] {
			toks = append(toks, s.client.Publish(m.topic, 1, m.retained, m.payload))
		}
		for i, tok := range toks {
			if err := s.wait(ctx, tok, answerWithin); err != nil {
				return fmt.Errorf("publish on %s: %w", all[i].topic, err)
			}
		}
		all = all[n:]
	}
	return nil
}

// wait waits for a token; paho leaves some unfinished when a connection is lost.
func (s *session) wait(ctx context.Context, tok mqtt.Token, most time.Duration) error {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-tok.Done():
		return tok.Error()
	case <-s.lost:
		return s.cause
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return fmt.Errorf("no answer after %s", most)
	}
}
