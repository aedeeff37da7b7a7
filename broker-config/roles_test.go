package brokerconfig

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kentongan/broker-config/brokertest"
)

const agenciesFile = "agencies: [{name: dinkes, operators: [ani]}, {name: diskominfo, operators: [citra]}]\n"

// overseer is a name that sees and writes everything, in these tests only.
const overseer = "test.overseer"

// system is a broker under test.
type system struct {
	name   string
	addr   string
	ca     *brokertest.CA
	revoke func(t *testing.T, p brokertest.Pair, device string) // on the running broker
	nats   bool
}

// brokerFile is what the centre's own command prints.
func brokerFile(t testing.TB, centre string, ids []string, args ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"agencies.yaml": agenciesFile, "ids": strings.Join(ids, "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(centre, append([]string{"broker"}, append(args, "ids", "--agencies", "agencies.yaml")...)...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, errs.String())
	}
	return out
}

func mosquittoSystem(t *testing.T, centre string) *system {
	ca := brokertest.NewCA(t)
	acl := func(barred ...string) []byte {
		return append(brokerFile(t, centre, barred, "mosquitto-acl", "--barred"), "\nuser "+overseer+"\ntopic readwrite #\ntopic readwrite $SYS/#\n"...)
	}
	m := brokertest.StartMosquitto(t, ca, acl())
	return &system{name: "Mosquitto", addr: m.Addr, ca: ca, revoke: func(t *testing.T, p brokertest.Pair, device string) {
		if err := os.WriteFile(filepath.Join(m.Dir, "acl"), acl(device), 0o600); err != nil {
			t.Fatal(err)
		}
		ca.Revoke(t, filepath.Join(m.Dir, "tls", "crl.pem"), p)
		m.Reload()
	}}
}

func natsSystem(t *testing.T, centre string) *system {
	ca := brokertest.NewCA(t)
	users := func(devices ...string) []byte {
		text := string(brokerFile(t, centre, devices, "nats-users", "--devices"))
		return []byte(strings.TrimSuffix(text, "]\n") + "  {user: \"CN=" + overseer + "\"}\n]\n")
	}
	c := brokertest.StartCluster(t, ca, users("kiosk-7", "kiosk-8", "kiosk-9", "kiosk-10"))
	return &system{name: "NATS", addr: c.Addrs[0], ca: ca, nats: true, revoke: func(t *testing.T, _ brokertest.Pair, device string) {
		left := slices.DeleteFunc([]string{"kiosk-7", "kiosk-8", "kiosk-9", "kiosk-10"}, func(d string) bool { return d == device })
		c.Users(t, users(left...))
		c.Reload()
	}}
}

// dial connects as a name with a certificate of it. It goes on until it is let in:
// NATS refuses for a second who takes turns with another, and for some more while a
// new cluster makes its first streams.
func (s *system) dial(t *testing.T, name string) (c *client) {
	t.Helper()
	id := strings.ReplaceAll(name, ".", "-") // NATS takes no dot in a client id
	d := dialling{addr: s.addr, id: id, tls: s.ca.TLS(s.ca.Client(t, name))}
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if c, err = dial(t, d); err == nil {
			return c
		}
	}
	t.Fatalf("%s is not let in: %v", name, err)
	return nil
}

// TestRoles holds both brokers to one table: what each role may publish and
// read, who is not let in, and what takes it back from one who was.
func TestRoles(t *testing.T) {
	t.Parallel()
	centre := brokertest.Build(t, "kentongan/cmd/kentongan-centre")
	for _, make := range []func(*testing.T, string) *system{mosquittoSystem, natsSystem} {
		s := make(t, centre)
		t.Run(s.name, func(t *testing.T) {
			t.Run("Reach", s.testReach)
			t.Run("Will", s.testWill)
			t.Run("Retained", s.testRetained)
			t.Run("Session", s.testSession)
			t.Run("Strangers", s.testStrangers)
			t.Run("ClientID", s.testClientID)
			t.Run("Revoked", s.testRevoked)
		})
	}
}

const (
	no = iota
	write
	read
	both
)

