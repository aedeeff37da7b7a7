package fanout_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/agent/report"
	"kentongan/broker-config/brokertest"
	"kentongan/cmd/kentongan-centre/internal/agencies"
	"kentongan/cmd/kentongan-centre/internal/brokerauth"
	"kentongan/cmd/kentongan-centre/internal/devicetest"
	"kentongan/cmd/kentongan-centre/internal/fanout"
	"kentongan/cmd/kentongan-centre/internal/store"
	"kentongan/cmd/kentongan-centre/internal/store/storetest"
)

// patience is how long a test waits for what has to happen on a busy machine.
const patience = 2 * time.Minute

// secret stands in every field that must not leave.
const secret = "RAHASIA"

func parse(t *testing.T, text string) *agencies.Map {
	t.Helper()
	m, err := agencies.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// reader is somebody who reads all that the broker lets him, and whose session the
// broker keeps while he is away.
type reader struct {
	t     *testing.T
	name  string
	leave func()

	mu       sync.Mutex // guards what follows
	standing map[string]string
	came     []string // "TOPIC PAYLOAD"
}

func read(t *testing.T, addr string, ca *brokertest.CA, name string, filters ...string) *reader {
	t.Helper()
	client := connect(t, addr, ca.TLS(ca.Client(t, name)), name)
	r := &reader{t: t, name: name, standing: map[string]string{}, leave: func() { client.Disconnect(100) }}
	for _, f := range filters {
		wait(t, client.Subscribe(f, 1, func(_ mqtt.Client, m mqtt.Message) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.came = append(r.came, m.Topic()+" "+string(m.Payload()))
			if strings.Contains(m.Topic(), "/state") {
				r.standing[m.Topic()] = string(m.Payload())
			}
		}))
	}
	return r
}

func connect(t *testing.T, addr string, cfg *tls.Config, name string) mqtt.Client {
	t.Helper()
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("ssl://" + addr).SetClientID(name).SetTLSConfig(cfg).
		SetProtocolVersion(4).SetCleanSession(false).SetConnectTimeout(patience).SetMaxReconnectInterval(time.Second))
	wait(t, c.Connect())
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

func wait(t *testing.T, tok mqtt.Token) {
	t.Helper()
	if !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatalf("the broker does not answer: %v", tok.Error())
	}
}

// until waits until a condition holds of what has come.
func (r *reader) until(what string, ok func(standing map[string]string, came []string) bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		r.mu.Lock()
		good := ok(r.standing, r.came)
		r.mu.Unlock()
		if good {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("%s: %s has not happened after %v; there is\n%s", r.name, what, patience, strings.Join(r.came, "\n"))
		}
	}
}

// gets waits for a message on a topic with a text in it.
func (r *reader) gets(topic, text string) {
	r.t.Helper()
	r.until("a message on "+topic+" with "+text, func(_ map[string]string, came []string) bool {
		for _, m := range came {
			if strings.HasPrefix(m, topic+" ") && strings.Contains(m, text) {
				return true
			}
		}
		return false
	})
}

// never tells of a message that must not have come.
func (r *reader) never(text string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.came {
		if strings.Contains(m, text) {
			r.t.Errorf("%s got %s", r.name, m)
		}
	}
}

// site is a store, a real broker, and the fan-out between them.
type site struct {
	t      *testing.T
	store  *store.Store
	ca     *brokertest.CA
	broker *brokertest.Mosquitto
	fan    *fanout.Fanout
	file   string
	stop   func()

	mu    sync.Mutex // guards whose
	whose *agencies.Map
}

func newSite(t *testing.T, whose string) *site {
	t.Helper()
	s := &site{t: t, ca: brokertest.NewCA(t), whose: parse(t, whose), file: filepath.Join(t.TempDir(), "fanout.json")}
	var acl bytes.Buffer
	if err := brokerauth.Mosquitto(&acl, s.whose, nil); err != nil {
		t.Fatal(err)
	}
	s.broker = brokertest.StartMosquitto(t, s.ca, acl.Bytes())
	s.store = storetest.Open(t)
	s.start()
	return s
}

