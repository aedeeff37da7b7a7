package brokerconfig

import (
	"crypto/tls"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// patience is how long a test waits for what has to happen on a busy machine.
const patience = 2 * time.Minute

// client is a plain MQTT client and what it has seen.
type client struct {
	t    *testing.T
	name string
	c    mqtt.Client
	conn net.Conn
	lost chan struct{}

	mu   sync.Mutex // guards seen
	seen map[string]int
}

type dialling struct {
	addr, id, user, password string
	tls                      *tls.Config
	willTopic, will          string
	kept                     bool // the session outlives the connection
}

// dial connects once; err is the broker's refusal.
func dial(t *testing.T, d dialling) (*client, error) {
	t.Helper()
	c := &client{t: t, name: d.id, lost: make(chan struct{}), seen: map[string]int{}}
	scheme := "tcp"
	if d.tls != nil {
		scheme = "ssl"
	}
	o := mqtt.NewClientOptions().AddBroker(scheme + "://" + d.addr).SetClientID(d.id).
		SetUsername(d.user).SetPassword(d.password).SetCleanSession(!d.kept).
		SetProtocolVersion(4).SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(patience).
		SetConnectionLostHandler(func(mqtt.Client, error) { close(c.lost) }).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.seen[m.Topic()+" "+string(m.Payload())]++
		}).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
			conn, err := net.DialTimeout("tcp", d.addr, patience)
			if err != nil {
				return nil, err
			}
			c.conn = conn
			if d.tls == nil {
				return conn, nil
			}
			secure := tls.Client(conn, d.tls)
			_ = secure.SetDeadline(time.Now().Add(patience))
			if err := secure.Handshake(); err != nil {
				conn.Close()
				return nil, err
			}
			return secure, secure.SetDeadline(time.Time{})
		})
	if d.willTopic != "" {
		o.SetWill(d.willTopic, d.will, 1, false)
	}
	c.c = mqtt.NewClient(o)
	token := c.c.Connect()
	token.Wait()
	if token.Error() == nil {
		t.Cleanup(func() { c.c.Disconnect(0) })
	}
	return c, token.Error()
}

func mustDial(t *testing.T, d dialling) *client {
	t.Helper()
	c, err := dial(t, d)
	if err != nil {
		t.Fatalf("%s: %v", d.id, err)
	}
	return c
}

// publish waits for the PUBACK, which is given for what is denied too.
func (c *client) publish(topic, text string) {
	c.t.Helper()
	token := c.c.Publish(topic, 1, false, text)
	if !token.WaitTimeout(patience) || token.Error() != nil {
		c.t.Fatalf("%s: publish on %s: no answer: %v", c.name, topic, token.Error())
	}
}

// subscribe asks for filters one by one; a broker may refuse, or grant and
// deliver nothing.
func (c *client) subscribe(qos byte, filters ...string) {
	c.t.Helper()
	for _, f := range filters {
		token := c.c.Subscribe(f, qos, nil)
		if !token.WaitTimeout(patience) {
			c.t.Fatalf("%s: subscribe to %s: no answer", c.name, f)
		}
	}
}

// saw tells whether a message has come.
func (c *client) saw(topic, text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[topic+" "+text] > 0
}

// wait waits for a message.
func (c *client) wait(topic, text string) {
	c.t.Helper()
	for end := time.Now().Add(patience); !c.saw(topic, text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("%s: %q on %s has not come after %v", c.name, text, topic, patience)
		}
	}
}
