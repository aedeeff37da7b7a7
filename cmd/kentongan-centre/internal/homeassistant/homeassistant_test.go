package homeassistant

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/agent/report"
	"kentongan/broker-config/brokertest"
	"kentongan/cmd/kentongan-centre/internal/devicetest"
	"kentongan/cmd/kentongan-centre/internal/store"
	"kentongan/cmd/kentongan-centre/internal/store/storetest"
)

const patience = 90 * time.Second

// mosquitto starts a broker as a house has one, and returns its address.
func mosquitto(t *testing.T) *url.URL {
	t.Helper()
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: brokertest.FreePorts(t, 1)}
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "listener %d 127.0.0.1\nallow_anonymous true\n", addr.Port), 0o644); err != nil {
		t.Fatal(err)
	}
	program := "mosquitto"
	if _, err := exec.LookPath(program); err != nil {
		program = "/usr/sbin/mosquitto"
	}
	cmd := exec.Command(program, "-c", conf)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start Mosquitto (.ci/tools installs it): %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	until(t, "Mosquitto listens", func() bool {
		c, err := net.Dial("tcp", addr.String())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return &url.URL{Scheme: "mqtt", Host: addr.String()}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for: %s", patience, what)
		}
	}
}

// retained reads all that a client finds that comes now, as Home Assistant does
// when it starts.
func retained(t *testing.T, u *url.URL) map[string]string {
	t.Helper()
	got := make(chan mqtt.Message, 1000)
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + u.Host).SetClientID(fmt.Sprint("ha", time.Now().UnixNano())))
	if tok := c.Connect(); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	defer c.Disconnect(0)
	if tok := c.Subscribe("#", 1, func(_ mqtt.Client, m mqtt.Message) { got <- m }); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	// What stands there comes before what is said now.
	const end = "end-of-what-stands-there"
	if tok := c.Publish(end, 1, false, ""); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	out := map[string]string{}
	for late := time.After(patience); ; {
		select {
		case m := <-got:
			if m.Topic() == end {
				return out
			}
			if m.Retained() {
				out[m.Topic()] = string(m.Payload())
			}
		case <-late:
			t.Fatal("the broker does not send what was published")
		}
	}
}

// shows is what Home Assistant would show of it: entity → value.
func shows(t *testing.T, u *url.URL) map[string]string {
	t.Helper()
	in, err := json.Marshal(retained(t, u))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "testdata/as_home_assistant.py")
	cmd.Stdin = strings.NewReader(string(in))
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v; .ci/tools installs python3-jinja2:\n%s", err, text)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), "|")
		out[f[0]+" "+f[1]] = strings.TrimSpace(f[2] + " " + f[3])
	}
	return out
}

// house is a store with one kiosk.
func house(t *testing.T) (*store.Store, *devicetest.Device, func(a store.Arrival)) {
	t.Helper()
	st := storetest.Open(t)
	d := devicetest.New(t, "kiosk-7", 0xe1, "")
	take := func(a store.Arrival) {
		t.Helper()
		a.Device, a.At = d.ID, time.Now()
		if _, err := st.Commit(context.Background(), []store.Arrival{a}); err != nil {
			t.Fatal(err)
		}
	}
	heat := 41.5
	take(store.Arrival{State: &report.DeviceState{V: 1, State: report.Online, Session: "b.1", Version: "1.4.0", Site: "Balai Kota", Streams: []string{"gate"}}})
	take(store.Arrival{Stream: &report.StreamState{Name: "gate", State: "playing", URL: "rtsp://10.0.0.9/"}})
	take(store.Arrival{Batch: d.Batch(report.Complaint, d.Press(), d.Press())})
	take(store.Arrival{Batch: d.Batch(report.Event,
		d.Record(report.Event, report.KindInput, report.InputState{Line: "mains", Kind: "mains", Active: true}),
		d.Record(report.Event, report.KindAlarm, report.Alarm{ID: "5f0c9a1d2e4b5a67", N: 1, Source: "line/mains", Condition: "mains", Severity: report.Major, State: report.AlarmRaised, Since: time.Now()}))})
	take(store.Arrival{Batch: d.Batch(report.Telemetry, d.Record(report.Telemetry, report.KindReading, report.Reading{Sensor: "panel", Temperature: &heat}))})
	return st, d, take
}