// reach is what each role may do on a topic; what is not named is no.
var reach = []struct {
	topic string
	may   map[string]int
}{
	{"kentongan/v1/kiosk-7/up/complaint", map[string]int{"kiosk-7": write, "kentongan.centre": read}},
	{"kentongan/v1/kiosk-7/up/telemetry/backlog/gz", map[string]int{"kiosk-7": write, "kentongan.centre": read}},
	{"kentongan/v1/kiosk-7/state", map[string]int{"kiosk-7": write, "kentongan.centre": read}},
	{"kentongan/v1/kiosk-7/state/stream/gate", map[string]int{"kiosk-7": write, "kentongan.centre": read}},
	{"kentongan/v1/kiosk-7/ack/complaint", map[string]int{"kiosk-7": read, "kentongan.centre": both}},
	{"kentongan/v1/kiosk-7/cmd/snapshot", map[string]int{"kiosk-7": read, "kentongan.centre": both}},
	{"kentongan/v1/kiosk-8/up/complaint", map[string]int{"kentongan.centre": read}},
	{"kentongan/v1/kiosk-8/state", map[string]int{"kentongan.centre": read}},
	{"kentongan/v1/kiosk-8/ack/event", map[string]int{"kentongan.centre": both}},
	{"kentongan/v1/kiosk-8/cmd/restart", map[string]int{"kentongan.centre": both}},
	{"kentongan/v1/kiosk-7/elsewhere", nil},
	{"kentongan/v1/dinkes.ani/up/complaint", map[string]int{"kentongan.centre": read}},
	{"kentongan/v1/kentongan.police/state", map[string]int{"kentongan.centre": read}},
	{"kentongan/v1-agency/dinkes/kiosk-7/complaint", map[string]int{"dinkes.ani": read, "kentongan.fanout": both}},
	{"kentongan/v1-agency/diskominfo/kiosk-8/state", map[string]int{"diskominfo.citra": read, "kentongan.fanout": both}},
	{"kentongan/v1-agency/kiosk-7/up/complaint", map[string]int{"kentongan.fanout": both}},
	{"kentongan/v1-shared/kiosk-7/state/stream/gate", map[string]int{"kentongan.police": read, "kentongan.fanout": both}},
	{"elsewhere", nil},
}

// marks is what each role may read, to see by it that all before has come.
var marks = map[string]string{
	"kiosk-7":          "kentongan/v1/kiosk-7/ack/event",
	"dinkes.ani":       "kentongan/v1-agency/dinkes/mark",
	"diskominfo.citra": "kentongan/v1-agency/diskominfo/mark",
	"kentongan.police": "kentongan/v1-shared/mark",
	"kentongan.fanout": "kentongan/v1-shared/mark",
	"kentongan.centre": "kentongan/v1/kiosk-7/ack/event",
}

