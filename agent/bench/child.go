package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"kentongan/agent/bench/store"
	"kentongan/agent/report"
)

// childWord begins the arguments of a process of our own that opens one
// contestant, so that its memory is its own.
const childWord = "open-one"

// ourSpool is the contestant that is our whole spool, with its backlog in the
// telemetry lane and a press into the complaint lane.
const ourSpool = "Kentongan"

// opened is what such a process found.
type opened struct {
	TookNS   int64 // Open and the first durable append
	RSSBytes int64 // afterwards, with unused heap given back
	Peak     int64 // largest RSS until then, in bytes
}

// openOne runs the process.
func openOne(name, dir string, records int) (o opened, err error) {
	self, err := os.Executable()
	if err != nil {
		return o, err
	}
	cmd := exec.Command(self, childWord, name, dir, strconv.Itoa(records))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return o, fmt.Errorf("process that opens %s: %w", name, err)
	}
	return o, json.Unmarshal(out.Bytes(), &o)
}

// child is that process.
func child(args []string) int {
	err := errors.New("want NAME DIR RECORDS")
	if len(args) == 3 {
		var records int
		if records, err = strconv.Atoi(args[2]); err == nil {
			err = openAndTell(args[0], args[1], records)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func openAndTell(name, dir string, records int) error {
	press, err := store.Records(records+1, 1, report.Complaint)
	if err != nil {
		return err
	}
	began := time.Now()
	keep, err := openAndAppend(name, dir, records, press[0])
	if err != nil {
		return err
	}
	o := opened{TookNS: time.Since(began).Nanoseconds()}
	if err := keep.touch(); err != nil {
		return err
	}
	debug.FreeOSMemory()
	if o.RSSBytes, err = status(os.Getpid(), "VmRSS"); err != nil {
		return err
	}
	if o.Peak, err = status(os.Getpid(), "VmHWM"); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(o); err != nil {
		return err
	}
	return keep.close()
}

// open is an opened contestant; touch reads its oldest records, as an uplink
// does that begins to send them.
type open struct {
	touch func() error
	close func() error
}

func openAndAppend(name, dir string, records int, press store.Record) (o open, err error) {
	if name == ourSpool {
		return openOurs(dir, records, press)
	}
	for _, k := range store.Peers(1 << 20) {
		if k.Name != name {
			continue
		}
		st, err := k.Open(dir)
		if err != nil {
			return o, err
		}
		if err := st.Write([]store.Record{press}, 1); err != nil {
			return o, err
		}
		some := 100
		if k.Files {
			some = 1 // each costs a pass over the directory
		}
		touch := func() error { _, err := st.Read(some); return err }
		return open{touch, st.Close}, nil
	}
	return o, fmt.Errorf("no contestant %q", name)
}

func openOurs(dir string, records int, press store.Record) (o open, err error) {
	s, err := store.OpenSpool(dir, store.TelemetryBytes(records))
	if err != nil {
		return o, err
	}
	if _, err := s.Append(context.Background(), report.Complaint, report.KindPress, press.Body); err != nil {
		return o, err
	}
	touch := func() error {
		h := s.Head(report.Telemetry)
		got, err := s.Read(report.Telemetry, h.First, 100, 64<<10)
		if err == nil && len(got) == 0 && h.Next > h.First {
			err = fmt.Errorf("no records of %d", h.Next-h.First)
		}
		return err
	}
	return open{touch, s.Close}, nil
}

// status is a value of /proc/PID/status in bytes.
func status(pid int, name string) (int64, error) {
	text := field(fmt.Sprintf("/proc/%d/status", pid), name)
	n, err := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s of process %d: %q", name, pid, text)
	}
	return n << 10, nil
}
