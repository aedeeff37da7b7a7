package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/statuspage"
	"kentongan/agent/uplink"
)

// figures is how the agent is at one moment, for the metrics and for who asks on
// the device while no page is open.
type figures struct {
	Time    time.Time                `json:"time"`
	Device  string                   `json:"device"`
	Version string                   `json:"version"`
	Since   time.Time                `json:"since"`
	Line    string                   `json:"line"` // for people
	Stats   report.DeviceStats       `json:"stats"`
	Uplink  uplink.Status            `json:"uplink"`
	Alarms  map[string]int           `json:"alarms"` // active, by severity
	Streams map[string]streamFigures `json:"streams,omitempty"`
	Kiosk   string                   `json:"kiosk,omitempty"` // what is wrong with it
	Config  ConfigStatus             `json:"config"`
}

type streamFigures struct {
	State   report.StreamState `json:"state"`
	FPS     float64            `json:"fps"`
	Packets uint64             `json:"packets"` // since the session began
	Lost    uint64             `json:"lost"`
}

func (a *Agent) figures() figures {
	f := figures{
		Time: time.Now().UTC(), Device: a.cfg.Device, Version: a.o.Version, Since: a.since.UTC(), Line: a.oneLine(),
		Stats: a.deviceStats(), Uplink: a.uplink.Status(), Streams: map[string]streamFigures{}, Config: a.ConfigStatus(),
	}
	_, f.Alarms = a.journal.alarms.Status()
	for name, w := range a.allWatchers() {
		s := w.Status()
		f.Streams[name] = streamFigures{s.State, s.Measure.Short.FPS, s.Measure.Packets, s.Measure.Lost}
	}
	if k := a.kiosk.Load(); k != nil {
		f.Kiosk = k.Troubles()
	}
	return f
}

// Said is what the agent said of itself last.
type Said struct {
	figures
	Status statuspage.Status `json:"status"` // as the page shows it
}

// maxSaid is the most that is read of it.
const maxSaid = 4 << 20

// ReadSaid reads what an agent said last, from the runtime directory of its service,
// and how long ago; a stopped agent has said nothing.
func ReadSaid(dir string) (s Said, ago time.Duration, err error) {
	f, err := os.Open(filepath.Join(dir, StatusFile))
	if err != nil {
		return s, 0, err
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxSaid)).Decode(&s); err != nil {
		return s, 0, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return s, time.Since(s.Time), nil
}

// SaidLately is how old what an agent says can be.
const SaidLately = 3 * statusEvery

// StatusFile is where the figures are, in the runtime directory.
const StatusFile = "agent.json"

// statusEvery is how old they are at most.
const statusEvery = 15 * time.Second

// keepFigures writes the figures into the runtime directory, which lies in memory,
// until ctx ends.
func (a *Agent) keepFigures(ctx context.Context) error {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	file := filepath.Join(a.o.RunDir, StatusFile)
	failed := false
	for {
		text, err := json.MarshalIndent(Said{figures: a.figures(), Status: onPage{a}.Status()}, "", " ")
		if err == nil {
			err = os.WriteFile(file+".new", Redact(text), 0o640)
		}
		if err == nil {
			err = os.Rename(file+".new", file)
		}
		if err != nil && !failed {
			a.o.Log.Warn("figures not kept", "part", "agent", "err", err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// buildFigures joins the part that keeps the figures, where there is a runtime directory.
func (a *Agent) buildFigures() {
	if a.o.RunDir == "" {
		return
	}
	a.parts = append(a.parts, part{"figures", a.keepFigures})
}
