package console

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"kentongan/cmd/kentongan-centre/internal/store"
)

// around is what a sensor or contact of a device says, for its page.
type around struct {
	store.Around
	Now time.Time
}

// Name is the sensor's or line's own.
func (a around) Name() string {
	_, name, _ := strings.Cut(a.Source, "/")
	return name
}

// Values are what it measured, with their units.
func (a around) Values() string {
	r := a.Reading
	if r == nil {
		return ""
	}
	var all []string
	for _, v := range []struct {
		of   *float64
		unit string
	}{{r.Temperature, "°C"}, {r.Humidity, "%"}, {r.Pressure, "hPa"}, {r.Voltage, "V"}, {r.Current, "A"}} {
		if v.of != nil {
			all = append(all, fmt.Sprintf("%.1f %s", *v.of, v.unit))
		}
	}
	return strings.Join(all, " · ")
}

// Key is of the text that says how a contact stands.
func (a around) Key() string {
	if a.Input == nil {
		return ""
	}
	if a.Input.Active {
		return a.Input.Kind + ".on"
	}
	return a.Input.Kind + ".off"
}

func (c *Console) surroundings(list []store.Around) (rows []around) {
	for _, a := range list {
		rows = append(rows, around{a, c.cfg.Now()})
	}
	return rows
}

func (c *Console) apiSurroundings(w http.ResponseWriter, r *http.Request) {
	if d, ok := deviceOf(w, r); ok {
		list, err := c.view(r).Surroundings(r.Context(), d, c.cfg.Now())
		c.answer(w, "surroundings", list, err)
	}
}

// aroundTexts are the words of sensors and contacts.
var aroundTexts = map[string][2]string{
	"around":   {"Sensor dan kontak", "Sensors and contacts"},
	"noaround": {"Perangkat ini tidak mengirim pembacaan sensor atau kontak.", "This device sends no readings of sensors or contacts."},
	"c.source": {"Sensor atau kontak", "Sensor or contact"},
	"c.says":   {"Pembacaan", "Reading"},
	"c.heard":  {"Diterima", "Received"},
}