func start(t *testing.T, u *url.URL, st *store.Store, scope store.Scope) (stop func()) {
	t.Helper()
	p := New(Config{Broker: u, Prefix: "homeassistant", Every: 50 * time.Millisecond}, st.For(scope), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A kiosk appears with its cameras, buttons, sensors, contacts and alarms; what
// changes is shown; without the centre it is unavailable.
func TestDeviceAppearsInHomeAssistant(t *testing.T) {
	t.Parallel()
	u := mosquitto(t)
	st, d, take := house(t)
	stop := start(t, u, st, store.Everything())
	want := map[string]string{
		"kentongan_kiosk-7 alarm": "ON", "kentongan_kiosk-7 alarms": "1", "kentongan_kiosk-7 missing": "0",
		"kentongan_kiosk-7 stream_gate": "ON", "kentongan_kiosk-7 presses_road": "2",
		"kentongan_kiosk-7 line_mains": "ON", "kentongan_kiosk-7 sensor_panel_temperature": "41.5 °C",
	}
	until(t, "it appears", func() bool { return len(retained(t, u)) == 3 })
	var got map[string]string
	until(t, "its values", func() bool {
		got = shows(t, u)
		for entity, value := range want {
			if got[entity] != value {
				return false
			}
		}
		return true
	})
	for entity, value := range want {
		if got[entity] != value {
			t.Errorf("%s is shown as %q, want %q", entity, got[entity], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("shown %v, want %v", got, want)
	}
	take(store.Arrival{Stream: &report.StreamState{Name: "gate", State: "failed", Class: "timeout", URL: "rtsp://10.0.0.9/"}})
	take(store.Arrival{Batch: d.Batch(report.Complaint, d.Press())})
	until(t, "the change is shown", func() bool {
		got := shows(t, u)
		return got["kentongan_kiosk-7 stream_gate"] == "OFF" && got["kentongan_kiosk-7 presses_road"] == "3"
	})
	take(store.Arrival{State: &report.DeviceState{V: 1, State: report.Offline, Session: "b.1"}})
	until(t, "the device is unavailable", func() bool { return shows(t, u)["kentongan_kiosk-7 alarms"] == "unavailable" })
	take(store.Arrival{State: &report.DeviceState{V: 1, State: report.Online, Session: "b.2", Streams: []string{"gate"}}})
	until(t, "it is back", func() bool { return shows(t, u)["kentongan_kiosk-7 alarms"] == "1" })
	stop()
	if got := shows(t, u)["kentongan_kiosk-7 alarms"]; got != "unavailable" {
		t.Errorf("without the centre it is shown as %q, want unavailable", got)
	}
}

// A device that the view does not see any more is taken away, also when an
// earlier run had published it; what others have published is left alone.
func TestDeviceDisappearsFromHomeAssistant(t *testing.T) {
	t.Parallel()
	u := mosquitto(t)
	st, _, _ := house(t)
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + u.Host).SetClientID("lamp"))
	if tok := c.Connect(); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	defer c.Disconnect(0)
	const lamp = "homeassistant/device/lamp/config"
	if tok := c.Publish(lamp, 1, true, `{"origin":{"name":"lamp"}}`); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	const config = "homeassistant/device/kentongan_kiosk-7/config"
	stop := start(t, u, st, store.Everything())
	until(t, "it appears", func() bool { return retained(t, u)[config] != "" })
	stop()
	stop = start(t, u, st, store.OfAgency("dinkes")) // which has no device
	defer stop()
	until(t, "it disappears", func() bool { return retained(t, u)[config] == "" })
	if retained(t, u)[lamp] == "" {
		t.Error("another's document was taken away")
	}
}

// A broker that takes the connection and says nothing more holds up no end.
func TestSilentBrokerHoldsUpNoEnd(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	silent := make(chan struct{})
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 1024))              // CONNECT
		_, _ = conn.Write([]byte{0x20, 0x02, 0x00, 0x00}) // CONNACK, accepted
		_, _ = conn.Read(make([]byte, 1024))              // SUBSCRIBE
		close(silent)
		_, _ = io.Copy(io.Discard, conn)
	}()
	st, _, _ := house(t)
	p := New(Config{Broker: &url.URL{Scheme: "mqtt", Host: l.Addr().String()}, Prefix: "homeassistant", Every: time.Second, within: time.Hour}, st.For(store.Everything()), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	select {
	case <-silent:
	case err := <-done:
		t.Fatalf("it ended before the broker fell silent: %v", err)
	case <-time.After(patience):
		t.Fatal("it subscribes to nothing")
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("it waits for the broker")
	}
}

func TestCheckPrefix(t *testing.T) {
	for prefix, good := range map[string]bool{"homeassistant": true, "ha/own": true, "": false, "a+b": false, "#": false, "a b": false, strings.Repeat("x", 65): false} {
		if err := CheckPrefix(prefix); (err == nil) != good {
			t.Errorf("%q: %v, want good %v", prefix, err, good)
		}
	}
}
