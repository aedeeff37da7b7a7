package agent

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/web"
)

// makeMetrics makes the listener for Prometheus, on this machine alone.
func (a *Agent) makeMetrics(c *config.Config) func() (*unit, error) {
	return func() (*unit, error) {
		s := web.Server{Listen: c.Metrics.Listen, Handler: http.HandlerFunc(a.metrics), Log: a.o.Log.With("part", "metrics"), Bounds: metricsBounds}
		return &unit{parts: []part{{"metrics", s.Run}}}, nil
	}
}

// metricsBounds are of a collector's connections: one or two keep theirs open.
var metricsBounds = web.Bounds{Conns: 8, Each: 8, Every: 100 * time.Millisecond, Burst: 10, WriteIdle: 10 * time.Second}

// metrics answers a scrape. A page that some browser has open can't read it under
// another name: the Host has to be this machine's.
func (a *Agent) metrics(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	switch {
	case host != "localhost" && (ip == nil || !ip.IsLoopback()):
		http.Error(w, "only on this machine", http.StatusForbidden)
	case r.URL.Path != "/metrics":
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "GET only", http.StatusMethodNotAllowed)
	default:
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		out := bufio.NewWriter(w)
		writeMetrics(out, a.figures())
		_ = out.Flush() // who asked has gone
	}
}

// exposition writes Prometheus' text format (version 0.0.4).
type exposition struct{ w io.Writer }

// family begins a metric.
func (e exposition) family(name, kind, help string) {
	fmt.Fprintf(e.w, "# HELP kentongan_%s %s\n# TYPE kentongan_%s %s\n", name, help, name, kind)
}

var labelValue = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// sample writes one value; labels are pairs of a name and a value.
func (e exposition) sample(name string, value float64, labels ...string) {
	var b strings.Builder
	for i := 0; i+1 < len(labels); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(labels[i] + `="` + labelValue.Replace(labels[i+1]) + `"`)
	}
	text := b.String()
	if text != "" {
		text = "{" + text + "}"
	}
	fmt.Fprintf(e.w, "kentongan_%s%s %s\n", name, text, strconv.FormatFloat(value, 'g', -1, 64))
}

func (e exposition) one(name, kind, help string, value float64, labels ...string) {
	e.family(name, kind, help)
	e.sample(name, value, labels...)
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func writeMetrics(w io.Writer, f figures) {
	e := exposition{w}
	e.one("info", "gauge", "The device and the version of its program.", 1, "device", f.Device, "version", f.Version)
	e.one("start_time_seconds", "gauge", "When the agent started.", float64(f.Since.Unix()))
	e.one("uplink_connected", "gauge", "Whether a broker is reached.", yes(f.Uplink.Connected))
	e.one("uplink_connections_total", "counter", "Connections since the start.", float64(f.Uplink.Connections))
	e.one("uplink_sent_bytes_total", "counter", "Bytes sent since the start.", float64(f.Uplink.SentBytes))
	e.one("uplink_received_bytes_total", "counter", "Bytes received since the start.", float64(f.Uplink.ReceivedBytes))
	e.family("backlog_records", "gauge", "Records that wait, by lane.")
	for _, lane := range report.Lanes() {
		e.sample("backlog_records", float64(f.Stats.Backlog[lane]), "lane", string(lane))
	}
	e.one("spool_bytes", "gauge", "Space that the spool takes.", float64(f.Stats.SpoolBytes))
	e.one("disk_free_bytes", "gauge", "Free space of the data directory's disk.", float64(f.Stats.DiskFree))
	e.one("resident_memory_bytes", "gauge", "Memory of the agent.", float64(f.Stats.RSSBytes))
	e.one("goroutines", "gauge", "Goroutines of the agent.", float64(f.Stats.Goroutines))
	e.one("load1", "gauge", "Load of the board, mean of a minute.", f.Stats.LoadAvg1)
	if f.Stats.TempMilliC != 0 {
		e.one("board_celsius", "gauge", "The hottest sensor of the board.", float64(f.Stats.TempMilliC)/1000)
	}
	e.family("alarms", "gauge", "Active alarms, by severity.")
	for _, s := range report.Severities() {
		e.sample("alarms", float64(f.Alarms[s]), "severity", s)
	}
	names := slices.Sorted(maps.Keys(f.Streams))
	e.family("stream_up", "gauge", "Whether pictures of the stream come.")
	for _, n := range names {
		e.sample("stream_up", yes(f.Streams[n].State.State == "playing"), "stream", n)
	}
	e.family("stream_fps", "gauge", "Pictures a second.")
	for _, n := range names {
		e.sample("stream_fps", f.Streams[n].FPS, "stream", n)
	}
	e.family("stream_packets", "gauge", "Packets since the session began.")
	for _, n := range names {
		e.sample("stream_packets", float64(f.Streams[n].Packets), "stream", n)
	}
	e.family("stream_packets_lost", "gauge", "Packets lost since the session began.")
	for _, n := range names {
		e.sample("stream_packets_lost", float64(f.Streams[n].Lost), "stream", n)
	}
	e.one("kiosk_troubled", "gauge", "Whether something is wrong with buttons or lamps.", yes(f.Kiosk != ""))
	e.one("config_refused", "gauge", "Whether the file on the disk is not valid and not taken.", yes(f.Config.RefusedAt != nil))
	e.one("config_needs_restart", "gauge", "Values that count after a restart only.", float64(len(f.Config.NeedsRestart)))
}
