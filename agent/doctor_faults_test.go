package agent

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format"
	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/sys/unix"

	"kentongan/agent/doctor"
	"kentongan/agent/report"
	"kentongan/agent/stream/streamtest"
	"kentongan/broker-config/brokertest"
	hgpio "kentongan/hal/gpio"
	"kentongan/hal/tpm/tpmtest"
)

// healthy are the negative controls.
var healthy = []fault{
	{name: "all is well"},
	{name: "all is well while the agent runs", inject: func(t *testing.T, s *site) {
		sp := s.openSpool(t)
		if _, err := sp.Append(t.Context(), report.Event, report.KindUplink, report.UplinkState{State: "connected", Broker: s.b.broker.Addr}); err != nil {
			t.Fatal(err)
		}
		for _, lane := range []report.Lane{report.Complaint, report.Event} {
			if h := sp.Head(lane); h.Backlog() > 0 {
				if err := sp.Ack(lane, h.Next-1); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := sp.Close(); err != nil { // which writes the cursors
			t.Fatal(err)
		}
		sp = s.openSpool(t)
		t.Cleanup(func() { _ = sp.Close() })
		s.text = strings.Replace(s.yaml(), "GPIO17", "GPIO27", 1)
	}},
}

// sysfs writes files below the site's sysfs.
func sysfs(file, text string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) { write(t, filepath.Join(s.sys, file), text) }
}

func set(change func(s *site)) func(*testing.T, *site) {
	return func(_ *testing.T, s *site) { change(s) }
}

// mountData puts the site's data on a file system of its own.
func mountData(t *testing.T, s *site, options string) {
	t.Helper()
	if err := os.RemoveAll(s.data); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", s.data, "tmpfs", 0, options); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(s.data, unix.MNT_DETACH) })
	s.fillSpool(t)
}

// slots makes an update directory whose trial is so.
func slots(trial, result string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		dir := filepath.Join(s.dir, "firmware")
		write(t, filepath.Join(dir, "slots/a/kentongan"), "#!/bin/sh\n")
		if err := os.Symlink("slots/a", filepath.Join(dir, "current")); err != nil {
			t.Fatal(err)
		}
		if trial != "" {
			write(t, filepath.Join(dir, "trial"), trial)
		}
		if result != "" {
			write(t, filepath.Join(dir, "result"), result)
		}
		s.more += "update: {dir: " + dir + "}\n"
	}
}

const ds18b20 = "bus/w1/devices/28-000001/w1_slave"