// start runs a fan-out; stop ends it.
func (s *site) start() {
	s.t.Helper()
	s.fan = fanout.New(fanout.Config{
		Nodes: []*url.URL{{Scheme: "mqtts", Host: s.broker.Addr}}, TLS: s.ca.TLS(s.ca.Client(s.t, brokerauth.Fanout)),
		Name: "centre-fanout", File: s.file, Source: s.store.For(store.Everything()),
		Agencies: func(context.Context) (fanout.Agencies, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.whose, nil
		},
		AgenciesEvery: 50 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	fan := s.fan
	go func() {
		defer close(done)
		if err := fan.Run(ctx); err != nil {
			s.t.Errorf("run fan-out: %v", err)
		}
	}()
	s.stop = sync.OnceFunc(func() { cancel(); <-done })
	s.t.Cleanup(s.stop)
}

// commit is what the ingest does with what a device says.
func (s *site) commit(device string, as ...store.Arrival) {
	s.t.Helper()
	for i := range as {
		as[i].Device, as[i].At = device, time.Now()
	}
	c, err := s.store.Commit(context.Background(), as)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(c.Refused) > 0 {
		s.t.Fatalf("refused: %v", c.Refused)
	}
	s.fan.Offer(c)
}

func online(session string) *report.DeviceState {
	return &report.DeviceState{V: report.Version, State: report.Online, Session: session, Since: devicetest.T0, Site: "Balai Kota", Lat: -6.12, Lon: 106.15}
}

// camera is a state with a secret in every field that police must not see.
func camera(name string, shared bool) *report.StreamState {
	return &report.StreamState{
		Name: name, State: "playing", Since: devicetest.T0, Codec: "H264", Width: 1920, Height: 1080, Shared: shared,
		URL: "rtsp://10.0.0.5/" + secret, Detail: secret, Quirks: secret,
		Picture: &report.PictureState{Checked: true, Found: []report.PictureVerdict{{Condition: "black", Detail: secret}}},
	}
}

const twoAgencies = `default: diskominfo
agencies:
  - {name: diskominfo, operators: [citra]}
  - {name: dinkes, devices: [kiosk-7], services: [puskesmas], operators: [ani]}
`

const (
	dinkes     = "kentongan/v1-agency/dinkes/"
	diskominfo = "kentongan/v1-agency/diskominfo/"
	shared     = "kentongan/v1-shared/"
)

// What each agency and the police are passed, by the rules of a real broker and
// over a real bridge: their own, and nothing else.
func TestEachIsPassedItsOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t, twoAgencies)
	police := brokertest.NewCA(t)
	theirs := brokertest.StartMosquitto(t, police, []byte("user banten\ntopic write kentongan/v1-shared/#\nuser officer\ntopic read #\n"))
	brokertest.StartPoliceBridge(t, s.ca, s.broker.Addr, police, theirs.Addr)

	ani := read(t, s.broker.Addr, s.ca, "dinkes.ani", "#")
	citra := read(t, s.broker.Addr, s.ca, "diskominfo.citra", "#")
	officer := read(t, theirs.Addr, police, "officer", "#")

	seven, nine := devicetest.New(t, "kiosk-7", 7, ""), devicetest.New(t, "kiosk-9", 9, "")
	s.commit("kiosk-7", store.Arrival{State: online("a.1")}, store.Arrival{Stream: camera("gate", true)}, store.Arrival{Stream: camera("office", false)})
	s.commit("kiosk-9", store.Arrival{State: online("b.1")}, store.Arrival{Stream: camera("hall", false)})

	ani.gets(dinkes+"kiosk-7/state", `"site":"Balai Kota"`)
	ani.gets(dinkes+"kiosk-7/state/stream/office", `"state":"playing"`)
	ani.gets(dinkes+"kiosk-7/state/alarms", `"count":0`)
	citra.gets(diskominfo+"kiosk-9/state/stream/hall", `"state":"playing"`)
	officer.gets(shared+"kiosk-7/state/stream/gate", `"picture":["black"]`)

	// Complaints go by their service, else by their kiosk; the PIN stays.
	press := report.Press{Ticket: report.NewTicket(9, 1).String(), ServiceCode: "puskesmas", Category: "kesehatan", Presses: 1, PIN: "K7QX"}
	far := nine.Record(report.Complaint, report.KindPress, press)
	press.Ticket, press.ServiceCode = report.NewTicket(9, 2).String(), "jalan-rusak"
	near := nine.Record(report.Complaint, report.KindPress, press)
	cancel := nine.Record(report.Complaint, report.KindCancel, report.Cancel{Ticket: report.NewTicket(9, 1).String(), Line: "road", By: "button"})
	s.commit("kiosk-9", store.Arrival{Batch: nine.Batch(report.Complaint, far, near, cancel)})
	ani.gets(dinkes+"kiosk-9/complaint", `"service_code":"puskesmas"`)
	ani.gets(dinkes+"kiosk-9/complaint", `"kind":"cancel"`)
	citra.gets(diskominfo+"kiosk-9/complaint", `"service_code":"jalan-rusak"`)

	// Events.
	gate, office := *camera("gate", true), *camera("office", false)
	alarm := report.Alarm{ID: "0123456789abcdef", N: 1, Source: "stream/gate", Condition: "black", Severity: report.Major, State: report.AlarmAcknowledged, By: secret, Note: secret, Label: secret, Detail: secret, Text: report.Text{ID: "Gambar hitam", EN: "Black picture"}}
	hidden := alarm
	hidden.ID, hidden.N, hidden.Source = "fedcba9876543210", 2, "stream/office"
	s.commit("kiosk-7", store.Arrival{Batch: seven.Batch(report.Event,
		seven.Record(report.Event, report.KindStream, office), seven.Record(report.Event, report.KindStream, gate),
		seven.Record(report.Event, report.KindCommand, report.CommandResult{ID: "x", Name: "restart", State: report.CommandSucceeded}),
		seven.Record(report.Event, report.KindAlarm, hidden), seven.Record(report.Event, report.KindAlarm, alarm))})
	ani.gets(dinkes+"kiosk-7/event/alarm", `"stream/office"`)
	ani.gets(dinkes+"kiosk-7/event/stream", `"name":"office"`)
	officer.gets(shared+"kiosk-7/event/stream/gate", `"stream":{`)
	officer.gets(shared+"kiosk-7/event/stream/gate", `"condition":"black"`) // the last that was sent

	ani.never(diskominfo)
	ani.never("jalan-rusak")
	ani.never("K7QX")
	ani.never("/event/command")
	citra.never(dinkes)
	citra.never("puskesmas")
	citra.never("K7QX")
	for _, text := range []string{secret, "office", "hall", "complaint", "kiosk-9", "10.0.0.5", "v1-agency", "kentongan/v1/"} {
		officer.never(text)
	}
}

