package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kentongan/agent/kiosk/printer/printertest"
	"kentongan/cmd/kentongan-demo/internal/camera"
)

// site is everything that the demo runs.
type site struct {
	centre  *centre
	network *network
	cameras []*camera.Camera
	device  *device
	screen  string               // URL of the kiosk's screen
	paper   *printertest.Printer // nil where this machine can't play one

	end  context.CancelFunc
	done sync.WaitGroup
}

type siteOptions struct {
	Dir      string // everything that is written
	Centre   string // program
	Device   string // program
	PageAddr string // of the centre's page

	ScreenAddr string // of the kiosk's screen; "" is as the others

	// Leased gives an address that nobody else gets, to each part that goes and comes
	// back where it was; nil is any that is free at the moment.
	Leased func() string
}

func (o siteOptions) address() string {
	if o.Leased == nil {
		return "127.0.0.1:0"
	}
	return o.Leased()
}

const (
	demoDevice   = "kiosk-7"
	cameraUser   = "ops"
	cameraSecret = "rahasia-demo"
)

// openSite starts the parts in the order in which they need one another. What
// was started is in the site even when it fails; close ends it.
func openSite(ctx context.Context, o siteOptions) (*site, error) {
	for _, program := range []string{o.Centre, o.Device} {
		if _, err := os.Stat(program); err != nil {
			return nil, fmt.Errorf("%w; run `make build` first, or say where it is with -programs", err)
		}
	}
	run, end := context.WithCancel(ctx)
	s := &site{end: end}
	var err error
	s.centre, err = startCentre(ctx, o.Centre, "--data", filepath.Join(o.Dir, "centre"), "--listen", o.PageAddr, "--mqtt", o.address())
	if err != nil {
		return s, err
	}
	// When it is started again the page and the broker are where they were.
	s.centre.args = []string{"--data", filepath.Join(o.Dir, "centre"),
		"--listen", strings.TrimPrefix(s.centre.page, "http://"), "--mqtt", strings.TrimPrefix(s.centre.broker, "mqtt://")}

	if s.network, err = newNetwork(strings.TrimPrefix(s.centre.broker, "mqtt://")); err != nil {
		return s, err
	}
	s.done.Go(func() { s.network.run(run) })

	for _, c := range []camera.Options{
		{Name: "gate", Codec: "H264", Listen: o.address(), Username: cameraUser, Password: cameraSecret},
		{Name: "lobby", Codec: "MJPEG", Listen: o.address(), Username: cameraUser, Password: cameraSecret},
	} {
		cam, err := camera.Start(run, c)
		if err != nil {
			return s, fmt.Errorf("start camera %s: %w", c.Name, err)
		}
		s.cameras = append(s.cameras, cam)
	}

	if s.paper, err = printertest.Open(); err != nil {
		fmt.Fprintln(os.Stderr, "kentongan-demo: no printer:", err) // the rest of the demo is whole
	}
	addr, err := freeAddr(cmp.Or(o.ScreenAddr, o.address()))
	if err != nil {
		return s, err
	}
	s.screen = "http://" + addr + "/"
	if s.device, err = newDevice(o.Device, filepath.Join(o.Dir, "device"), s.deviceConfig()); err != nil {
		return s, err
	}
	s.done.Go(func() { s.device.collect(run.Done()) })
	return s, s.device.start()
}

func (s *site) deviceConfig() deviceConfig {
	c := deviceConfig{Cooldown: time.Second, Device: demoDevice, Broker: "mqtt://" + s.network.addr(), CentreKey: s.centre.key, Surroundings: surroundings}
	c.Screen = strings.Trim(strings.TrimPrefix(s.screen, "http:"), "/")
	if s.paper != nil {
		c.Printer = s.paper.Path
	}
	for _, cam := range s.cameras {
		c.Cameras = append(c.Cameras, cameraConfig{Name: cam.Name(), URL: cam.URL(), Username: cameraUser, Password: cameraSecret})
	}
	return c
}

// freeAddr is an address that can be listened on: the wish, or else a free port.
// The device has it in its configuration, so it has to be known before.
func freeAddr(wish string) (string, error) {
	l, err := net.Listen("tcp", freeOr(wish))
	if err != nil {
		return "", fmt.Errorf("find an address for the kiosk's screen: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// close ends everything and waits for it.
func (s *site) close() {
	if s.device != nil {
		s.device.stop()
	}
	if s.paper != nil {
		s.paper.Close()
	}
	for _, c := range s.cameras {
		c.Close()
	}
	if s.centre != nil {
		s.centre.stop()
	}
	s.end()
	s.done.Wait()
}

// camera finds a camera by its name.
func (s *site) camera(name string) (*camera.Camera, error) {
	for _, c := range s.cameras {
		if c.Name() == name {
			return c, nil
		}
	}
	return nil, errors.New("no camera " + name)
}

// act does what a button of the bench says.
func (s *site) act(ctx context.Context, what, on string) error {
	switch what {
	case "press":
		return s.device.board.press(on)
	case "mains", "door", "climate":
		return s.device.board.surround(what, on)
	case "paper":
		if s.paper == nil {
			return errors.New("this machine can't play a printer")
		}
		s.paper.Paper(on == "in")
		return nil
	case "network":
		if on == "cut" {
			s.network.cut()
		} else {
			s.network.join()
		}
		return nil
	case "power":
		if on == "cut" {
			s.device.kill()
			return nil
		}
		return s.device.start()
	case "centre":
		if on == "kill" {
			s.centre.kill()
			return nil
		}
		return s.centre.restart(ctx)
	}
	cam, err := s.camera(on)
	if err != nil {
		return fmt.Errorf("unknown action %s %s", what, on)
	}
	switch what {
	case "freeze", "thaw":
		cam.Freeze(what == "freeze")
	case "cover":
		return cam.Cover(camera.Cover)
	case "cap":
		return cam.Cover(camera.Cap)
	case "uncover":
		return cam.Cover(camera.Clear)
	case "silence", "speak":
		cam.Silence(what == "silence")
	case "unplug":
		cam.Unplug()
	case "plug":
		return cam.Plug()
	default:
		return fmt.Errorf("unknown action %s", what)
	}
	return nil
}

// tally compares what was confirmed to citizens with what the centre holds.
type tally struct {
	Confirmed int    `json:"confirmed"` // tickets that the device said are kept
	Held      int    `json:"held"`      // of those, at the centre
	Twice     int    `json:"twice"`     // tickets that the centre shows more than once
	Missing   uint64 `json:"missing"`   // unexplained gaps
	Doubles   uint64 `json:"doubles"`   // dropped by the centre
}

func (s *site) tally(ctx context.Context) (tally, error) {
	at, err := s.centre.complaints(ctx, demoDevice)
	if err != nil {
		return tally{}, err
	}
	lanes, err := s.centre.lanes(ctx)
	if err != nil {
		return tally{}, err
	}
	var t tally
	count := map[string]int{}
	for _, c := range at {
		if count[c.Ticket]++; count[c.Ticket] == 2 {
			t.Twice++
		}
	}
	for _, ticket := range s.device.tickets() {
		t.Confirmed++
		if count[ticket] > 0 {
			t.Held++
		}
	}
	for _, l := range lanes {
		if l.Lane != "telemetry" {
			t.Missing += l.Missing
		}
		t.Doubles += l.Duplicates
	}
	return t, nil
}
