package homeassistant

import (
	"context"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// facts are what is shown of one device.
type facts struct {
	id      string
	device  store.Device
	streams []store.Stream
	around  []store.Around
	alarms  int
	worst   string // severity; "" is none
	presses map[string]int64
}

func (f *facts) stateTopic() string { return root + "/" + f.id + "/state" }

// gather reads the facts of all devices of a view.
func gather(ctx context.Context, v *store.View, now time.Time) ([]*facts, error) {
	devices, err := v.Devices(ctx, "")
	if err != nil {
		return nil, err
	}
	all, at := make([]*facts, 0, len(devices)), map[string]*facts{}
	for _, d := range devices {
		f := &facts{id: d.ID, device: d, presses: map[string]int64{}}
		all, at[d.ID] = append(all, f), f
	}
	streams, err := v.Streams(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, s := range streams {
		if f := at[s.Device]; f != nil {
			f.streams = append(f.streams, s)
		}
	}
	around, err := v.Surroundings(ctx, "", now)
	if err != nil {
		return nil, err
	}
	for _, a := range around {
		if f := at[a.Device]; f != nil {
			f.around = append(f.around, a)
		}
	}
	alarms, err := v.Alarms(ctx, store.AlarmFilter{Limit: 100_000}) // the worst first
	if err != nil {
		return nil, err
	}
	for _, a := range alarms {
		if f := at[a.Device]; f != nil {
			if f.alarms++; f.worst == "" {
				f.worst = a.Severity
			}
		}
	}
	presses, err := v.PressCounts(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range presses {
		if f := at[p.Device]; f != nil {
			f.presses[p.Line] = p.Presses
		}
	}
	return all, nil
}

// state is the JSON value that the components' templates pick from.
func (f *facts) state() map[string]any {
	streams, sensors, lines := map[string]any{}, map[string]any{}, map[string]any{}
	for _, s := range f.streams {
		streams[s.Name] = map[string]any{"state": s.State, "playing": s.State == "playing", "alarm": s.Alarm}
	}
	for _, a := range f.around {
		_, name, _ := strings.Cut(a.Source, "/")
		switch {
		case a.Reading != nil:
			values := map[string]float64{}
			for _, q := range quantities {
				if v := q.of(a.Reading); v != nil {
					values[q.key] = *v
				}
			}
			sensors[name] = values
		case a.Input != nil:
			lines[name] = a.Input.Active
		}
	}
	return map[string]any{
		"online": f.device.State == report.Online, "alarms": f.alarms, "worst": f.worst, "missing": f.device.Missing,
		"streams": streams, "sensors": sensors, "lines": lines, "presses": f.presses,
	}
}
