package config

import (
	"fmt"
	"time"
)

// Recovery is what may be done about a camera that has failed by itself.
type Recovery struct {
	Power Relay
	After time.Duration
	Every time.Duration
}

// Relay is an output line that cuts a camera's power; one whose Line is "" is
// not there.
type Relay struct {
	Chip      string // as Wire.Chip
	Line      string
	ActiveLow bool
	Off       time.Duration
}

func (r *Recovery) fields() []field {
	return []field{
		mapping("power", r.Power.fields()).says("A relay that cuts this camera's power while its line is active. It must be one that lets the power through while the board is off."),
		duration("after", &r.After, time.Minute, 24*time.Hour).defaults("5m").
			says("Time that a fault of the camera itself must last before anything is done about it."),
		duration("every", &r.Every, 10*time.Minute, 30*24*time.Hour).defaults("6h").
			says("Least time between two such steps for this camera, also over restarts of the agent. Between two cameras of a site it is always 10 min."),
	}
}

func (r *Relay) fields() []field {
	return []field{
		chip(&r.Chip),
		line(&r.Line),
		boolean("active_low", &r.ActiveLow).defaults("false").says("Whether the relay cuts the power when the line is low."),
		duration("off", &r.Off, time.Second, 5*time.Minute).defaults("10s").says("How long the power stays off."),
	}
}

// checkRelays looks at the lines of all cameras, beside those of buttons,
// lamps and contacts.
func (d *decoder) checkRelays(c *Config) {
	others := c.Kiosk.wires()
	for i, l := range c.Lines {
		others = append(others, wire{fmt.Sprintf("lines[%d].line", i), l.Chip, l.Line})
	}
	var mine []wire
	for i, s := range c.Streams {
		path := fmt.Sprintf("streams[%d].recovery.power", i)
		mine = append(mine, wire{path + ".line", s.Recovery.Power.Chip, s.Recovery.Power.Line})
		if _, there := d.marks[path]; there && c.Board.Driver == DriverNone && !d.bad["board.driver"] && !d.bad["board"] {
			d.addf(d.at(path), path, "a relay needs a board; write board: {driver: gpio}")
		}
	}
	d.checkLinesBeside(others, mine)
}
