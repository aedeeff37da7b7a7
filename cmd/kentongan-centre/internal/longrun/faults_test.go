package longrun

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"kentongan/agent/report"
)

// fault is something that goes wrong and is over after some time.
type fault struct {
	name        string
	least, most time.Duration // zero is at once
	group       string        // of faults of which one at a time makes sense
	begin       func()
	end         func() // nil is nothing to mend
}

// faults are all that may happen.
func (w *world) faults() (list []fault) {
	d, rng := w.device, w.rng
	names := slices.Sorted(maps.Keys(w.cameras)) // in one order, so that a seed draws the same ones
	felt := func(name string, h *host, m mood, most time.Duration) fault {
		return fault{name + " " + string(m), 20 * time.Second, most, name, func() { h.set(m) }, func() { h.set(well) }}
	}
	for _, m := range []mood{refusing, gone, slow} {
		list = append(list, felt("broker", w.brokerHost, m, 2*time.Hour))
		for _, name := range names {
			list = append(list, felt("camera "+name, w.cameras[name].host, m, time.Hour))
		}
	}
	for _, name := range names {
		c := w.cameras[name]
		list = append(list,
			fault{"camera " + name + " frozen", 20 * time.Minute, time.Hour, "camera " + name, func() { c.frozen.Store(true) }, func() { c.frozen.Store(false) }},
			fault{"camera " + name + " silent", time.Minute, time.Hour, "camera " + name, func() { c.silent.Store(true) }, func() { c.silent.Store(false) }},
			fault{name: "camera " + name + " restarts", begin: c.host.reset},
		)
	}
	says := func(name string, code byte) fault {
		return fault{"broker " + name, time.Minute, time.Hour, "broker", func() { w.broker.refuses(code); w.brokerHost.reset() }, func() { w.broker.refuses(0) }}
	}
	list = append(list, says("is full", 3), says("denies", 5))
	disk := func(name string, most time.Duration, change func(), undo func()) fault {
		locked := func(f func()) func() {
			return func() {
				m := d.disk.Mu
				m.Lock()
				defer m.Unlock()
				f()
			}
		}
		return fault{"disk " + name, 10 * time.Second, most, "disk", locked(change), locked(undo)}
	}
	fails := func(err error, ops string) func() {
		return func() {
			d.disk.Fault = func(op, _ string, _ int64) error {
				if slices.Contains(strings.Fields(ops), op) {
					return err
				}
				return nil
			}
		}
	}
	mended := func() { d.disk.Fault = nil }
	list = append(list,
		fault{name: "broker restarts", begin: w.brokerHost.reset},
		fault{"centre away", 10 * time.Second, 3 * time.Hour, "centre", w.centre.leave, w.centre.start},
		disk("full", 8*time.Minute, func() { d.disk.Free = 0 }, func() { d.disk.Free = -1 }),
		disk("read-only", 8*time.Minute, fails(syscall.EROFS, "write sync create openrw rename remove syncdir mkdir"), mended),
		disk("read-only for long", 25*time.Minute, fails(syscall.EROFS, "write sync create openrw rename remove syncdir mkdir"), mended),
		disk("refuses flushes", 5*time.Minute, fails(syscall.EIO, "sync"), mended),
		disk("is slow", 8*time.Minute, func() { d.disk.SyncTime = 5 * time.Second }, func() { d.disk.SyncTime = 0 }),
		disk("hangs", 4*time.Minute, func() { d.disk.SyncTime = time.Minute }, func() { d.disk.SyncTime = 0 }),
		fault{name: "disk stalls once", begin: w.stall},
		fault{name: "power cut", begin: func() { w.powerCut(time.Second + time.Duration(rng.Int64N(int64(time.Minute)))) }},
		fault{name: "power away", begin: func() { w.powerCut(time.Minute + time.Duration(rng.Int64N(int64(40*time.Minute)))) }},
		fault{name: "clock step", begin: func() { w.step(time.Duration(rng.Int64N(int64(4*time.Hour))) - 2*time.Hour) }},
		fault{name: "clock a year off", begin: func() { w.step(365 * 24 * time.Hour * time.Duration(1-2*rng.IntN(2))) }},
		fault{"clock right", 0, 0, "", func() { w.setClock(0) }, nil},
		fault{"clock lost", time.Minute, 2 * time.Hour, "clock", func() { w.unsynced.Store(true) }, func() { w.unsynced.Store(false) }},
		fault{"sensor missing", time.Minute, time.Hour, "sensor", func() { w.sensor("missing") }, func() { w.sensor("") }},
		fault{"sensor hung", time.Minute, time.Hour, "sensor", func() { w.sensor("hung") }, func() { w.sensor("") }},
		fault{"mains away", time.Minute, 3 * time.Hour, "mains", func() { _ = d.lines().Set("GPIO7", true) }, func() { _ = d.lines().Set("GPIO7", false) }},
		fault{name: "door", begin: func() { _ = d.lines().Pulse("GPIO8", time.Minute) }},
		fault{name: "button storm", begin: func() { w.storm(300, 60*time.Millisecond) }},
		fault{name: "button flood", begin: func() { w.storm(2000, 35*time.Millisecond) }},
		fault{name: "contact chatters", begin: w.chatter},
		fault{name: "orders", begin: func() { w.orders(30) }},
		fault{name: "forged orders", begin: w.forge},
		fault{name: "restart ordered", begin: func() {
			w.unsure.Store(true)
			w.order(w.centre.desk.Restart(context.Background(), deviceID, "Sari", "uji"))
		}},
		fault{name: "configuration ordered", begin: func() {
			w.unsure.Store(true)
			w.every = map[string]string{"10m": "1m", "1m": "5m", "5m": "10m"}[w.every]
			text := configuration(w.centre.key, w.every)
			w.order(w.centre.desk.Configure(context.Background(), deviceID, 0, text, "Sari", "uji"))
		}},
		fault{name: "garbage configuration ordered", begin: func() {
			w.unsure.Store(true)
			w.order(w.centre.desk.Configure(context.Background(), deviceID, 0, "streams: [", "Sari", "uji"))
		}},
	)
	return list
}

