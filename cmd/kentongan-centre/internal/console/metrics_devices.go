package console

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// deviceMetrics writes series of each device, for who wants them: some ten for
// each, which a Prometheus of a province feels. Units are base units.
func (c *Console) deviceMetrics(w http.ResponseWriter, r *http.Request) {
	m, err := c.deviceSeries(r)
	if err != nil {
		c.cfg.Log.Error("query failed", "err", err)
		http.Error(w, "the database did not answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(m.Bytes()) // the client has gone
}

func (c *Console) deviceSeries(r *http.Request) (*metricText, error) {
	ctx, v := r.Context(), c.view(r)
	devices, err := v.Devices(ctx, "")
	if err != nil {
		return nil, err
	}
	streams, err := v.Streams(ctx, "")
	if err != nil {
		return nil, err
	}
	around, err := v.Surroundings(ctx, "", c.cfg.Now())
	if err != nil {
		return nil, err
	}
	presses, err := v.PressCounts(ctx)
	if err != nil {
		return nil, err
	}
	m := new(metricText)
	m.head("kentongan_device_up", "gauge", "1 while the device is online.")
	for _, d := range devices {
		m.series("kentongan_device_up", float64(b2i(d.State == report.Online)), "device", d.ID)
	}
	m.head("kentongan_device_last_seen_timestamp_seconds", "gauge", "When the device was heard of last, Unix time.")
	for _, d := range devices {
		m.series("kentongan_device_last_seen_timestamp_seconds", float64(d.LastSeen.UnixMilli())/float64(time.Second/time.Millisecond), "device", d.ID)
	}
	m.head("kentongan_device_records_missing", "gauge", "Numbers of the device that nothing accounts for. Has to be 0.")
	for _, d := range devices {
		m.series("kentongan_device_records_missing", float64(d.Missing), "device", d.ID)
	}
	m.head("kentongan_stream_up", "gauge", "1 while the stream plays and its device is online.")
	for _, s := range streams {
		m.series("kentongan_stream_up", float64(b2i(s.Online && s.State == "playing")), "device", s.Device, "stream", s.Name)
	}
	m.head("kentongan_button_presses_total", "counter", "Presses of a kiosk's button.")
	for _, p := range presses {
		m.series("kentongan_button_presses_total", float64(p.Presses), "device", p.Device, "button", p.Line)
	}
	m.around(around)
	return m, nil
}

// quantities are what sensors measure, in base units.
var quantities = []struct {
	name, help string
	factor     float64
	of         func(*report.Reading) *float64
}{
	{"kentongan_sensor_temperature_celsius", "Temperature.", 1, func(r *report.Reading) *float64 { return r.Temperature }},
	{"kentongan_sensor_humidity_ratio", "Relative humidity, 0 to 1.", 0.01, func(r *report.Reading) *float64 { return r.Humidity }},
	{"kentongan_sensor_pressure_pascals", "Air pressure.", 100, func(r *report.Reading) *float64 { return r.Pressure }},
	{"kentongan_sensor_voltage_volts", "Voltage.", 1, func(r *report.Reading) *float64 { return r.Voltage }},
	{"kentongan_sensor_current_amperes", "Current.", 1, func(r *report.Reading) *float64 { return r.Current }},
}

// around writes what sensors and contacts say.
func (m *metricText) around(list []store.Around) {
	for _, q := range quantities {
		m.head(q.name, "gauge", q.help)
		for _, a := range list {
			if a.Reading != nil && q.of(a.Reading) != nil {
				_, name, _ := strings.Cut(a.Source, "/")
				m.series(q.name, *q.of(a.Reading)*q.factor, "device", a.Device, "sensor", name)
			}
		}
	}
	m.head("kentongan_input_active", "gauge", "1 while what the contact stands for is so: mains gone, door open.")
	for _, a := range list {
		if a.Input != nil {
			_, name, _ := strings.Cut(a.Source, "/")
			m.series("kentongan_input_active", float64(b2i(a.Input.Active)), "device", a.Device, "input", name, "kind", a.Input.Kind)
		}
	}
}

// labelText escapes a label's value as Prometheus reads it.
var labelText = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// series writes one value, with pairs of a label and its value.
func (m *metricText) series(name string, v float64, labels ...string) {
	m.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		sep := ","
		if i == 0 {
			sep = "{"
		}
		fmt.Fprintf(m, `%s%s="%s"`, sep, labels[i], labelText.Replace(strings.ToValidUTF8(labels[i+1], "?")))
	}
	fmt.Fprintf(m, "} %g\n", v)
}
