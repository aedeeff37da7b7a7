package main

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"kentongan/broker-config/brokertest"
	"kentongan/cmd/kentongan-demo/internal/camera"
)

// buildPrograms builds the device's program and the centre's into a folder.
func buildPrograms(t testing.TB) (device, centre string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", dir+"/", "kentongan/cmd/kentongan", "kentongan/cmd/kentongan-centre")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
	return filepath.Join(dir, "kentongan"), filepath.Join(dir, "kentongan-centre")
}

// newMosquitto makes a broker out of broker-config/mosquitto, and its address.
func newMosquitto(t *testing.T, accounts ...string) (*process, string) {
	t.Helper()
	addr := brokertest.FreeAddress(t) // it is away for some seconds, and wants it again
	_, port, _ := net.SplitHostPort(addr)
	script := filepath.Join("..", "..", "broker-config", "mosquitto", "start")
	p := newProcess("mosquitto", script, append([]string{t.TempDir(), port}, accounts...)...)
	startBroker(t, p, addr)
	t.Cleanup(p.stop)
	return p, addr
}

func startBroker(t *testing.T, p *process, addr string) {
	t.Helper()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	up := waitFor(t.Context(), 90*time.Second, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	if !up {
		t.Fatalf("Mosquitto does not listen (apt-get install mosquitto?):\n%s", p.log.text())
	}
}

// publishH264 has ffmpeg publish a stream of real H.264 to the relay.
func publishH264(t *testing.T, relay *camera.Relay) string {
	t.Helper()
	url := relay.URL() + "gate"
	p := newProcess("ffmpeg", "ffmpeg", "-hide_banner", "-loglevel", "error", "-re",
		"-f", "lavfi", "-i", "testsrc2=size=640x360:rate=15",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-pix_fmt", "yuv420p",
		"-f", "rtsp", "-rtsp_transport", "tcp", url)
	if err := p.start(); err != nil {
		t.Fatalf("%v (apt-get install ffmpeg?)", err)
	}
	t.Cleanup(p.kill)
	return url
}

func writeSecret(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	if env := os.Getenv("KENTONGAN_SEED"); env != "" {
		var err error
		if s, err = strconv.ParseUint(env, 10, 64); err != nil {
			t.Fatalf("KENTONGAN_SEED: %v", err)
		}
	}
	t.Logf("KENTONGAN_SEED=%d repeats this run", s)
	return s
}

// TestKillEverythingLoseNoPress is the main job on real input: 200 presses
// while the device is killed 10 times and the broker 3 times, a real Mosquitto,
// a real H.264 stream from ffmpeg. The centre holds each confirmed press exactly
// once and has no gap.
func TestKillEverythingLoseNoPress(t *testing.T) {
	const presses, deviceKills, brokerKills = 200, 10, 3
	ctx := t.Context()
	random := rand.New(rand.NewPCG(seed(t), 1))
	deviceProgram, centreProgram := buildPrograms(t)

	broker, addr := newMosquitto(t, "kentongan.centre:c-secret", demoDevice+":k-secret")
	centre, err := startCentre(ctx, centreProgram, "--data", t.TempDir(), "--listen", "127.0.0.1:0",
		"--broker", "mqtt://"+addr, "--username", "kentongan.centre", "--password-file", writeSecret(t, "c-secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(centre.stop)
	relay, err := camera.StartRelay(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(relay.Close)
	device, err := newDevice(deviceProgram, t.TempDir(), deviceConfig{
		Device: demoDevice, Broker: "mqtt://" + addr, Username: demoDevice, Password: "k-secret",
		CentreKey: centre.key, Cooldown: 20 * time.Millisecond,
		Cameras: []cameraConfig{{Name: "gate", URL: publishH264(t, relay)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	collected, end := context.WithCancel(context.Background())
	t.Cleanup(end)
	go device.collect(collected.Done())
	powerOn(t, device)
	t.Cleanup(device.stop)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the device's log ends:\n%s\nthe centre's:\n%s", device.log.text(), centre.log.text())
		}
	})

	kills := random.Perm(presses)
	cutPower, killBroker := kills[:deviceKills], kills[deviceKills:deviceKills+brokerKills]
	confirmed := 0
	for i := range presses {
		line := buttons[i%len(buttons)].Line
		if slices.Contains(killBroker, i) {
			broker.kill()
			startBroker(t, broker, addr)
		}
		if slices.Contains(cutPower, i) {
			if err := device.board.press(line); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Duration(random.IntN(20)) * time.Millisecond) // somewhere on the way to the disk
			device.kill()
			powerOn(t, device)
			continue
		}
		if !device.pressAndWait(line, 60*time.Second) {
			t.Fatalf("press %d was not confirmed within a minute", i)
		}
		confirmed++
		<-time.After(40 * time.Millisecond) // the finger leaves the button
	}

	var last tally
	var askErr error
	arrived := waitFor(ctx, 3*time.Minute, func() bool {
		last, askErr = centreTally(ctx, centre, device)
		return askErr == nil && last.Held == last.Confirmed && last.Missing == 0
	})
	if askErr != nil {
		t.Fatal(askErr)
	}
	t.Attr("injections", strconv.Itoa(deviceKills+brokerKills))
	t.Logf("%d presses, %d device kills, %d broker kills: %+v", presses, deviceKills, brokerKills, last)
	if !arrived || last.Twice != 0 || last.Confirmed < confirmed || last.Confirmed > presses {
		t.Errorf("of %d to %d confirmed presses the centre holds %d, %d of them twice; unexplained gaps %d",
			confirmed, presses, last.Held, last.Twice, last.Missing)
	}
	checkChain(t, centre, last)
	verifyCentre(t, centre)
	checkStream(t, centre)
}

// powerOn starts the device and waits until its buttons work.
func powerOn(t *testing.T, d *device) {
	t.Helper()
	if err := d.start(); err != nil {
		t.Fatal(err)
	}
	// The fault lamp is on until every button's line is open. Before the kiosk
	// has opened the lamp itself, and for an instant after, it reads as dark
	// too: so it has to be the kiosk's, and dark at two looks.
	dark := 0
	ok := waitFor(t.Context(), 90*time.Second, func() bool {
		a, err := d.board.do(boardRequest{Op: "get", Line: lampFault})
		if dark++; err != nil || !a.Out || a.Active {
			dark = 0
		}
		return dark == 2
	})
	if !ok {
		t.Fatalf("the kiosk is not in service after 90 s:\n%s", d.log.text())
	}
}

func centreTally(ctx context.Context, c *centre, d *device) (tally, error) {
	return (&site{centre: c, device: d}).tally(ctx)
}

// checkChain sees that no two numbers of the lane carry the same ticket and that
// nothing conflicted.
func checkChain(t *testing.T, c *centre, last tally) {
	t.Helper()
	lanes, err := c.lanes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(lanes) == 0 {
		t.Error("the centre knows of no lane")
	}
	for _, l := range lanes {
		if l.Conflicts != 0 {
			t.Errorf("%+v: one number came with two contents", l)
		}
		if l.Lane == "complaint" && l.Received < uint64(last.Confirmed) {
			t.Errorf("%+v: fewer than the %d confirmed", l, last.Confirmed)
		}
	}
}

func checkStream(t *testing.T, c *centre) {
	t.Helper()
	var got []streamState
	ok := waitFor(t.Context(), 90*time.Second, func() bool {
		var err error
		got, err = c.streams(t.Context())
		return err == nil && len(got) == 1 && got[0].State == "playing" && got[0].Stats.FPS > 12 && got[0].Stats.FPS < 18
	})
	if !ok || got[0].Report.Codec != "H264" {
		t.Errorf("the centre shows streams %+v, want one that plays H264 at 15 frames/s", got)
	}
}

// TestDemo is `make demo` without the person: everything starts, a press goes
// green, and nothing stays behind.
func TestDemo(t *testing.T) {
	deviceProgram, centreProgram := buildPrograms(t)
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	s, err := openSite(ctx, siteOptions{Dir: dir, Centre: centreProgram, Device: deviceProgram, PageAddr: brokertest.FreeAddress(t), Leased: leased(t)})
	if s != nil {
		defer s.close()
	}
	if err != nil {
		t.Fatal(err)
	}
	powerOn(t, s.device)
	const patience = 90 * time.Second
	step := func(name string, ok func() bool) {
		t.Helper()
		if !waitFor(ctx, patience, ok) {
			t.Fatalf("%s: not after %v; the device's log ends:\n%s\nthe centre's:\n%s", name, patience, s.device.log.text(), s.centre.log.text())
		}
	}
	streams := func(want map[string]string) func() bool {
		return func() bool {
			got, err := s.centre.streams(ctx)
			if err != nil || len(got) != len(want) {
				return false
			}
			for _, g := range got {
				if want[g.Name] != g.State+" "+g.Report.Codec {
					return false
				}
			}
			return true
		}
	}
	step("both cameras play", streams(map[string]string{"gate": "playing H264", "lobby": "playing MJPEG"}))
	if !s.device.pressAndWait(buttons[0].Line, patience) {
		t.Fatal("the press was not confirmed")
	}
	step("the lamps say that the centre has it", func() bool { return s.device.readLamps()[lampReceived] })
	if err := s.act(ctx, "network", "cut"); err != nil {
		t.Fatal(err)
	}
	if !s.device.pressAndWait(buttons[1].Line, patience) {
		t.Fatal("a press without a network was not confirmed")
	}
	if err := s.act(ctx, "power", "cut"); err != nil {
		t.Fatal(err)
	}
	if err := s.act(ctx, "power", "on"); err != nil {
		t.Fatal(err)
	}
	if err := s.act(ctx, "network", "join"); err != nil {
		t.Fatal(err)
	}
	step("both presses are at the centre", func() bool {
		got, err := s.tally(ctx)
		return err == nil && got.Confirmed == 2 && got.Held == 2 && got.Twice == 0 && got.Missing == 0
	})
	if err := s.act(ctx, "unplug", "lobby"); err != nil {
		t.Fatal(err)
	}
	step("the centre sees the camera that was unplugged", func() bool {
		got, err := s.centre.streams(ctx)
		return err == nil && slices.ContainsFunc(got, func(g streamState) bool { return g.Name == "lobby" && g.State != "playing" }) &&
			slices.ContainsFunc(got, func(g streamState) bool { return g.Name == "gate" && g.State == "playing" })
	})
	step("the centre says the alarm of it", func() bool {
		got, err := s.centre.alarms(ctx, false)
		return err == nil && slices.ContainsFunc(got, func(a alarmState) bool { return a.Source == "stream/lobby" && a.Condition == "down" }) &&
			slices.ContainsFunc(s.benchState(ctx).Alarms, func(a alarmState) bool { return a.Text.ID != "" })
	})
	s.close()
	if s.device.running() || s.centre.running() {
		t.Error("a program goes on after the end of the demo")
	}
}

// leased gives each part of a test's site an address of its own.
func leased(t *testing.T) func() string {
	return func() string { return brokertest.FreeAddress(t) }
}