// A denied publish is acknowledged all the same (MQTT 3.1.1), and a denied
// subscription may be granted, so what counts is who sees what.
func (s *system) testReach(t *testing.T) {
	all := s.dial(t, overseer)
	all.subscribe(0, "#", "$SYS/#")
	for who, mark := range marks {
		c := s.dial(t, who)
		// The wildcards of somebody who would see more, and of an exact guess.
		c.subscribe(0, mark, "#", "+/#", "kentongan/#", "kentongan/+/+/#", "kentongan/v1/#", "kentongan/v1/+/up/#", "kentongan/v1/+/state/#", "kentongan/v1/+/ack/+", "kentongan/v1/+/cmd/+", "kentongan/v1-agency/#", "kentongan/v1-shared/#", "$SYS/#", "kentongan/v1-agency/dinkes/#", "kentongan/v1-agency/diskominfo/#")
		if s.nats {
			c.subscribe(0, "$MQTT/sub/#", "$JS/#")
		}
		for i, tt := range reach {
			c.subscribe(0, tt.topic)
			text := fmt.Sprint("from ", who, i)
			c.publish(tt.topic, text)
			all.publish(tt.topic, fmt.Sprint("to ", who, i))
			all.publish(mark, text+" mark")
			all.wait(mark, text+" mark")
			c.wait(mark, text+" mark")
			if got, want := all.saw(tt.topic, text), tt.may[who]&write != 0; got != want {
				t.Errorf("%s publishes on %s: seen is %v, want %v", who, tt.topic, got, want)
			}
			if got, want := c.saw(tt.topic, fmt.Sprint("to ", who, i)), tt.may[who]&read != 0; got != want {
				t.Errorf("%s reads %s: seen is %v, want %v", who, tt.topic, got, want)
			}
		}
		// Neither the broker's own topics, nor one that means another level to it.
		for _, topic := range []string{"$SYS/broker/uptime", "$SYS/REQ/SERVER/PING", "kentongan/v1/kiosk-8/up/../../kiosk-8/state", "kentongan.v1.kiosk-8.state"} {
			c.publishAnyhow(topic, "forged by "+who)
			all.publish(mark, "forged "+topic)
			all.wait(mark, "forged "+topic)
			if all.saw(topic, "forged by "+who) {
				t.Errorf("%s publishes on %s", who, topic)
			}
		}
		c.mu.Lock()
		for seen := range c.seen {
			if strings.HasPrefix(seen, "$SYS") {
				t.Errorf("%s reads %s", who, seen)
			}
		}
		c.mu.Unlock()
		c.c.Disconnect(0)
	}
	if s.nats {
		return
	}
	monitor := s.dial(t, "kentongan.monitor")
	monitor.subscribe(0, "$SYS/broker/version", "kentongan/#")
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		monitor.mu.Lock()
		n := len(monitor.seen)
		monitor.mu.Unlock()
		if n > 0 || time.Now().After(end) {
			if n != 1 {
				t.Errorf("the monitor saw %v, want the broker's version", monitor.seen)
			}
			return
		}
	}
}

// publishAnyhow does not mind when the broker ends the session for it.
func (c *client) publishAnyhow(topic, text string) {
	c.c.Publish(topic, 1, false, text).WaitTimeout(time.Second)
}

// A will speaks for who set it, and for nobody else.
func (s *system) testWill(t *testing.T) {
	all := s.dial(t, overseer)
	all.subscribe(0, "#")
	const own, others = "kentongan/v1/kiosk-7/state", "kentongan/v1/kiosk-8/state"
	for _, topic := range []string{others, "kentongan/v1/kiosk-7/ack/event", own} {
		c, err := dial(t, dialling{addr: s.addr, id: "kiosk-7", tls: s.ca.TLS(s.ca.Client(t, "kiosk-7")), willTopic: topic, will: "will " + topic})
		if err != nil {
			if topic == own {
				t.Errorf("a will on the own state: %v", err)
			}
			continue // the broker may say it at once
		}
		c.conn.Close() // paho does not notice; the broker does
	}
	all.wait(own, "will "+own)
	for _, topic := range []string{others, "kentongan/v1/kiosk-7/ack/event"} {
		if all.saw(topic, "will "+topic) {
			t.Errorf("the will of kiosk-7 was published on %s", topic)
		}
	}
}

// What is retained comes to who may read it and to nobody else, whatever the
// filter says, also one of a shared subscription.
func (s *system) testRetained(t *testing.T) {
	all := s.dial(t, overseer)
	for _, tt := range reach {
		if token := all.c.Publish(tt.topic, 1, true, "kept"); !token.WaitTimeout(patience) || token.Error() != nil {
			t.Fatalf("%s: %v", tt.topic, token.Error())
		}
	}
	for who, mark := range marks {
		c := s.dial(t, who)
		filters := []string{"#", "+/#", "kentongan/#", "kentongan/+/#", "kentongan/v1-agency/#", "kentongan/v1-agency/+/#", "kentongan/v1/+/#"}
		for _, tt := range reach {
			filters = append(filters, tt.topic)
		}
		for _, f := range filters {
			c.subscribe(0, f, "$share/g/"+f)
		}
		c.subscribe(0, mark)
		all.publish(mark, "retained "+who)
		c.wait(mark, "retained "+who)
		for i, tt := range reach {
			text := fmt.Sprint("shared ", who, i)
			all.publish(tt.topic, text)
			all.publish(mark, text+" mark")
			c.wait(mark, text+" mark")
			may := tt.may[who]&read != 0
			if c.saw(tt.topic, text) && !may {
				t.Errorf("%s reads %s by a shared subscription", who, tt.topic)
			}
			if got := c.saw(tt.topic, "kept"); got && !may {
				t.Errorf("%s is given what is retained on %s", who, tt.topic)
			} else if !got && may {
				t.Errorf("%s is not given what is retained on %s", who, tt.topic)
			}
		}
		c.c.Disconnect(0)
	}
	for _, tt := range reach {
		if token := all.c.Publish(tt.topic, 1, true, ""); !token.WaitTimeout(patience) || token.Error() != nil {
			t.Fatalf("%s: %v", tt.topic, token.Error())
		}
	}
}

