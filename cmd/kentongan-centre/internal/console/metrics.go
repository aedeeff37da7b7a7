package console

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"kentongan/cmd/kentongan-centre/internal/store"
)

// metrics writes the Prometheus text format by hand: a dozen lines need no
// library. Names are kentongan_*, units are base units. No device is named in a
// label: ten thousand devices would be ten thousand series.
func (c *Console) metrics(w http.ResponseWriter, r *http.Request) {
	o, err := c.view(r).Overview(r.Context(), time.Time{})
	if err != nil {
		c.cfg.Log.Error("query failed", "err", err)
		http.Error(w, "the database did not answer", http.StatusInternalServerError)
		return
	}
	sums, err := c.view(r).AlarmSums(r.Context(), time.Time{}) // with those on the shelf: whether somebody put them aside is no matter of the device
	if err != nil {
		c.cfg.Log.Error("query failed", "err", err)
		http.Error(w, "the database did not answer", http.StatusInternalServerError)
		return
	}
	apps, err := c.view(r).AppSums(r.Context())
	if err != nil {
		c.cfg.Log.Error("query failed", "err", err)
		http.Error(w, "the database did not answer", http.StatusInternalServerError)
		return
	}
	rollouts, inRollouts, err := c.view(r).RolloutFigures(r.Context())
	if err != nil {
		c.cfg.Log.Error("query failed", "err", err)
		http.Error(w, "the database did not answer", http.StatusInternalServerError)
		return
	}
	var m metricText
	m.gauge("kentongan_devices", "Devices by what their last state says.", "state", map[string]int64{"online": int64(o.Online), "offline": int64(o.Offline), "unknown": int64(o.Devices - o.Online - o.Offline)})
	m.gauge("kentongan_streams", "Streams of devices that are online, by state.", "state", map[string]int64{"playing": int64(o.Playing), "silent": int64(o.Silent), "failed": int64(o.Failed)})
	m.gauge("kentongan_apps", "Applications, each as often as devices that are online look at it, by state.", "state", apps)
	m.alarms(sums)
	m.gauge("kentongan_rollouts", "Rollouts of releases, by state.", "state", rollouts)
	m.gauge("kentongan_rollout_devices", "Devices of the rollouts that are not over, by how far they are.", "state", inRollouts)
	m.one("kentongan_complaints", "gauge", "Complaints held.", int64(o.Complaints))
	m.one("kentongan_records_held", "gauge", "Records held, of all lanes.", int64(o.Records))
	m.one("kentongan_records_missing", "gauge", "Numbers that no record and no gap record accounts for. Has to be 0.", int64(o.Missing))
	m.one("kentongan_records_explained", "gauge", "Numbers that a gap record of the device explains.", int64(o.Explained))
	m.one("kentongan_records_waiting", "gauge", "Numbers given out by devices and still with them.", int64(o.Waiting))
	m.one("kentongan_records_duplicate", "gauge", "Records that came again and were dropped.", int64(o.Duplicates))
	m.one("kentongan_records_conflict", "gauge", "Numbers that came again with other content. Has to be 0.", int64(o.Conflicts))

	if c.view(r).Scope().All() {
		c.ownMetrics(&m)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(m.Bytes()) // the client has gone
}

// ownMetrics are of the centre itself, over all agencies; an agency's account
// does not get them.
func (c *Console) ownMetrics(m *metricText) {
	in := c.cfg.Ingest()
	if c.cfg.Auditor != nil {
		proof := c.cfg.Auditor.Status()
		m.gauge("kentongan_centre_proof_devices", "Devices whose records were read again, by verdict; unsigned are those of the green that have signed nothing.", "verdict", map[string]int64{"green": int64(proof.Green), "red": int64(proof.Red), "unsigned": int64(proof.Unsigned)})
		m.one("kentongan_centre_proof_findings", "gauge", "What is wrong with the database as a whole. Has to be 0.", int64(len(proof.Findings)))
		m.one("kentongan_centre_proof_root_number", "gauge", "Number of the newest root that was read.", int64(proof.Root))
	}
	m.one("kentongan_ingest_connected", "gauge", "1 while connected to the broker.", b2i(in.Connected))
	m.one("kentongan_ingest_messages_total", "counter", "MQTT messages taken.", in.Messages)
	m.one("kentongan_ingest_bytes_total", "counter", "Payload bytes taken.", in.Bytes)
	m.one("kentongan_ingest_records_total", "counter", "New records committed.", in.Records)
	m.labelled("kentongan_ingest_refused_total", "counter", "What was left out, by reason.", "reason", map[string]int64{"topic": in.BadTopics, "batch": in.BadBatches, "state": in.BadStates, "record": in.BadRecords})
	m.one("kentongan_ingest_future_records_total", "counter", "Records of a synced clock that is ahead of the centre's.", in.Future)
	m.one("kentongan_ingest_commits_total", "counter", "Transactions committed.", in.Commits)
	m.one("kentongan_ingest_commit_errors_total", "counter", "Transactions that failed.", in.CommitErrors)
	m.seconds("kentongan_ingest_commit_seconds_total", "counter", "Time spent in commits.", in.CommitTime)
	m.one("kentongan_ingest_receipts_total", "counter", "Acknowledgements published.", in.Receipts)
	m.one("kentongan_ingest_orders_total", "counter", "Orders published, also again.", in.Orders)
	m.one("kentongan_ingest_sessions_lost_total", "counter", "Sessions with the broker that ended.", in.SessionsLost)
	if n := c.cfg.BrokerClients(); n >= 0 {
		m.one("kentongan_broker_clients", "gauge", "Clients of the embedded broker, this centre among them.", int64(n))
	}
	if c.cfg.Webhook != nil {
		h := c.cfg.Webhook()
		m.labelled("kentongan_webhook_events_total", "counter", "Changes of alarms for the webhook, by what became of them; failed was given up, dropped found no room.", "outcome", map[string]int64{"sent": h.Sent, "failed": h.Failed, "dropped": h.Dropped})
		m.one("kentongan_webhook_retries_total", "counter", "Attempts of the webhook that were made again.", h.Retried)
		m.one("kentongan_webhook_waiting", "gauge", "Changes that wait for the webhook.", int64(h.Waiting))
	}
	m.one("kentongan_pages_open", "gauge", "Open event streams.", int64(c.hub.count()))
	m.seconds("kentongan_centre_start_time_seconds", "gauge", "When the centre started, Unix time.", time.Duration(c.startedAt.UnixNano()))
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	m.one("kentongan_centre_memory_bytes", "gauge", "Memory taken from the system.", int64(ms.Sys))
	m.one("kentongan_centre_goroutines", "gauge", "Goroutines.", int64(runtime.NumGoroutine()))
}

// alarms writes what is known of the alarms of all devices.
func (m *metricText) alarms(sums store.AlarmSums) {
	m.gauge("kentongan_alarms", "Alarms that stand, by severity; those that another explains don't count.", "severity", sums.Active)
	m.one("kentongan_alarms_unacknowledged", "gauge", "Of those, not taken by anybody.", sums.Unacked)
	m.one("kentongan_alarms_hidden", "gauge", "Alarms that another explains.", sums.Hidden)
	m.one("kentongan_alarms_raised", "gauge", "Alarms of cameras and groups raised so far, by the devices' own count.", sums.Raised)
	m.one("kentongan_false_alarms", "gauge", "Of those, called false by an operator.", sums.False)
	// False alarms for each 1,000 camera-days are 86,400,000 times the quotient.
	m.head("kentongan_camera_watched_seconds", "gauge", "Cameras watched, times seconds.")
	fmt.Fprintf(m, "kentongan_camera_watched_seconds %.0f\n", sums.CameraDays*(24*time.Hour).Seconds())
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

type metricText struct{ bytes.Buffer }

func (m *metricText) head(name, kind, help string) {
	fmt.Fprintf(m, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (m *metricText) one(name, kind, help string, v int64) {
	m.head(name, kind, help)
	fmt.Fprintf(m, "%s %d\n", name, v)
}

func (m *metricText) seconds(name, kind, help string, d time.Duration) {
	m.head(name, kind, help)
	fmt.Fprintf(m, "%s %.6f\n", name, d.Seconds())
}

func (m *metricText) gauge(name, help, label string, values map[string]int64) {
	m.labelled(name, "gauge", help, label, values)
}

func (m *metricText) labelled(name, kind, help, label string, values map[string]int64) {
	m.head(name, kind, help)
	for _, k := range sorted(values) {
		fmt.Fprintf(m, "%s{%s=%q} %d\n", name, label, k, values[k])
	}
}