// States follow: what is shared no more, gone, or another agency's, disappears
// from where it stood, also when it changed while nobody was there.
func TestStatesFollow(t *testing.T) {
	t.Parallel()
	s := newSite(t, twoAgencies)
	ani := read(t, s.broker.Addr, s.ca, "dinkes.ani", "#")
	citra := read(t, s.broker.Addr, s.ca, "diskominfo.citra", "#")
	police := read(t, s.broker.Addr, s.ca, brokerauth.Police, "#")
	gone := func(r *reader, topic string) {
		t.Helper()
		r.until(topic+" taken away", func(standing map[string]string, _ []string) bool {
			payload, known := standing[topic]
			return known && payload == ""
		})
	}
	s.commit("kiosk-7", store.Arrival{State: online("a.1")}, store.Arrival{Stream: camera("gate", true)}, store.Arrival{Stream: camera("yard", true)})
	police.gets(shared+"kiosk-7/state/stream/gate", "playing")
	police.gets(shared+"kiosk-7/state/stream/yard", "playing")

	s.commit("kiosk-7", store.Arrival{Stream: camera("gate", false)})
	gone(police, shared+"kiosk-7/state/stream/gate")

	// While the fan-out is away, a camera goes and the device changes hands.
	s.stop()
	s.commit("kiosk-7", store.Arrival{StreamGone: "yard"})
	s.mu.Lock()
	s.whose = parse(t, "agencies: [{name: dinkes}, {name: diskominfo, devices: [kiosk-7]}]")
	s.mu.Unlock()
	s.start()
	gone(police, shared+"kiosk-7/state/stream/yard")
	gone(ani, dinkes+"kiosk-7/state")
	gone(ani, dinkes+"kiosk-7/state/stream/gate")
	citra.gets(diskominfo+"kiosk-7/state", `"online"`)

	// And while it runs.
	s.mu.Lock()
	s.whose = parse(t, twoAgencies)
	s.mu.Unlock()
	gone(citra, diskominfo+"kiosk-7/state")

	// Who comes later finds the same as who was there.
	ani.until("the state is back", func(standing map[string]string, _ []string) bool { return standing[dinkes+"kiosk-7/state"] != "" })
	ani.leave()
	later := read(t, s.broker.Addr, s.ca, "dinkes.ani", "#")
	later.gets(dinkes+"kiosk-7/state/stream/gate", "playing")
	later.never("yard")
}