// stall holds the flushes of one second back for half a minute.
func (w *world) stall() {
	disk := w.device.disk
	set := func(d time.Duration) {
		disk.Mu.Lock()
		defer disk.Mu.Unlock()
		disk.SyncTime = d
	}
	set(30 * time.Second)
	w.wg.Go(func() {
		time.Sleep(time.Second)
		set(0)
	})
}

func (w *world) sensor(problem string) {
	if b := w.device.lines(); b != nil {
		_ = b.SetSensor("cabinet", noChange, &problem) // an agent that has just begun may not have opened it
	}
}

// orders gives many orders at once.
func (w *world) orders(n int) {
	ctx := context.Background()
	for i := range n {
		switch i % 3 {
		case 0:
			w.order(w.centre.desk.Identify(ctx, deviceID, 1+w.rng.IntN(10), "Sari"))
		case 1:
			w.order(w.centre.desk.AckAlarm(ctx, deviceID, fmt.Sprint("alarm-", i), "Sari", "uji", false))
		case 2:
			w.order(w.centre.desk.Logs(ctx, deviceID, "Sari", "uji"))
		}
	}
}

// forge speaks in the centre's name without its key, and repeats what it said.
func (w *world) forge() {
	topic := report.Topics(deviceID)
	for i := range 200 {
		w.broker.say(topic.Command(report.OrderRestart), fmt.Appendf(nil, "kentongan order pos-1 restart\n{\"id\":\"%d\"}\n\n— kentongan-centre AAAA\n", i))
	}
}

// storm presses one button again and again.
func (w *world) storm(n int, each time.Duration) {
	button := w.anyLine()
	w.wg.Go(func() {
		for range n {
			w.press(button, each)
		}
	})
}

// chatter is a contact that bounces for a few milliseconds: one press.
func (w *world) chatter() {
	b, line := w.device.lines(), w.anyLine()
	w.wg.Go(func() {
		w.fingers[line] <- struct{}{}
		defer func() { <-w.fingers[line] }()
		w.presses.Add(1)
		for range 6 {
			_ = b.Set(line, true)
			time.Sleep(time.Millisecond)
			_ = b.Set(line, false)
			time.Sleep(time.Millisecond)
		}
		_ = b.Set(line, true)
		time.Sleep(200 * time.Millisecond)
		_ = b.Set(line, false)
		time.Sleep(200 * time.Millisecond)
	})
}

func (w *world) anyLine() string {
	if w.rng.IntN(2) == 0 {
		return lines["road"]
	}
	return lines["light"]
}

// draw takes one of a list.
func draw[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }
