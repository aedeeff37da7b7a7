// Package homeassistant lets the devices of a centre appear by themselves in Home
// Assistant, by its MQTT discovery (device discovery, Home Assistant 2024.11 or
// later).
//
//	store ──► facts ──┬──► PREFIX/device/kentongan_DEVICE/config   what there is
//	                  └──► kentongan-ha/DEVICE/state               how it is
//
// All is retained. Each device is one document with its components; its state is
// one JSON value that the components' templates pick from. A device is available
// while the centre is and while its own state says online. Nothing that Home
// Assistant publishes is read: it shows and orders nothing.
//
// The centre publishes it and not the device: what it says has been verified, the
// broker confines a device to its own branch, and one that is sent away is taken
// out by somebody who is still there. See docs/decisions.
package homeassistant

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/cmd/kentongan-centre/internal/mqttaddr"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Config says where Home Assistant listens.
type Config struct {
	Broker             *url.URL // mqtt or mqtts
	TLS                *tls.Config
	Username, Password string
	Prefix             string // of Home Assistant's discovery, homeassistant by default there
	Every              time.Duration

	within time.Duration // of the broker, to anything; 0 is 15 s
}

// Publisher publishes the devices that a view sees. Run may be called once.
type Publisher struct {
	cfg  Config
	view *store.View
	log  *slog.Logger

	client mqtt.Client
	said   map[string]string // topic → payload that the broker has
}

// New makes a publisher; it connects to nothing yet.
func New(cfg Config, view *store.View, log *slog.Logger) *Publisher {
	if cfg.within == 0 {
		cfg.within = within
	}
	return &Publisher{cfg: cfg, view: view, log: log}
}

const (
	root          = "kentongan-ha"
	statusTopic   = root + "/status"
	online        = "online"
	offline       = "offline"
	within        = 15 * time.Second
	goodbye       = 2 * time.Second // for the last word, at the end
	firstPause    = time.Second
	longPause     = time.Minute
	maxPrefixText = 64
)

// CheckPrefix tells what is wrong with a prefix.
func CheckPrefix(s string) error {
	if s == "" || len(s) > maxPrefixText {
		return fmt.Errorf("%q: 1 to %d characters", s, maxPrefixText)
	}
	for _, c := range s {
		if c == '+' || c == '#' || c <= ' ' || c > '~' {
			return fmt.Errorf("%q: no +, # or space in it", s)
		}
	}
	return nil
}

// Run publishes until ctx ends, and says then that nothing is available. A broker
// that is away is tried again.
func (p *Publisher) Run(ctx context.Context) error {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		err := p.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > longPause {
			pause = firstPause
		}
		p.log.Warn("session over", "broker", p.cfg.Broker.Redacted(), "err", err, "retry_in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, longPause)
	}
	return nil
}

// session is one connection. What the broker has of an earlier one is not known,
// so all is said again, and what stands there of devices that are gone is taken
// away.
func (p *Publisher) session(ctx context.Context) error {
	p.said = map[string]string{}
	lost := make(chan error, 1) // of this session alone: paho may tell late
	o := mqtt.NewClientOptions().AddBroker(mqttaddr.Paho(p.cfg.Broker)).SetClientID("kentongan-ha").
		SetCleanSession(true).SetProtocolVersion(4).SetAutoReconnect(false).SetConnectRetry(false).
		SetUsername(p.cfg.Username).SetPassword(p.cfg.Password).SetTLSConfig(p.cfg.TLS).
		SetConnectTimeout(p.cfg.within).SetWriteTimeout(p.cfg.within).SetKeepAlive(30*time.Second).
		SetWill(statusTopic, offline, 1, true).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err })
	p.client = mqtt.NewClient(o)
	if err := p.wait(ctx, p.client.Connect()); err != nil {
		p.client.Disconnect(0)
		return fmt.Errorf("connect: %w", err)
	}
	defer p.leave(ctx)
	old, err := p.left(ctx)
	if err != nil {
		return err
	}
	for _, topic := range old {
		p.said[topic] = "?" // something
	}
	p.log.Info("connected", "broker", p.cfg.Broker.Redacted())
	tick := time.NewTicker(p.cfg.Every)
	defer tick.Stop()
	for {
		if err := p.say(ctx); err != nil {
			return err
		}
		if err := p.publish(ctx, statusTopic, online); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-lost:
			return fmt.Errorf("connection lost: %w", err)
		case <-tick.C:
		}
	}
}