// machineFaults are of the board, its disk and its wires.
var machineFaults = []fault{
	{name: "no configuration", want: "config.missing", inject: set(func(s *site) { s.text = "-" }), also: []string{"disk.missing", "wear.unknown"}},
	{name: "configuration invalid", want: "config.invalid", inject: set(func(s *site) { s.text = "device: kiosk-7\nstreams: [{name: gate, url: 'rtsp:///live'}]\n" }), also: []string{"disk.missing", "wear.unknown"}},
	{name: "a file of the configuration is missing", want: "files.unusable", inject: set(func(s *site) {
		s.more += "apps:\n  - {name: e-bansos, url: 'https://127.0.0.1:9', ca: missing.pem}\n"
	})},
	{name: "no GPIO chip", want: "board.no_chip", inject: set(func(s *site) { s.o.lines = hgpio.New(hgpio.Options{Dir: s.dir}) })},
	{name: "line missing", want: "line.missing", inject: set(func(s *site) { s.text = strings.Replace(s.yaml(), "GPIO17", "GPIO99", 1) })},
	{name: "line busy", want: "line.busy", inject: set(func(s *site) { s.text = strings.Replace(s.yaml(), "GPIO17", "GPIO14", 1) })},
	{name: "line forbidden", want: "board.forbidden", inject: set(func(s *site) { s.text = strings.Replace(s.yaml(), "GPIO17", "GPIO1", 1) })},
	{name: "undervoltage", want: "power.undervoltage", inject: sysfs("devices/platform/soc/soc:firmware/get_throttled", "50005\n")},
	{name: "undervoltage by hwmon", want: "power.undervoltage", inject: func(t *testing.T, s *site) {
		if err := os.Remove(filepath.Join(s.sys, "devices/platform/soc/soc:firmware/get_throttled")); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(s.sys, "class/hwmon/hwmon1/name"), "rpi_volt\n")
		write(t, filepath.Join(s.sys, "class/hwmon/hwmon1/in0_lcrit_alarm"), "1\n")
	}},
	{name: "throttled by heat", want: "power.throttled", inject: sysfs("devices/platform/soc/soc:firmware/get_throttled", "e000c\n")},
	{name: "voltage was low", want: "power.was_low", inject: sysfs("devices/platform/soc/soc:firmware/get_throttled", "10000\n")},
	{name: "was throttled", want: "power.was_hot", inject: sysfs("devices/platform/soc/soc:firmware/get_throttled", "80000\n")},
	{name: "memory low", want: "memory.low", inject: func(t *testing.T, s *site) {
		s.o.machine.Proc = filepath.Join(s.dir, "proc")
		write(t, filepath.Join(s.dir, "proc/meminfo"), "MemTotal:         440000 kB\nMemFree:            2000 kB\nMemAvailable:       9000 kB\n")
		write(t, filepath.Join(s.dir, "proc/locks"), "")
	}},
	{name: "clock of 1970", want: "time.unset", inject: set(func(s *site) {
		s.o.clock = func() time.Time { return time.Unix(61, 0) }
	})},
	{name: "clock behind what was known", want: "time.behind", inject: func(t *testing.T, s *site) {
		write(t, filepath.Join(s.data, "time"), time.Now().Add(49*time.Hour).UTC().Format(time.RFC3339)+"\n")
	}},
	{name: "clock off by a day", want: "time.off", inject: func(t *testing.T, s *site) {
		app := httptest.NewServer(http.NotFoundHandler()) // its date is true
		t.Cleanup(app.Close)
		s.o.clock = func() time.Time { return time.Now().Add(24 * time.Hour) }
		s.more += "apps:\n  - {name: e-bansos, url: '" + app.URL + "'}\n"
	}},
	{name: "no time service", want: "time.alone", inject: set(func(s *site) {
		s.o.quality = func(time.Time) report.Clock { return report.ClockEstimated }
	})},
	{name: "data directory missing", want: "disk.missing", inject: func(t *testing.T, s *site) {
		if err := os.RemoveAll(s.data); err != nil {
			t.Fatal(err)
		}
	}, also: []string{"wear.unknown", "broker.acl.unasked", "centre.unasked"}},
	{name: "mounted read-only", want: "disk.readonly", inject: func(t *testing.T, s *site) {
		mountData(t, s, "size=64m")
		if err := unix.Mount("", s.data, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
	}, also: []string{"wear.unknown"}},
	{name: "disk full", want: "disk.full", inject: func(t *testing.T, s *site) {
		mountData(t, s, "size=12m")
		f, err := os.Create(filepath.Join(s.data, "film"))
		if err == nil {
			_, err = io.Copy(f, zeros{})
			_ = f.Close()
		}
		if err == nil {
			t.Fatal("the disk took everything")
		}
	}, also: []string{"wear.unknown"}},
	{name: "inodes used up", want: "disk.inodes", inject: func(t *testing.T, s *site) {
		mountData(t, s, "size=64m,nr_inodes=1000")
		for i := range 2000 {
			f, err := os.Create(filepath.Join(s.data, fmt.Sprint("small", i)))
			if err != nil {
				return
			}
			_ = f.Close()
		}
		t.Fatal("the disk took everything")
	}, also: []string{"wear.unknown"}},
	{name: "file system has errors", want: "wear.errors", inject: sysfs("fs/ext4/mmcblk0p2/errors_count", "3\n")},
	{name: "eMMC worn out", want: "wear.worn", inject: sysfs("devices/mmc0/block/mmcblk0/device/life_time", "0x0b 0x03\n")},
	{name: "eMMC near its end", want: "wear.old", inject: func(t *testing.T, s *site) {
		write(t, filepath.Join(s.sys, "devices/mmc0/block/mmcblk0/device/life_time"), "0x05 0x05\n")
		write(t, filepath.Join(s.sys, "devices/mmc0/block/mmcblk0/device/pre_eol_info"), "0x02\n")
	}},
	{name: "spool locked by a stranger", want: "spool.stranger", inject: func(t *testing.T, s *site) {
		// The lock is the child's: it is taken on a description that it inherits.
		d, err := os.Open(filepath.Join(s.data, "spool"))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("flock", "-n", filepath.Join(s.data, "spool"), "sh", "-c", "echo held; exec sleep 300")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); _ = cmd.Wait(); _ = d.Close() })
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}},
	{name: "spool damaged", want: "spool.damaged", inject: func(t *testing.T, s *site) {
		files, err := filepath.Glob(filepath.Join(s.data, "spool/event/*.seg"))
		if err != nil || len(files) == 0 {
			t.Fatalf("segments: %v, %v", files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if i := strings.Index(string(text), `"boot"`); i > 0 {
				text[i+2] ^= 1
				write(t, file, string(text))
				return
			}
		}
		t.Fatal("no record to damage")
	}},
	{name: "spool not the agent's", want: "spool.owner", inject: func(t *testing.T, s *site) {
		if os.Getuid() != 0 {
			t.Skip("only root may give files away")
		}
		if err := os.Chown(filepath.Join(s.data, "spool/event"), 4711, 4711); err != nil {
			t.Fatal(err)
		}
	}},
	{name: "sensor missing", want: "sensor.missing", inject: func(t *testing.T, s *site) {
		if err := os.RemoveAll(filepath.Join(s.sys, "bus/w1/devices/28-000001")); err != nil {
			t.Fatal(err)
		}
	}},
	{name: "sensor lost its power", want: "sensor.power", inject: sysfs(ds18b20, "50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n")},
	{name: "sensor's wire loose", want: "sensor.wiring", inject: sysfs(ds18b20, "ff ff ff ff ff ff ff ff ff : crc=c9 NO\n72 01 4b 46 7f ff 0e 10 57 t=23125\n")},
	{name: "sensor's bus hangs", waits: true, want: "sensor.hung", inject: func(t *testing.T, s *site) {
		file := filepath.Join(s.sys, ds18b20)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(file, 0o644); err != nil { // a read waits for ever
			t.Fatal(err)
		}
		t.Cleanup(func() { // let the reader go
			if f, err := os.OpenFile(file, os.O_WRONLY|unix.O_NONBLOCK, 0); err == nil {
				_ = f.Close()
			}
		})
	}},
	{name: "ffmpeg missing", want: "ffmpeg.missing", inject: set(func(s *site) {
		s.o.find = func(string) (string, error) { return "", exec.ErrNotFound }
	})},
	{name: "ffmpeg broken", want: "ffmpeg.broken", inject: func(t *testing.T, s *site) {
		file := filepath.Join(s.dir, "ffmpeg")
		write(t, file, "#!/bin/sh\necho 'error while loading shared libraries: libavcodec.so.59' >&2\nexit 127\n")
		if err := os.Chmod(file, 0o755); err != nil {
			t.Fatal(err)
		}
		s.o.find = func(string) (string, error) { return file, nil }
	}},
	{name: "service not installed", want: "service.missing", inject: service("service.missing")},
	{name: "service ends again and again", want: "service.crash_loop", inject: service("service.crash_loop")},
	{name: "update on trial", want: "update.trial", inject: slots(`{"number":9,"version":"1.4.0","slot":"a","previous":"b","state":"trying"}`, "")},
	{name: "update went back", want: "update.went_back", inject: slots(`{"number":9,"version":"1.4.0","slot":"b","previous":"a","state":"went-back","reason":"ended 3 times"}`, "")},
	{name: "update refused", want: "update.refused", inject: slots("", `{"offer":"9","code":"tampered","detail":"the payload's hash is another"}`)},
	{name: "update directory broken", want: "update.broken", inject: set(func(s *site) { s.more += "update: {dir: " + s.dir + "/none}\n" })},
}

