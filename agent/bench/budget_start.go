package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/agent/bench/broker"
)

// pressEvery is between two presses of 40 ms: the button has to rest for 30 ms, or the
// next one is a bounce of this.
const pressEvery = 110 * time.Millisecond

// startLimit is for the slowest of them on the busiest machine.
const startLimit = 2 * time.Minute

// starts measures from exec to the first press that is durable.
func (b *budget) starts() ([]table, error) {
	t := table{title: "From exec to the first durable press", head: []string{"contestant", "ms, median (least–most)", "beside ours", "ms of a processor, with its end"}}
	centre, err := b.centre()
	if err != nil {
		return nil, err
	}
	defer centre.Stop()
	var ours float64
	row := func(name string, rounds int, once func() (took, processor time.Duration, err error)) error {
		var all, busy []float64
		for n := range rounds {
			if err := b.step("budget: start %d of %d: %s", n+1, rounds, name); err != nil {
				return err
			}
			took, processor, err := once()
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			busy = append(busy, float64(processor.Microseconds())/1000)
			all = append(all, float64(took.Microseconds())/1000)
		}
		if ours == 0 {
			ours = median(all)
		}
		t.add(name, spread(all), number(median(all)/ours), number(median(busy)))
		return nil
	}
	pressed := func(name string, program ...string) func() (took, processor time.Duration, err error) {
		return func() (took, processor time.Duration, err error) { return b.firstPress(name, centre.Addr, program...) }
	}
	kept := pressed("start", device("amd64"))
	if _, _, err := kept(); err != nil { // its files are made
		return nil, err
	}
	if err := row("kentongan, amd64, its files made", 11, kept); err != nil {
		return nil, err
	}
	n := 0
	if err := row("kentongan, amd64, the very first start: the lane of complaints is written whole (4 MiB here)", 5, func() (took, processor time.Duration, err error) {
		n++
		return b.firstPress(fmt.Sprint("first-", n), centre.Addr, device("amd64"))
	}); err != nil {
		return nil, err
	}
	if qemu, err := exec.LookPath("qemu-arm"); err == nil {
		emulated := pressed("arm", qemu, device("armv6"))
		if _, _, err := emulated(); err != nil {
			return nil, err
		}
		if err := row("kentongan, armv6, emulated by QEMU's user mode", 5, emulated); err != nil {
			return nil, err
		}
	} else {
		t.notes = append(t.notes, "armv6 was left out: Debian's package qemu-user is not installed.")
	}
	if err := row("Mosquitto with a bridge: the first PUBACK, nothing synced", 11, b.firstPUBACK(centre.Addr)); err != nil {
		return nil, err
	}
	if b.telegraf != "" {
		if err := row("Telegraf: the first measurement at the broker; it measures each 10 s, flushes each second", 3, b.firstMetric(centre.Addr)); err != nil {
			return nil, err
		}
	}
	t.notes = append(t.notes, "A button of the simulated board is pressed as soon as the kiosk drives its lamp, and again each 110 ms where that was too early; the time ends when the program says that the press is kept, which is after fdatasync. Debouncing is in it.")
	return []table{t}, nil
}

// centre is the broker that all send to.
func (b *budget) centre() (*broker.Mosquitto, error) {
	addr, err := broker.FreeAddr()
	if err != nil {
		return nil, err
	}
	return broker.Start(b.dir, addr, "")
}

// firstPress starts a kiosk in a directory and presses its button until that is kept.
func (b *budget) firstPress(name, to string, program ...string) (took, processor time.Duration, err error) {
	dir, err := b.place(name)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	p, err := b.run(site{kiosk: true}, dir, to, "", program...)
	if err != nil {
		return 0, 0, err
	}
	err = press(filepath.Join(dir, "board.sock"), func() bool { return p.await(`"msg":"press kept"`, pressEvery) == nil })
	took = time.Since(began)
	said := p.said()
	p.stop()
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %s", err, said)
	}
	return took, p.processor(), nil
}

// press presses the button of a simulated board until that was kept: at first when
// the kiosk drives its lamp, for a button that nobody reads yet is pressed in vain.
func press(socket string, kept func() bool) error {
	var last error
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); {
		said, err := ask(socket, `{"op":"get","line":"GPIO22"}`)
		if err == nil && !strings.Contains(said, `"out":true`) {
			err = errors.New("the kiosk drives no lamp yet")
		}
		if err == nil {
			err = pulse(socket)
		}
		if last = err; err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		if kept() {
			return nil
		}
	}
	return errors.Join(errors.New("no press was kept"), last)
}

// pulse is one press.
func pulse(socket string) error {
	_, err := ask(socket, `{"op":"pulse","line":"GPIO17","ms":40}`)
	return err
}

// ask asks a simulated board.
func ask(socket, what string) (string, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(c, what); err != nil {
		return "", err
	}
	said, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && !strings.HasPrefix(said, `{"ok":true`) {
		err = errors.New(said)
	}
	return said, err
}

// firstPUBACK is of a Mosquitto that bridges, from exec on.
func (b *budget) firstPUBACK(to string) func() (took, processor time.Duration, err error) {
	return func() (took, processor time.Duration, err error) {
		own, err := broker.FreeAddr()
		if err != nil {
			return 0, 0, err
		}
		began := time.Now()
		p, err := b.runBridge(own, b.dir, to)
		if err != nil {
			return 0, 0, err
		}
		c := client(own, "budget-first")
		err = waited(c.Connect(), "CONNACK")
		if err == nil {
			err = waited(c.Publish("budget/first", 1, false, "press"), "PUBACK")
			took = time.Since(began)
			c.Disconnect(0)
		}
		p.stop()
		return took, p.processor(), err
	}
}

// waited waits for the broker's answer.
func waited(k mqtt.Token, what string) error {
	if !k.WaitTimeout(startLimit) {
		return errors.New("no " + what)
	}
	return k.Error()
}

func client(addr, id string) mqtt.Client {
	return mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + addr).SetClientID(id).
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectTimeout(10 * time.Second))
}

// firstMetric is of a Telegraf, from exec until the broker's subscriber has it.
func (b *budget) firstMetric(to string) func() (took, processor time.Duration, err error) {
	return func() (took, processor time.Duration, err error) {
		came := make(chan struct{}, 1000)
		c := client(to, "budget-metric")
		if err := waited(c.Connect(), "CONNACK"); err != nil {
			return 0, 0, err
		}
		defer c.Disconnect(0)
		if err := waited(c.Subscribe("telegraf/#", 0, func(mqtt.Client, mqtt.Message) {
			select {
			case came <- struct{}{}:
			default: // one is enough
			}
		}), "SUBACK"); err != nil {
			return 0, 0, err
		}
		dir, err := b.place("telegraf")
		if err != nil {
			return 0, 0, err
		}
		began := time.Now()
		p, err := b.runTelegraf(dir, to, "", 0, "1s")
		if err != nil {
			return 0, 0, err
		}
		select {
		case <-came:
			took = time.Since(began)
		case <-time.After(startLimit):
			err = fmt.Errorf("no measurement: %s", p.said())
		}
		p.stop()
		return took, p.processor(), err
	}
}
