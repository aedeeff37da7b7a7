package brokerconfig

import (
	"fmt"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/broker-config/brokertest"
)

// away is a client whose session the broker keeps while it is not there.
func away(tb testing.TB, addr string, ca *brokertest.CA, filter string) *mqtt.ClientOptions {
	tb.Helper()
	o := mqtt.NewClientOptions().AddBroker("ssl://" + addr).SetClientID("kentongan-centre").SetCleanSession(false).
		SetTLSConfig(ca.TLS(ca.Client(tb, "kentongan.centre"))).SetProtocolVersion(4).SetAutoReconnect(false).SetConnectTimeout(patience)
	c := mqtt.NewClient(o)
	settle(tb, c.Connect())
	settle(tb, c.Subscribe(filter, 1, nil))
	c.Disconnect(100)
	return o
}

func settle(tb testing.TB, tok mqtt.Token) {
	tb.Helper()
	if !tok.WaitTimeout(patience) || tok.Error() != nil {
		tb.Fatalf("the broker does not answer: %v", tok.Error())
	}
}

// With z-every-change.conf, what Mosquitto has acknowledged is there after
// SIGKILL, but for the newest: 2.0.11 writes when the changes exceed one, and
// acknowledges before. (A kill leaves the kernel's cache: this is no power cut, and
// Mosquitto does not sync.)
func TestEveryChangeOutlivesAKill(t *testing.T) {
	t.Parallel()
	const messages, newest = 100, 2
	ca := brokertest.NewCA(t)
	m := brokertest.StartMosquitto(t, ca, nil, "--every-change")
	centre := away(t, m.Addr, ca, "kentongan/v1/+/up/#")
	device := mustDial(t, dialling{addr: m.Addr, id: "kiosk-7", tls: ca.TLS(ca.Client(t, "kiosk-7"))})
	for n := range messages {
		device.publish("kentongan/v1/kiosk-7/up/telemetry", fmt.Sprint(n))
	}
	m.Kill()
	m.Start(t)
	got := make(chan string, messages)
	c := mqtt.NewClient(centre.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { got <- string(m.Payload()) }))
	settle(t, c.Connect())
	defer c.Disconnect(0)
	seen := map[string]bool{}
	for end := time.After(patience); len(seen) < messages-newest; {
		select {
		case text := <-got:
			seen[text] = true
		case <-end:
			t.Fatalf("%d of %d acknowledged messages are there after the kill", len(seen), messages)
		}
	}
}

// BenchmarkPuback is what a PUBACK costs: 10 devices with 32 publishes of 380
// bytes in flight each, kept for a centre that is away. The one beside the other:
// Mosquitto with a snapshot each minute, with one after each change, and three
// NATS nodes that sync each message on two disks.
func BenchmarkPuback(b *testing.B) {
	ids := []string{"d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9"}
	for _, bb := range []struct {
		name  string
		start func(b *testing.B, ca *brokertest.CA) (addr string)
	}{
		{"Mosquitto", func(b *testing.B, ca *brokertest.CA) string { return brokertest.StartMosquitto(b, ca, nil).Addr }},
		{"MosquittoEveryChange", func(b *testing.B, ca *brokertest.CA) string {
			return brokertest.StartMosquitto(b, ca, nil, "--every-change").Addr
		}},
		{"NATS3", func(b *testing.B, ca *brokertest.CA) string {
			return brokertest.StartCluster(b, ca, brokerFile(b, brokertest.Build(b, "kentongan/cmd/kentongan-centre"), ids, "nats-users", "--devices")).Addrs[0]
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			ca := brokertest.NewCA(b)
			addr := bb.start(b, ca)
			away(b, addr, ca, "kentongan/v1/+/up/#")
			payload := make([]byte, 380)
			var all []mqtt.Client
			for _, id := range ids {
				c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("ssl://" + addr).SetClientID(id).SetTLSConfig(ca.TLS(ca.Client(b, id))).
					SetProtocolVersion(4).SetAutoReconnect(false).SetConnectTimeout(patience))
				settle(b, c.Connect())
				defer c.Disconnect(0)
				all = append(all, c)
			}
			b.ResetTimer()
			done := make(chan error, len(all))
			for i, c := range all {
				go func() {
					var flying []mqtt.Token
					for n := i; n < b.N; n += len(all) {
						flying = append(flying, c.Publish("kentongan/v1/"+ids[i]+"/up/telemetry", 1, false, payload))
						if len(flying) == 32 {
							flying[0].Wait()
							flying = flying[1:]
						}
					}
					for _, tok := range flying {
						tok.Wait()
					}
					done <- nil
				}()
			}
			for range all {
				<-done
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
