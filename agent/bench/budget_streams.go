package main

import (
	"fmt"
	"time"

	"kentongan/agent/bench/broker"
)

const (
	budgetSettle = 8 * time.Second  // after the start, until memory and time are measured
	budgetWindow = 10 * time.Second // of those
)

// streaming measures memory and processor time with so many cameras.
func (b *budget) streaming(camera string) ([]table, error) {
	centre, err := b.centre()
	if err != nil {
		return nil, err
	}
	defer centre.Stop()
	t := table{title: "Memory and processor, by cameras", head: []string{"contestant", "RSS, MiB", "of this its own (the rest is the program's file), MiB", "% of a core", "% of a core for each stream"}}
	row := func(name string, streams int, start func() (*process, error)) error {
		if err := b.step("budget: %s", name); err != nil {
			return err
		}
		p, err := start()
		if p != nil {
			defer p.stop()
		}
		if err != nil {
			return err
		}
		time.Sleep(budgetSettle)
		pid := p.cmd.Process.Pid
		before, _, err := family(pid)
		if err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, p.said())
		}
		began := time.Now()
		time.Sleep(budgetWindow)
		after, _, err := family(pid)
		if err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, p.said())
		}
		core := 100 * (after - before) / time.Since(began).Seconds()
		rss, err := status(pid, "VmRSS")
		if err != nil {
			return err
		}
		own, err := status(pid, "RssAnon")
		if err != nil {
			return err
		}
		each := "–"
		if streams > 0 {
			each = number(core / float64(streams))
		}
		t.add(name, mib(float64(rss)), mib(float64(own)), number(core), each)
		return nil
	}
	for _, n := range []int{0, 1, 8, 64} {
		name := fmt.Sprintf("kentongan, %d cameras", n)
		if n == 0 {
			name = "kentongan, a kiosk at rest"
		}
		if err := row(name, n, func() (*process, error) {
			dir, err := b.place(fmt.Sprint("streams-", n))
			if err != nil {
				return nil, err
			}
			p, err := b.run(site{kiosk: n == 0, streams: n}, dir, centre.Addr, camera, device("amd64"))
			if err == nil {
				err = p.await(`"msg":"agent started"`, startLimit)
			}
			return p, err
		}); err != nil {
			return nil, err
		}
	}
	if err := row("ffmpeg -c copy, 1 stream", 1, func() (*process, error) {
		c := ffmpegStreams("-c", "copy")(camera, 1)[0]
		return b.start(c.Path, c.Args[1:]...)
	}); err != nil {
		return nil, err
	}
	if err := row("Mosquitto with a bridge, at rest", 0, func() (*process, error) {
		addr, err := broker.FreeAddr()
		if err != nil {
			return nil, err
		}
		return b.runBridge(addr, b.dir, centre.Addr)
	}); err != nil {
		return nil, err
	}
	if b.telegraf != "" {
		for _, n := range []int{0, 8} {
			if err := row(fmt.Sprintf("Telegraf, asking %d cameras whether their port is open", n), n, func() (*process, error) {
				dir, err := b.place(fmt.Sprint("telegraf-", n))
				if err != nil {
					return nil, err
				}
				return b.runTelegraf(dir, centre.Addr, camera, n, "10s")
			}); err != nil {
				return nil, err
			}
		}
	}
	t.notes = append(t.notes, fmt.Sprintf("The program as it is shipped for amd64, one turn of %v each, %v after the start, cameras of 1080p25 at 4 Mbit/s over TCP, packets alone (no picture is decoded). A tick of the kernel's clock is 0.1 %% of a core here.", budgetWindow, budgetSettle))
	return []table{t}, nil
}
