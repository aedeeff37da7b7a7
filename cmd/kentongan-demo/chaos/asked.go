package main

import (
	"fmt"
	"strings"
)

// asked is the faults that the matrix must have, as they were asked for before it
// was made, with the rows that answer each.
var asked = []struct{ fault, rows string }{
	{"kill at random points", "process-1 process-2"},
	{"power cut", "disk-1 process-3 process-4 process-5"},
	{"torn write", "disk-3 disk-1"},
	{"bit flip", "disk-4"},
	{"ENOSPC", "disk-5 disk-8"},
	{"EROFS", "disk-7 disk-18"},
	{"EIO", "disk-8 disk-9"},
	{"inode exhaustion", "disk-6"},
	{"file descriptors exhausted", "resource-2"},
	{"memory limit: cgroup at 48 MiB", "resource-1"},
	{"clock step by ten years either way", "time-2"},
	{"1970", "time-1 time-2"},
	{"DNS gone", "network-1"},
	{"half-open TCP", "network-2"},
	{"30 % loss at 600 ms", "network-3"},
	{"16 kbit/s", "network-4"},
	{"broker restart", "broker-1 process-1"},
	{"broker refusal", "broker-2 broker-3 broker-6"},
	{"broker takeover", "broker-5"},
	{"TLS expiry", "network-9 network-10"},
	{"camera hangs", "camera-1 camera-7"},
	{"camera sends garbage", "camera-1 camera-5"},
	{"slow-loris", "camera-2"},
	{"button chatter", "button-1"},
	{"button flood", "button-2"},
	{"configuration garbage", "order-1"},
	{"command replay", "order-3"},
	{"command forgery", "order-4"},
	{"update tampering", "order-6 order-7"},
	{"disk that stalls for 30 s", "disk-10"},
	{"two faults at once, drawn from a seed", "process-8"},
}

// askedTable writes what was asked for and where it is.
func askedTable() string {
	var out strings.Builder
	out.WriteString("\n## What was asked for\n\n| fault | rows |\n| --- | --- |\n")
	for _, a := range asked {
		fmt.Fprintf(&out, "| %s | %s |\n", a.fault, strings.Join(strings.Fields(a.rows), ", "))
	}
	return out.String()
}
