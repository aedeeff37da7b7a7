package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// measured is a group of what the device program costs: of a disk, of memory, of a
// processor, of a link. It runs the program as it is shipped, and beside it what one
// would take instead.
func measured(part func(*budget) ([]table, error)) func(*settings) ([]table, error) {
	return func(s *settings) (all []table, err error) {
		dir, err := os.MkdirTemp(s.dir, "kentongan-budget-")
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		for _, p := range []string{"amd64", "armv6"} {
			if err := made("dist/kentongan-linux-" + p); err != nil {
				return nil, err
			}
		}
		return part(&budget{settings: s, dir: dir, telegraf: os.Getenv("KENTONGAN_BENCH_TELEGRAF")})
	}
}

// watching are the parts that need cameras.
func (b *budget) watching() ([]table, error) {
	if err := b.step("budget: encode %v of 1080p25", streamsVideo); err != nil {
		return nil, err
	}
	camera, stop, err := streamsSource(b.dir)
	if err != nil {
		return nil, err
	}
	defer stop()
	streams, err := b.streaming(camera)
	if err != nil {
		return nil, err
	}
	sites, err := b.sites(camera)
	return append(streams, sites...), err
}

// budget is one run of it.
type budget struct {
	*settings
	dir      string // for all that is made
	telegraf string // program, "" is none
	n        int    // of processes that were started
}

// device is the program for one platform, as `make cross` builds it.
func device(platform string) string { return filepath.Join(root, "dist/kentongan-linux-"+platform) }

// root is the repository; .ci/bench starts this in agent/bench.
const root = "../.."

// process is a program that was started, with what it says.
type process struct {
	cmd  *exec.Cmd
	log  *os.File
	done chan error
}

// start runs a program with its files in a directory of its own.
func (b *budget) start(name string, args ...string) (*process, error) {
	b.n++
	log, err := os.Create(filepath.Join(b.dir, fmt.Sprintf("log-%d", b.n)))
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(name, args...), log: log, done: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), log.Close())
	}
	go func() { p.done <- p.cmd.Wait() }()
	return p, nil
}

// said is what it has said until now.
func (p *process) said() []byte {
	text, _ := os.ReadFile(p.log.Name()) // what can't be read was not said
	return text
}

// await waits until it has said something, or has ended.
func (p *process) await(what string, limit time.Duration) error {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		if bytes.Contains(p.said(), []byte(what)) {
			return nil
		}
		select {
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("%s ended (%w): %s", p.cmd.Path, errors.Join(err, errors.New("before it was ended")), p.said())
		case <-time.After(2 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s does not say %q in %v: %s", p.cmd.Path, what, limit, p.said())
}

// processor is the time that it had of one, once it was stopped.
func (p *process) processor() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// stop ends it as a service manager does.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	_ = p.log.Close()
}

// site is a configuration of the device program: what a place of that kind has.
type site struct {
	name    string
	kiosk   bool
	streams int
	sensors bool
}

// text is its configuration. Measurements go out and are kept as often as by default.
func (c site) text(device, dir, broker, camera string) string {
	var t strings.Builder
	fmt.Fprintf(&t, `device: %s
data: %s
spool: {complaint: 4MiB, event: 4MiB, telemetry: 16MiB}
uplink: {acknowledge: broker, brokers: [{url: "mqtt://%s"}]}
board: {driver: sim, socket: %s}
pictures: {ffmpeg: "off"}
log: {level: info}
`, device, filepath.Join(dir, "data"), broker, filepath.Join(dir, "board.sock"))
	if c.kiosk {
		t.WriteString(`kiosk:
  number: 7
  cooldown: 1s
  buttons: [{name: road, line: GPIO17, service_code: jalan-rusak, category: infrastruktur, label: {id: Jalan rusak, en: Damaged road}}]
  lamps: {saved: {line: GPIO22}, received: {line: GPIO23}, fault: {line: GPIO24}}
`)
	}
	if c.sensors {
		t.WriteString(`sensors: [{name: cabinet, driver: sht3x, address: "i2c-1:0x44"}, {name: rack, driver: ds18b20}]
lines: [{name: door, kind: door, line: GPIO6}, {name: mains, kind: mains, line: GPIO5}]
`)
	}
	if c.streams > 0 {
		t.WriteString("streams:\n")
		for n := range c.streams {
			fmt.Fprintf(&t, "  - {name: cam-%d, url: %q, transport: tcp}\n", n+1, camera)
		}
	}
	return t.String()
}

// run starts the device program with a site's configuration.
func (b *budget) run(c site, dir, broker, camera string, program ...string) (*process, error) {
	file := filepath.Join(dir, "kentongan.yaml")
	if err := os.WriteFile(file, []byte(c.text("budget-"+filepath.Base(dir), dir, broker, camera)), 0o600); err != nil {
		return nil, err
	}
	args := append(program, "run", "--config", file)
	return b.start(args[0], args[1:]...)
}

// place makes a directory below the run's.
func (b *budget) place(name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	return dir, os.MkdirAll(dir, 0o700)
}
