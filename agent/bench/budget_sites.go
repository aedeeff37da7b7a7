package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/agent/bench/broker"
	"kentongan/agent/bench/disk"
)

const (
	siteSettle  = 25 * time.Second // until what is sent and written goes on evenly
	siteWindow  = 60 * time.Second // of that: six measurements, as by default
	sitePresses = 10               // afterwards
	pressesADay = 200              // of a busy kiosk
	siteDisk    = 64 << 20         // bytes
	day         = 24 * time.Hour
)

// counter is a way to a broker that counts what passes, both ways.
type counter struct {
	addr  string
	bytes atomic.Int64
	l     net.Listener
}

func count(to string) (*counter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &counter{addr: l.Addr().String(), l: l}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			go c.pass(in, out)
			go c.pass(out, in)
		}
	}()
	return c, nil
}

func (c *counter) pass(to, from net.Conn) {
	_, _ = io.Copy(to, io.TeeReader(from, c)) // one end has gone
	_ = to.Close()
	_ = from.Close()
}

// Write implements io.Writer: it counts.
func (c *counter) Write(p []byte) (int, error) {
	c.bytes.Add(int64(len(p)))
	return len(p), nil
}

// contestant of a site, with a disk and a way of its own.
type contestant struct {
	site, name string
	disk       *disk.Disk
	way        *counter
	from, at   reading // when the window began and ended
}

// reading is what was counted until then.
type reading struct {
	disk disk.Count
	link int64
	when time.Time
}

func (c *contestant) read() (r reading, err error) {
	r.disk, err = c.disk.Count()
	r.link, r.when = c.way.bytes.Load(), time.Now()
	return r, err
}

// sites measures bytes to the disk and on the link at three typical sites, all beside
// each other.
func (b *budget) sites(camera string) (_ []table, err error) {
	centre, err := b.centre()
	if err != nil {
		return nil, err
	}
	defer centre.Stop()
	all := []site{
		{name: "a kiosk alone", kiosk: true},
		{name: "4 cameras", streams: 4},
		{name: "16 cameras, kiosk, sensors", kiosk: true, streams: 16, sensors: true},
	}
	var contestants []*contestant
	var started []*process
	defer func() {
		for _, p := range started {
			p.stop()
		}
		for _, c := range contestants {
			err = errors.Join(err, c.way.l.Close(), c.disk.Remove())
		}
	}()
	enter := func(site, name string) (*contestant, error) {
		if err := b.step("budget: %s: %s", site, name); err != nil {
			return nil, err
		}
		d, err := disk.Loop(b.dir, siteDisk)
		if err != nil {
			return nil, err
		}
		way, err := count(centre.Addr)
		if err != nil {
			return nil, errors.Join(err, d.Remove())
		}
		c := &contestant{site: site, name: name, disk: d, way: way}
		contestants = append(contestants, c)
		return c, nil
	}
	kiosk := "" // its board
	for n, s := range all {
		ours, err := enter(s.name, "kentongan")
		if err != nil {
			return nil, err
		}
		dir := filepath.Join(ours.disk.Dir, fmt.Sprint("site-", n))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
		bridge, err := enter(s.name, "Mosquitto's bridge, a snapshot after each change, given the same records one by one")
		if err != nil {
			return nil, err
		}
		addr, err := broker.FreeAddr()
		if err != nil {
			return nil, err
		}
		p, err := b.runBridge(addr, bridge.disk.Dir, bridge.way.addr)
		if err != nil {
			return nil, err
		}
		started = append(started, p)
		unfeed, err := feed(centre.Addr, addr, fmt.Sprint("budget-site-", n))
		if err != nil {
			return nil, err
		}
		defer unfeed()
		if p, err = b.run(s, dir, ours.way.addr, camera, device("amd64")); err != nil {
			return nil, err
		}
		started = append(started, p)
		if err := p.await(`"msg":"agent started"`, startLimit); err != nil {
			return nil, err
		}
		if n == 0 {
			kiosk = filepath.Join(dir, "board.sock")
		}
		if b.telegraf != "" {
			other, err := enter(s.name, "Telegraf, disk buffer, asking whether ports are open")
			if err != nil {
				return nil, err
			}
			if p, err = b.runTelegraf(other.disk.Dir, other.way.addr, camera, s.streams, "10s"); err != nil {
				return nil, err
			}
			started = append(started, p)
		}
	}
	if err := b.step("budget: %v, then %v that are counted", siteSettle, siteWindow); err != nil {
		return nil, err
	}
	time.Sleep(siteSettle)
	for _, c := range contestants {
		if c.from, err = c.read(); err != nil {
			return nil, err
		}
	}
	time.Sleep(siteWindow)
	for _, c := range contestants {
		if c.at, err = c.read(); err != nil {
			return nil, err
		}
	}
	press, err := b.presses(contestants[:2], kiosk)
	if err != nil {
		return nil, err
	}
	return []table{sitesTable(contestants, press)}, nil
}

