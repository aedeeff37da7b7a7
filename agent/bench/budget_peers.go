package main

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kentongan/agent/bench/broker"
)

// runBridge starts a Mosquitto at addr that bridges, and keeps its queue in dir as
// durably as it can: a snapshot after each change.
func (b *budget) runBridge(addr, dir, to string) (*process, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	conf := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\npersistence_location %s/\nautosave_on_changes true\nautosave_interval 1\nlog_type error\n%s", port, dir, broker.Bridge(to, 20))
	file := filepath.Join(b.dir, "bridge-"+port+".conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	p, err := b.start("mosquitto", "-c", file)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return p, c.Close()
		}
		time.Sleep(5 * time.Millisecond)
	}
	p.stop()
	return nil, fmt.Errorf("mosquitto does not listen on %s: %s", addr, p.said())
}

// runTelegraf starts a Telegraf that measures the machine each 10 s, asks cameras
// whether their port is open, and sends it on; what was not sent waits on the disk.
func (b *budget) runTelegraf(dir, to, camera string, cameras int, flush string) (*process, error) {
	var t strings.Builder
	fmt.Fprintf(&t, `[agent]
interval = "10s"
flush_interval = %q
hostname = "budget"
quiet = true
buffer_strategy = "disk"
buffer_directory = %q
[[outputs.mqtt]]
servers = ["tcp://%s"]
topic = "telegraf/{{ .Hostname }}/{{ .PluginName }}"
qos = 1
data_format = "influx"
[[inputs.cpu]]
percpu = false
[[inputs.mem]]
[[inputs.disk]]
mount_points = ["/"]
[[inputs.net]]
interfaces = ["lo"]
ignore_protocol_stats = true
`, flush, filepath.Join(dir, "buffer"), to)
	if cameras > 0 {
		u, err := url.Parse(camera)
		if err != nil {
			return nil, err
		}
		for n := range cameras {
			fmt.Fprintf(&t, "[[inputs.net_response]]\nprotocol = \"tcp\"\naddress = %q\n[inputs.net_response.tags]\ncamera = \"cam-%d\"\n", u.Host, n+1)
		}
	}
	file := filepath.Join(dir, "telegraf.conf")
	if err := os.WriteFile(file, []byte(t.String()), 0o600); err != nil {
		return nil, err
	}
	return b.start(b.telegraf, "--config", file)
}