// service is what cmd/kentongan found; its own test looks at real answers of
// systemd.
func service(cause string) func(*testing.T, *site) {
	return set(func(s *site) {
		s.o.Service = func(context.Context) doctor.Verdict {
			return doctor.Say(cause, "restarts", "7", "detail", "exit-code, status 1")
		}
	})
}

// zeros fills a disk.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// listener is a server that is no broker. each gets its connections.
func listener(t *testing.T, each func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() { each(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// mute takes connections and says nothing.
func mute(net.Conn) {}

// replies answers the first words with text, and goes.
func replies(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096)) // all of it, or the answer is lost with the connection
		_, _ = io.WriteString(c, text)
		_ = c.Close()
	}
}

// plain makes the site's broker one without TLS at addr.
func (s *site) plain(addr, login string) {
	s.address, s.login = "mqtt://"+addr, login
}

func at(addr string) string { return "mqtts://" + addr }

// notTold are what brokers without TLS, or without MQTT 5, leave open.
var notTold = []string{"mtu.unknown"}

// identityOf writes another certificate for the site's device.
func identityOf(name string, from, until time.Duration) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		if name == "" {
			name = s.device
		}
		p := s.b.ca.issue(t, name, from, until, false)
		s.cert, s.key = p.cert, p.key
	}
}