// perPress is what one press costs more.
type perPress struct{ disk, link float64 }

// presses presses a kiosk's button, and counts what that costs it and the bridge.
func (b *budget) presses(kiosk []*contestant, socket string) (map[string]perPress, error) {
	if err := b.step("budget: %d presses", sitePresses); err != nil {
		return nil, err
	}
	var before []reading
	for _, c := range kiosk {
		r, err := c.read()
		if err != nil {
			return nil, err
		}
		before = append(before, r)
	}
	for range sitePresses {
		if err := pulse(socket); err != nil {
			return nil, fmt.Errorf("press: %w", err)
		}
		time.Sleep(2 * time.Second) // longer than the cooldown: each is a complaint
	}
	time.Sleep(2 * time.Second)
	out := map[string]perPress{}
	for i, c := range kiosk {
		r, err := c.read()
		if err != nil {
			return nil, err
		}
		share := r.when.Sub(before[i].when).Seconds() / c.at.when.Sub(c.from.when).Seconds() // of what it costs without presses
		out[c.name] = perPress{
			disk: max(0, float64(r.disk.Bytes-before[i].disk.Bytes)-share*float64(c.at.disk.Bytes-c.from.disk.Bytes)) / sitePresses,
			link: max(0, float64(r.link-before[i].link)-share*float64(c.at.link-c.from.link)) / sitePresses,
		}
	}
	return out, nil
}

func sitesTable(all []*contestant, press map[string]perPress) table {
	t := table{title: "A day at three sites", head: []string{"site", "contestant", "MiB to the disk a day", "beside ours", "flushes a day", "MiB on the link a day", "beside ours"}}
	var ours [2]float64
	for _, c := range all {
		days := day.Seconds() / c.at.when.Sub(c.from.when).Seconds()
		written := c.at.disk.Sub(c.from.disk)
		toDisk, onLink := days*float64(written.Bytes), days*float64(c.at.link-c.from.link)
		if p, ok := press[c.name]; ok && strings.Contains(c.site, "kiosk") {
			toDisk, onLink = toDisk+pressesADay*p.disk, onLink+pressesADay*p.link
		}
		if c.name == "kentongan" {
			ours = [2]float64{toDisk, onLink}
		}
		flushes := thousands(int64(days * float64(written.Flushes)))
		if !c.disk.Counted() {
			t.add(c.site, c.name, "–", "–", "–", mib(onLink), number(onLink/ours[1]))
			t.notes = append(t.notes, c.disk.Why+".")
			continue
		}
		t.add(c.site, c.name, mib(toDisk), number(toDisk/ours[0]), flushes, mib(onLink), number(onLink/ours[1]))
	}
	for _, name := range []string{"kentongan", "Mosquitto's bridge, a snapshot after each change, given the same records one by one"} {
		p := press[name]
		t.notes = append(t.notes, fmt.Sprintf("A press costs %s %s KiB of the disk and %s KiB of the link.", strings.SplitN(name, ",", 2)[0], kib(p.disk), kib(p.link)))
	}
	t.notes = append(t.notes,
		fmt.Sprintf("Extrapolated from %v with nothing out of order, %v after the start, all beside each other, and %d presses afterwards, of which a kiosk has %d a day. The disk is what its device was asked to write, ext4's journal with it; the link is MQTT in plain, both ways, without TLS, TCP and IP; `acknowledge: broker`. TLS, alarms, commands and a link that is away come on top.", siteWindow, siteSettle, sitePresses, pressesADay),
		"A disk that nothing is written to for a minute still has ext4's own work on it.")
	slices.Sort(t.notes)
	t.notes = slices.Compact(t.notes)
	return t
}

// feed gives each record of a device, as it comes to the centre's broker, to another
// broker as a message of its own: what a program that publishes measurements would do.
func feed(centre, to, device string) (stop func(), err error) {
	in, out := client(centre, "budget-in-"+device), client(to, "budget-out-"+device)
	for _, c := range []mqtt.Client{in, out} {
		if err := waited(c.Connect(), "CONNACK"); err != nil {
			return nil, err
		}
	}
	var once sync.Once
	take := func(_ mqtt.Client, m mqtt.Message) {
		text := m.Payload()
		if strings.HasSuffix(m.Topic(), "/gz") {
			r, err := gzip.NewReader(bytes.NewReader(text))
			if err == nil {
				text, err = io.ReadAll(r)
			}
			if err != nil {
				once.Do(func() { fmt.Fprintln(os.Stderr, "bench: a batch that is no gzip:", err) })
				return
			}
		}
		lines := bytes.Split(bytes.TrimSpace(text), []byte{'\n'})
		for _, line := range lines[1:] { // the first is the batch's head
			out.Publish("sensors/"+device, 1, false, line)
		}
	}
	if err := waited(in.Subscribe("kentongan/v1/"+device+"/up/#", 0, take), "SUBACK"); err != nil {
		return nil, err
	}
	return func() { in.Disconnect(0); out.Disconnect(0) }, nil
}