// Who takes up the session that the centre has left under its client id gets
// nothing of what waits in it.
func (s *system) testSession(t *testing.T) {
	const topic = "kentongan/v1/kiosk-7/up/complaint"
	all := s.dial(t, overseer)
	centre, err := dial(t, dialling{addr: s.addr, id: "ingest", kept: true, tls: s.ca.TLS(s.ca.Client(t, "kentongan.centre"))})
	if err != nil {
		t.Fatal(err)
	}
	centre.subscribe(1, "kentongan/v1/+/up/#")
	all.publish(topic, "here")
	centre.wait(topic, "here")
	centre.c.Disconnect(100)
	all.publish(topic, "waits")
	for _, who := range []string{"dinkes.ani", "kiosk-8"} {
		thief, err := dial(t, dialling{addr: s.addr, id: "ingest", kept: true, tls: s.ca.TLS(s.ca.Client(t, who))})
		if err != nil {
			continue // that is an answer, too
		}
		mark := map[string]string{"dinkes.ani": marks["dinkes.ani"], "kiosk-8": "kentongan/v1/kiosk-8/ack/event"}[who]
		thief.subscribe(0, mark)
		all.publish(topic, "comes")
		for i := range 3 {
			all.publish(mark, fmt.Sprint("session ", who, i))
			thief.wait(mark, fmt.Sprint("session ", who, i))
		}
		if thief.saw(topic, "waits") || thief.saw(topic, "comes") {
			t.Errorf("%s reads on in the centre's session", who)
		}
		thief.c.Disconnect(100)
	}
}