// What was committed while the broker or the fan-out was away is passed on later,
// in order, and at least once.
func TestRecordsAreNotLeftOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, twoAgencies)
	seven := devicetest.New(t, "kiosk-7", 7, "")
	line := func(count int) store.Arrival {
		return store.Arrival{Batch: seven.Batch(report.Event, seven.Record(report.Event, report.KindLine, report.LineState{Line: "road", State: "ok", Count: uint64(count)}))}
	}
	ani := read(t, s.broker.Addr, s.ca, "dinkes.ani", "#")
	n := 0
	more := func() {
		for range 20 {
			n++
			s.commit("kiosk-7", line(n))
		}
	}
	more()
	ani.gets(dinkes+"kiosk-7/event/line", `"count":20`)
	s.broker.Stop() // the broker, while the fan-out goes on
	more()
	s.broker.Start(t)
	more()
	ani.gets(dinkes+"kiosk-7/event/line", `"count":60`)
	s.stop() // the fan-out, while the broker goes on
	more()
	s.start()
	ani.gets(dinkes+"kiosk-7/event/line", `"count":80`)

	got := map[uint64]bool{}
	ani.mu.Lock()
	defer ani.mu.Unlock()
	for _, m := range ani.came {
		topic, payload, _ := strings.Cut(m, " ")
		if topic != dinkes+"kiosk-7/event/line" {
			continue
		}
		var rec report.Record
		var ln report.LineState
		if err := json.Unmarshal([]byte(payload), &rec); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(rec.Body, &ln); err != nil {
			t.Fatal(err)
		}
		got[ln.Count] = true
	}
	for c := 1; c <= n; c++ {
		if !got[uint64(c)] {
			t.Errorf("record %d of %d was not passed on", c, n)
		}
	}
}

// A client without the fan-out's rights is told so and goes on trying.
func TestWithoutRightsNothingIsPassedOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, twoAgencies)
	var log bytes.Buffer
	var mu sync.Mutex
	f := fanout.New(fanout.Config{
		Nodes: []*url.URL{{Scheme: "mqtts", Host: s.broker.Addr}}, TLS: s.ca.TLS(s.ca.Client(t, "kiosk-7")), Name: "x", File: filepath.Join(t.TempDir(), "f"),
		Source:   s.store.For(store.Everything()),
		Agencies: func(context.Context) (fanout.Agencies, error) { return s.whose, nil },
		Log:      slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil)),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		mu.Lock()
		text := log.String()
		mu.Unlock()
		if strings.Contains(text, "the broker's rules do not let this client") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the log does not say what is wrong:\n%s", text)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}
