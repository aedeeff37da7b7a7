// Package brokerconfig holds the brokers' real configuration, and the test that
// starts them. There is no code in it for programs to import.
package brokerconfig

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// startMosquitto runs start-here.sh and returns the broker's address.
func startMosquitto(t *testing.T, accounts ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command("mosquitto/start-here.sh", append([]string{t.TempDir(), port}, accounts...)...)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for range 200 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr
		}
		select {
		case <-ended:
			t.Fatalf("Mosquitto ended (apt-get install mosquitto?):\n%s", log.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatal("Mosquitto does not listen after 10 s")
	return ""
}

func connect(t *testing.T, addr, id, user, password string) (mqtt.Client, error) {
	t.Helper()
	o := mqtt.NewClientOptions().AddBroker("tcp://" + addr).SetClientID(id).SetUsername(user).SetPassword(password).
		SetProtocolVersion(4).SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(5 * time.Second)
	c := mqtt.NewClient(o)
	token := c.Connect()
	token.Wait()
	if token.Error() == nil {
		t.Cleanup(func() { c.Disconnect(0) })
	}
	return c, token.Error()
}

func done(t *testing.T, token mqtt.Token) {
	t.Helper()
	if !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		t.Fatalf("the broker did not answer: %v", token.Error())
	}
}

// A device reaches its own branch and nothing else. A denied publish is
// acknowledged all the same (MQTT 3.1.1), so what counts is who sees it.
func TestMosquittoConfinesADevice(t *testing.T) {
	addr := startMosquitto(t, "centre:c", "kiosk-7:k7", "kiosk-8:k8")
	centre, err := connect(t, addr, "x", "centre", "c")
	if err != nil {
		t.Fatal(err)
	}
	device, err := connect(t, addr, "x", "kiosk-7", "k7")
	if err != nil {
		t.Fatal(err)
	}
	type seen struct{ who, topic string }
	got := make(chan seen, 100)
	for who, c := range map[string]mqtt.Client{"centre": centre, "kiosk-7": device} {
		done(t, c.Subscribe("#", 1, func(_ mqtt.Client, m mqtt.Message) { got <- seen{who, m.Topic()} }))
	}
	const root = "kentongan/v1/"
	tests := []struct {
		from  mqtt.Client
		topic string
		want  []seen
	}{
		{device, root + "kiosk-7/up/complaint", []seen{{"centre", root + "kiosk-7/up/complaint"}}},
		{device, root + "kiosk-7/up/telemetry/backlog/gz", []seen{{"centre", root + "kiosk-7/up/telemetry/backlog/gz"}}},
		{device, root + "kiosk-7/state/stream/gate", []seen{{"centre", root + "kiosk-7/state/stream/gate"}}},
		{device, root + "kiosk-8/up/complaint", nil},
		{device, root + "kiosk-8/state", nil},
		{device, root + "kiosk-7/ack/complaint", nil},
		{device, root + "kiosk-7/cmd/restart", nil},
		{device, "elsewhere", nil},
		{centre, root + "kiosk-7/ack/complaint", []seen{{"centre", root + "kiosk-7/ack/complaint"}, {"kiosk-7", root + "kiosk-7/ack/complaint"}}},
		{centre, root + "kiosk-8/ack/complaint", []seen{{"centre", root + "kiosk-8/ack/complaint"}}},
		{centre, root + "kiosk-7/up/complaint", nil},
	}
	for i, tt := range tests {
		done(t, tt.from.Publish(tt.topic, 1, false, fmt.Sprint(i)))
		// The next message that both see says that all before it came through.
		mark := root + "kiosk-7/ack/event"
		done(t, centre.Publish(mark, 1, false, "mark"))
		have := map[seen]int{}
		for have[seen{"centre", mark}] == 0 || have[seen{"kiosk-7", mark}] == 0 {
			select {
			case s := <-got:
				have[s]++
			case <-time.After(5 * time.Second):
				t.Fatalf("%s: no mark after 5 s", tt.topic)
			}
		}
		delete(have, seen{"centre", mark})
		delete(have, seen{"kiosk-7", mark})
		for _, w := range tt.want {
			if have[w] != 1 {
				t.Errorf("publish on %s: %v saw it %d times, want once", tt.topic, w, have[w])
			}
			delete(have, w)
		}
		if len(have) > 0 {
			t.Errorf("publish on %s: also seen by %v", tt.topic, have)
		}
	}
}

func TestMosquittoRefusesStrangers(t *testing.T) {
	addr := startMosquitto(t, "centre:c", "kiosk-7:k7")
	for name, who := range map[string][2]string{
		"nobody":         {"", ""},
		"unknown":        {"kiosk-9", "x"},
		"wrong password": {"kiosk-7", "k8"},
	} {
		if _, err := connect(t, addr, "x", who[0], who[1]); err == nil {
			t.Errorf("%s was let in", name)
		}
	}
}

// TestDebiansOwnFileTakesOurs reads the mosquitto.conf that Debian installs, with
// ours where the how-to puts it: a setting that both have is an error at start.
func TestDebiansOwnFileTakesOurs(t *testing.T) {
	stock, err := os.ReadFile("/etc/mosquitto/mosquitto.conf")
	if err != nil {
		t.Fatalf("%v (apt-get install mosquitto)", err)
	}
	ours, err := os.ReadFile("mosquitto/kentongan.conf")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(stock)) {
		key, _, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(key, "#") || key == "include_dir" {
			continue
		}
		for own := range strings.Lines(string(ours)) {
			if strings.HasPrefix(own, key+" ") {
				t.Errorf("both Debian's file and ours set %s", key)
			}
		}
	}
}