// dnsServer answers each question with code (RFC 1035, 4.1.1), or with the
// address.
func dnsServer(t *testing.T, s *site, answer func(query []byte) []byte) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if out := answer(b[:n]); out != nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	s.o.network.ResolvConf = filepath.Join(s.dir, "resolv.conf")
	write(t, s.o.network.ResolvConf, "nameserver 127.0.0.1\n")
	s.o.network.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	s.address = "mqtts://broker.banten.example:8883"
}

// question is the header and the question of a query, as an answer has them.
func question(q []byte, flags uint16, answers byte) []byte {
	end := 12
	for end < len(q) && q[end] != 0 {
		end += int(q[end]) + 1
	}
	out := append([]byte{}, q[:min(end+5, len(q))]...)
	out[2], out[3] = byte(flags>>8), byte(flags)
	out[6], out[7], out[8], out[9], out[10], out[11] = 0, answers, 0, 0, 0, 0
	return out
}

// uplinkFaults are of the way to the centre.
var uplinkFaults = []fault{
	{name: "interface missing", want: "network.missing", inject: set(func(s *site) { s.login = "      interface: wwan0\n" })},
	{name: "no DNS server", want: "dns.none", inject: func(t *testing.T, s *site) {
		dnsServer(t, s, func([]byte) []byte { return nil })
		write(t, s.o.network.ResolvConf, "# made by dhcpcd\n")
	}},
	{name: "DNS silent", waits: true, want: "dns.silent", inject: func(t *testing.T, s *site) { dnsServer(t, s, func([]byte) []byte { return nil }) }},
	{name: "DNS does not know the broker", want: "dns.unknown", inject: func(t *testing.T, s *site) {
		dnsServer(t, s, func(q []byte) []byte { return question(q, 0x8183, 0) })
	}},
	{name: "DNS filter", want: "dns.blocked", inject: func(t *testing.T, s *site) {
		dnsServer(t, s, func(q []byte) []byte {
			if out := question(q, 0x8180, 1); out[len(out)-3] == 1 { // an A record is asked for
				return append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 0, 0, 0, 0)
			}
			return question(q, 0x8180, 0)
		})
	}},
	{name: "broker down", want: "broker.tcp.refused", inject: func(t *testing.T, s *site) {
		s.address = at(brokertest.FreeAddress(t))
	}},
	{name: "broker in a black hole", waits: true, want: "broker.tcp.silent", inject: func(t *testing.T, s *site) {
		s.address = at("127.0.0.99:8883")
		tool(t, "nft", "add table inet hole; add chain inet hole in { type filter hook input priority 0; }; add rule inet hole in ip daddr 127.0.0.99 drop")
	}},
	{name: "nobody at the broker's address", waits: true, want: "broker.tcp.unreachable", inject: set(func(s *site) { s.address = at("10.7.0.77:8883") })},
	{name: "MTU black hole", waits: true, want: "mtu.blackhole", inject: func(t *testing.T, s *site) {
		b := brokertest.StartMosquittoWith(t, s.b.ca.files(t, s.b.ca.issue(t, "broker", -time.Hour, year, true)))
		s.address = at(b.Addr)
		_, port, _ := net.SplitHostPort(b.Addr)
		tool(t, "nft", "add table inet mtu; add chain inet mtu in { type filter hook input priority 0; }; add rule inet mtu in tcp sport "+port+" meta length > 700 drop")
	}},
	{name: "not enrolled", want: "identity.missing", inject: set(func(s *site) { s.cert, s.key = s.dir+"/device.pem", s.dir+"/device.pem" })},
	{name: "certificate damaged", want: "identity.broken", inject: func(t *testing.T, s *site) {
		p := s.b.ca.issue(t, s.device, -time.Hour, year, false)
		text, err := os.ReadFile(p.cert)
		if err != nil {
			t.Fatal(err)
		}
		write(t, p.cert, strings.Replace(string(text), "M", "?", 3))
		s.cert, s.key = p.cert, p.key
	}},
	{name: "TPM switched off", want: "identity.tpm", inject: func(t *testing.T, s *site) {
		m := tpmtest.Start(t)
		p := s.b.ca.inTPM(t, s.device, m.Socket)
		m.Stop()
		s.cert, s.key, s.tpm = p.cert, p.key, filepath.Join(s.dir, "tpmrm0")
	}},
	{name: "board of another TPM", want: "identity.broken", inject: func(t *testing.T, s *site) {
		p := s.b.ca.inTPM(t, s.device, tpmtest.Start(t).Socket)
		s.cert, s.key, s.tpm = p.cert, p.key, filepath.Join(s.dir, "tpmrm0")
		if err := os.Symlink(tpmtest.Start(t).Socket, s.tpm); err != nil {
			t.Fatal(err)
		}
	}},
	{name: "certificate expired", want: "identity.expired", inject: identityOf("", -year, -time.Hour)},
	{name: "certificate of the future", want: "identity.future", inject: identityOf("", time.Hour, year)},
	{name: "certificate not renewed", want: "identity.ending", inject: identityOf("", -year, 24*time.Hour)},
	{name: "certificate of another device", want: "identity.other", inject: identityOf("kiosk-8", -time.Hour, year)},
	{name: "wrong CA", want: "broker.tls.authority", inject: func(t *testing.T, s *site) { s.ca = newAuthority(t, "Another").file }},
	{name: "wrong name in the broker's certificate", want: "broker.tls.name", inject: set(func(s *site) { s.serverName = "broker.banten.example" })},
	{name: "broker's certificate expired", want: "broker.tls.expired", inject: func(t *testing.T, s *site) {
		s.address = at(brokertest.StartMosquittoWith(t, s.b.ca.files(t, s.b.ca.issue(t, "broker", -year, -time.Hour, true))).Addr)
	}},
	{name: "broker's certificate of the future", want: "broker.tls.future", inject: func(t *testing.T, s *site) {
		s.address = at(brokertest.StartMosquittoWith(t, s.b.ca.files(t, s.b.ca.issue(t, "broker", time.Hour, year, true))).Addr)
	}},
	{name: "captive portal with a certificate", want: "broker.tls.portal", inject: func(t *testing.T, s *site) {
		page := httptest.NewServer(http.RedirectHandler("http://masuk.wifi.example/login", http.StatusFound))
		t.Cleanup(page.Close)
		_, s.o.portal, _ = net.SplitHostPort(page.Listener.Addr().String())
		there := newAuthority(t, "Hotspot").issue(t, "hotspot", -time.Hour, year, true).load(t)
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{there}})
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: nil}
		go func() { _ = server.Serve(l) }()
		t.Cleanup(func() { _ = server.Close() })
		s.address = at(l.Addr().String())
	}},
	{name: "captive portal in clear text", want: "broker.tls.portal", inject: func(t *testing.T, s *site) {
		s.address = at(listener(t, replies("HTTP/1.1 302 Found\r\nLocation: http://masuk.wifi.example/\r\n\r\n")))
	}},
	{name: "captive portal before a broker without TLS", want: "broker.login.portal", inject: func(t *testing.T, s *site) {
		s.plain(listener(t, replies("HTTP/1.1 302 Found\r\nLocation: http://masuk.wifi.example/\r\n\r\n")), "")
	}, also: notTold},
	{name: "broker's port has no TLS", want: "broker.tls.plain", inject: func(t *testing.T, s *site) {
		s.address = at(brokertest.StartLoopback(t, s.device+":rahasia").Addr)
	}},
	{name: "broker's TLS hangs", waits: true, want: "broker.tls.silent", inject: func(t *testing.T, s *site) { s.address = at(listener(t, mute)) }, also: notTold},
	{name: "wrong password at the broker", want: "broker.login.password", inject: func(t *testing.T, s *site) {
		s.plain(brokertest.StartLoopback(t, s.device+":rahasia").Addr, "      username: "+s.device+"\n      password: salah\n")
	}, also: notTold},
	{name: "certificate revoked", want: "broker.login.revoked", inject: func(t *testing.T, s *site) {
		p := s.b.ca.issue(t, s.device, -time.Hour, year, false)
		s.cert, s.key = p.cert, p.key
		s.address = at(brokertest.StartMosquittoWith(t, s.b.ca.files(t, s.b.ca.issue(t, "broker", -time.Hour, year, true), p)).Addr)
	}},
	{name: "certificate of another authority", want: "broker.login.certificate", inject: func(t *testing.T, s *site) {
		p := newAuthority(t, "Another").issue(t, s.device, -time.Hour, year, false)
		s.cert, s.key = p.cert, p.key
	}},
	{name: "no broker but SSH", want: "broker.login.not_mqtt", inject: func(t *testing.T, s *site) {
		s.plain(listener(t, replies("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")), "")
	}, also: notTold},
	{name: "broker says nothing", waits: true, want: "broker.login.silent", inject: func(t *testing.T, s *site) { s.plain(listener(t, mute), "") }, also: notTold},
	{name: "broker closes", want: "broker.login.closed", inject: func(t *testing.T, s *site) { s.plain(listener(t, replies("")), "") }, also: notTold},
	{name: "two devices with one name", waits: true, want: "broker.login.twice", inject: func(t *testing.T, s *site) {
		identityOf("", -time.Hour, year)(t, s)
		s.o.hasty = false
		o := mqtt.NewClientOptions().AddBroker("ssl://" + s.b.broker.Addr).SetClientID(s.device).SetAutoReconnect(true).SetMaxReconnectInterval(200 * time.Millisecond)
		c, err := tls.LoadX509KeyPair(s.cert, s.key)
		if err != nil {
			t.Fatal(err)
		}
		o.SetTLSConfig(&tls.Config{Certificates: []tls.Certificate{c}, InsecureSkipVerify: true})
		twin := mqtt.NewClient(o)
		token := twin.Connect()
		if !token.WaitTimeout(time.Minute) || token.Error() != nil {
			t.Fatalf("the other device: %v", token.Error())
		}
		t.Cleanup(func() { twin.Disconnect(0) })
	}},
	{name: "agent says that another takes over", want: "broker.login.twice", inject: func(t *testing.T, s *site) {
		s.said(t, "the broker closes the connection right after each connect: a second client seems to use this device's name (EOF)")
	}},
	{name: "agent says that records are denied", want: "broker.acl.denied", inject: func(t *testing.T, s *site) {
		s.said(t, "the broker closes the connection whenever a record is sent: its ACL seems to deny this device its own branch (EOF)")
	}},
	{name: "no rights on the broker", want: "broker.acl.denied", inject: func(t *testing.T, s *site) {
		b := brokertest.StartMosquittoWith(t, s.b.ca.files(t, s.b.ca.issue(t, "broker", -time.Hour, year, true)))
		b.Stop()
		write(t, filepath.Join(b.Dir, "acl"), "user kentongan.centre\ntopic readwrite kentongan/v1/#\n")
		b.Start(t)
		s.address = at(b.Addr)
	}},
	{name: "mute: centre down", waits: true, want: "centre.silent"},
	{name: "strange: centre has another key", waits: true, want: "centre.key"},
	{name: "broker alone acknowledges", waits: true, want: "centre.broker", inject: set(func(s *site) {
		s.text = strings.Replace(s.yaml(), "uplink:\n", "uplink:\n  acknowledge: broker\n", 1)
	})},
}