func (s *system) testStrangers(t *testing.T) {
	other := brokertest.NewCA(t)
	tests := map[string]dialling{
		"no TLS":            {},
		"no certificate":    {tls: s.ca.TLS()},
		"expired":           {tls: s.ca.TLS(s.ca.Expired(t, "kiosk-7"))},
		"another authority": {tls: s.ca.TLS(other.Client(t, "kiosk-7"))},
	}
	if s.nats { // Mosquitto takes whoever the authority has signed for
		tests["not among the users"] = dialling{tls: s.ca.TLS(s.ca.Client(t, "kiosk-99"))}
		tests["centre's name with a password"] = dialling{user: "CN=kentongan.centre", password: "x", tls: s.ca.TLS(s.ca.Client(t, "kiosk-99"))}
	}
	for name, d := range tests {
		d.addr, d.id = s.addr, "kiosk-7"
		if _, err := dial(t, d); err == nil {
			t.Errorf("%s: was let in", name)
		}
	}
	if _, err := dial(t, dialling{addr: s.addr, id: "kiosk-7", tls: s.ca.TLS(s.ca.Client(t, "kiosk-7"))}); err != nil {
		t.Errorf("a good certificate: %v", err)
	}
	// A user name that is said is not the one that counts.
	all := s.dial(t, overseer)
	all.subscribe(0, "#")
	c, err := dial(t, dialling{addr: s.addr, id: "kiosk-7", user: "kentongan.centre", password: "x", tls: s.ca.TLS(s.ca.Client(t, "kiosk-7"))})
	if s.nats {
		if err == nil {
			t.Error("NATS lets in who says another user than its certificate")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	c.publish("kentongan/v1/kiosk-8/ack/event", "posing")
	c.publish("kentongan/v1/kiosk-7/state", "itself")
	all.wait("kentongan/v1/kiosk-7/state", "itself")
	if all.saw("kentongan/v1/kiosk-8/ack/event", "posing") {
		t.Error("who says that it is the centre writes as the centre")
	}
}

// Another's client id gives nobody another's rights. Mosquitto also keeps the
// session of whose id it is, since it goes by the certificate; NATS ends it, as
// MQTT says, and it has to come back.
func (s *system) testClientID(t *testing.T) {
	victim := s.dial(t, "kiosk-7")
	all := s.dial(t, overseer)
	all.subscribe(0, "#")
	thief := mustDial(t, dialling{addr: s.addr, id: "kiosk-7", tls: s.ca.TLS(s.ca.Client(t, "kiosk-8"))})
	thief.subscribe(0, "kentongan/v1/kiosk-7/cmd/+", "kentongan/v1/kiosk-8/cmd/+")
	thief.publish("kentongan/v1/kiosk-7/state", "stolen")
	all.publish("kentongan/v1/kiosk-7/cmd/snapshot", "an order")
	all.publish("kentongan/v1/kiosk-8/cmd/snapshot", "mark")
	thief.wait("kentongan/v1/kiosk-8/cmd/snapshot", "mark")
	if thief.saw("kentongan/v1/kiosk-7/cmd/snapshot", "an order") || all.saw("kentongan/v1/kiosk-7/state", "stolen") {
		t.Error("with the client id of kiosk-7, kiosk-8 reads or writes as kiosk-7")
	}
	if s.nats {
		select {
		case <-victim.lost:
		case <-time.After(patience):
			t.Fatal("NATS kept both sessions: say so in docs/reference/broker.md")
		}
		victim = s.dial(t, "kiosk-7")
	}
	select {
	case <-victim.lost:
		t.Error("the session of kiosk-7 was ended by who took its client id")
	default:
	}
	victim.publish("kentongan/v1/kiosk-7/state", "still here")
	all.wait("kentongan/v1/kiosk-7/state", "still here")
}

// Revocation takes effect on a running broker: the open session can do nothing
// more, and no new one begins.
func (s *system) testRevoked(t *testing.T) {
	pair := s.ca.Client(t, "kiosk-9")
	gone := mustDial(t, dialling{addr: s.addr, id: "kiosk-9", tls: s.ca.TLS(pair)})
	kept := s.dial(t, "kiosk-10")
	all := s.dial(t, overseer)
	all.subscribe(0, "#")
	gone.subscribe(0, "kentongan/v1/kiosk-9/cmd/+")
	gone.publish("kentongan/v1/kiosk-9/state", "before")
	all.wait("kentongan/v1/kiosk-9/state", "before")
	s.revoke(t, pair, "kiosk-9")
	refused := false
	for n, end := 0, time.Now().Add(patience); !refused && time.Now().Before(end); n++ {
		// Under another client id, which Mosquitto passes over, NATS does not. It refuses
		// one that takes turns with itself, too, so each is new.
		_, err := dial(t, dialling{addr: s.addr, id: fmt.Sprint("kiosk-9-again-", n), tls: s.ca.TLS(pair)})
		refused = err != nil
		time.Sleep(20 * time.Millisecond)
	}
	if !refused {
		t.Fatalf("the revoked certificate is let in %v after", patience)
	}
	gone.publishAnyhow("kentongan/v1/kiosk-9/state", "after")
	all.publish("kentongan/v1/kiosk-9/cmd/snapshot", "an order")
	kept.publish("kentongan/v1/kiosk-10/state", "mark")
	all.wait("kentongan/v1/kiosk-10/state", "mark")
	if all.saw("kentongan/v1/kiosk-9/state", "after") || gone.saw("kentongan/v1/kiosk-9/cmd/snapshot", "an order") {
		t.Error("the open session of a revoked certificate goes on")
	}
}