// leave says that nothing is available, which the will does where it can't.
func (p *Publisher) leave(ctx context.Context) {
	if p.client.IsConnectionOpen() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		if err := p.publish(ctx, statusTopic, offline); err != nil {
			p.log.Warn("end not said", "err", err)
		}
	}
	p.client.Disconnect(250)
}

// left lists what an earlier run left at the broker: retained messages come
// at once, so it is over when none has come for a moment.
func (p *Publisher) left(ctx context.Context) (topics []string, err error) {
	got := make(chan string, 1<<16)
	take := func(_ mqtt.Client, m mqtt.Message) {
		if m.Retained() && len(m.Payload()) > 0 && ours(m.Payload()) {
			select {
			case got <- m.Topic():
			default:
			}
		}
	}
	filter := p.cfg.Prefix + "/device/+/config"
	if err := p.wait(ctx, p.client.Subscribe(filter, 1, take)); err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", filter, err)
	}
	for {
		select {
		case topic := <-got:
			topics = append(topics, topic)
		case <-time.After(leftWithin):
			if len(got) > 0 {
				continue // a busy machine was late with both
			}
			return topics, p.wait(ctx, p.client.Unsubscribe(filter))
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// leftWithin is how long the next retained message may be in coming.
const leftWithin = time.Second

// ours tells whether a discovery document is one that this program made.
func ours(payload []byte) bool {
	var d struct {
		Origin origin `json:"origin"`
	}
	return json.Unmarshal(payload, &d) == nil && d.Origin.Name == originName
}

// say publishes what has changed, and takes away what is no more.
func (p *Publisher) say(ctx context.Context) error {
	all, err := gather(ctx, p.view, time.Now())
	if err != nil {
		return err
	}
	now := map[string]string{}
	for _, f := range all {
		config, err := json.Marshal(f.discovery())
		if err != nil {
			return fmt.Errorf("encode discovery of %s: %w", f.id, err)
		}
		state, err := json.Marshal(f.state())
		if err != nil {
			return fmt.Errorf("encode state of %s: %w", f.id, err)
		}
		now[p.configTopic(f.id)], now[f.stateTopic()] = string(config), string(state)
		// The state first, or Home Assistant shows what it does not know yet.
		for _, topic := range []string{f.stateTopic(), p.configTopic(f.id)} {
			if err := p.publish(ctx, topic, now[topic]); err != nil {
				return err
			}
		}
	}
	for topic := range p.said {
		if _, still := now[topic]; !still && topic != statusTopic {
			if err := p.publish(ctx, topic, ""); err != nil {
				return err
			}
			delete(p.said, topic)
		}
	}
	return nil
}

func (p *Publisher) configTopic(device string) string {
	return p.cfg.Prefix + "/device/kentongan_" + device + "/config"
}

// publish says a retained value, when the broker has another one.
func (p *Publisher) publish(ctx context.Context, topic, payload string) error {
	if had, said := p.said[topic]; said && had == payload {
		return nil
	}
	if err := p.wait(ctx, p.client.Publish(topic, 1, true, payload)); err != nil {
		return fmt.Errorf("publish %s: %w", topic, err)
	}
	p.said[topic] = payload
	return nil
}

func (p *Publisher) wait(ctx context.Context, tok mqtt.Token) error {
	late := time.NewTimer(p.cfg.within)
	defer late.Stop()
	select {
	case <-tok.Done():
		return tok.Error()
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return fmt.Errorf("no answer after %s", p.cfg.within)
	}
}