// said has an agent run here that said so of its uplink.
func (s *site) said(t *testing.T, reason string) {
	t.Helper()
	sp := s.openSpool(t)
	t.Cleanup(func() { _ = sp.Close() })
	if _, err := sp.Append(t.Context(), report.Event, report.KindUplink, report.UplinkState{State: "refused", Broker: s.b.broker.Addr, Reason: reason}); err != nil {
		t.Fatal(err)
	}
}

// camera has another camera at the site.
func camera(o streamtest.Options, f format.Format, gop int) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		s.cameraURL = startTestCamera(t, o, f, gop).URL()
	}
}

var cameraFaults = []fault{
	{name: "camera's password wrong", want: "camera.password", inject: set(func(s *site) { s.cameraPass = "salah" })},
	{name: "camera's path wrong", want: "camera.path", inject: set(func(s *site) { s.cameraURL = strings.Replace(s.cameraURL, "/live", "/Streaming/Channels/101", 1) })},
	{name: "camera's port wrong", want: "camera.refused", inject: func(t *testing.T, s *site) {
		s.cameraURL = "rtsp://" + brokertest.FreeAddress(t) + "/live"
	}},
	{name: "camera in another subnet", waits: true, want: "camera.subnet", inject: set(func(s *site) { s.cameraURL = "rtsp://192.168.1.64/live" })},
	{name: "camera off", waits: true, want: "camera.gone", inject: set(func(s *site) { s.cameraURL = "rtsp://10.7.0.64/live" })},
	{name: "camera's name unknown", want: "camera.dns", inject: set(func(s *site) { s.cameraURL = "rtsp://kamera.invalid/live" })},
	{name: "camera says nothing", waits: true, want: "camera.mute", inject: func(t *testing.T, s *site) { s.cameraURL = "rtsp://" + listener(t, mute) + "/live" }},
	{name: "camera has no room", want: "camera.busy", inject: func(t *testing.T, s *site) {
		s.cameraURL = "rtsp://" + listener(t, replies("RTSP/1.0 453 Not Enough Bandwidth\r\nCSeq: 1\r\n\r\n")) + "/live"
	}},
	{name: "camera is a web page", want: "camera.protocol", inject: func(t *testing.T, s *site) {
		s.cameraURL = "rtsp://" + listener(t, replies("HTTP/1.1 400 Bad Request\r\n\r\n")) + "/live"
	}},
	{name: "camera without pictures", waits: true, want: "camera.no_picture", inject: camera(streamtest.Options{}, h264Video, -1)},
	{name: "camera without keyframes", waits: true, want: "camera.no_keyframe", inject: camera(streamtest.Options{}, h264Video, 0)},
	{name: "camera's codec unknown", want: "camera.codec", inject: camera(streamtest.Options{}, &format.VP8{PayloadTyp: 96}, 25)},
	{name: "camera's certificate unknown", want: "camera.tls", inject: func(t *testing.T, s *site) {
		c := s.b.ca.issue(t, "camera", -time.Hour, year, true).load(t)
		camera(streamtest.Options{TLS: &tls.Config{Certificates: []tls.Certificate{c}}}, h264Video, 25)(t, s)
	}},
	{name: "camera's password file missing", want: "camera.secret", inject: set(func(s *site) {
		s.text = strings.Replace(s.yaml(), "password: rahasia\n", "password_file: none.secret\n", 1)
	})},
}

// networkFaults are of the network that all share, and mended after each.
var networkFaults = []fault{
	{name: "cable out", want: "network.down", inject: func(t *testing.T, s *site) {
		s.address = at("10.7.0.9:8883")
		s.cameraURL = "rtsp://10.7.0.64/live"
		ip(t, "link set lan0 down")
		t.Cleanup(func() { ip(t, "link set lan0 up"); ip(t, "route add default via 10.7.0.1") })
	}},
	{name: "no address", want: "network.address", inject: func(t *testing.T, s *site) {
		s.address = at("10.7.0.9:8883")
		s.cameraURL = "rtsp://10.7.0.64/live"
		ip(t, "addr flush dev lan0")
		t.Cleanup(func() { ip(t, "addr add 10.7.0.2/24 dev lan0"); ip(t, "route add default via 10.7.0.1") })
	}},
	{name: "no default route", want: "route.none", inject: func(t *testing.T, s *site) {
		s.address = at("203.0.113.9:8883")
		ip(t, "route del default")
		t.Cleanup(func() { ip(t, "route add default via 10.7.0.1") })
	}},
}
