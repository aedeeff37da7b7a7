package main

import (
	"encoding/json"
	"fmt"
	"net"
	"time"
)

// board presses the buttons of the device's simulated board and sees its lamps,
// over the board's control socket (hal/sim).
type board struct {
	socket string
}

type boardRequest struct {
	Op     string `json:"op"`
	Line   string `json:"line,omitempty"`
	Active *bool  `json:"active,omitempty"`
	MS     int    `json:"ms,omitempty"`

	Sensor      string   `json:"sensor,omitempty"`
	Temperature *float64 `json:"temperature_c,omitempty"`
	Humidity    *float64 `json:"humidity_percent,omitempty"`
	Problem     *string  `json:"problem,omitempty"`
}

type boardAnswer struct {
	OK     bool   `json:"ok"`
	Error  string `json:"error"`
	Active bool   `json:"active"`
	Out    bool   `json:"out"` // the device drives the line
}

// do sends one request and returns its answer.
func (b board) do(r boardRequest) (boardAnswer, error) {
	c, err := net.DialTimeout("unix", b.socket, 10*time.Second)
	if err != nil {
		return boardAnswer{}, fmt.Errorf("reach the board (is its power off?): %w", err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if err := json.NewEncoder(c).Encode(r); err != nil {
		return boardAnswer{}, fmt.Errorf("ask the board to %s: %w", r.Op, err)
	}
	var a boardAnswer
	if err := json.NewDecoder(c).Decode(&a); err != nil {
		return boardAnswer{}, fmt.Errorf("ask the board to %s: %w", r.Op, err)
	}
	if !a.OK {
		return a, fmt.Errorf("ask the board to %s: %s", r.Op, a.Error)
	}
	return a, nil
}

// press holds a button for a moment.
func (b board) press(line string) error {
	_, err := b.do(boardRequest{Op: "pulse", Line: line, MS: 40})
	return err
}

// surround changes what surrounds the kiosk: its mains, its cabinet's door, or the
// climate in it. The board forgets it with its power.
func (b board) surround(what, how string) error {
	r, ok := around(what, how)
	if !ok {
		return fmt.Errorf("unknown action %s %s", what, how)
	}
	_, err := b.do(r)
	return err
}

func around(what, how string) (r boardRequest, ok bool) {
	line := func(name string, active bool) (boardRequest, bool) {
		return boardRequest{Op: "set", Line: name, Active: &active}, true
	}
	climate := func(degrees, percent float64, problem string) (boardRequest, bool) {
		return boardRequest{Op: "sensor", Sensor: theSensor, Temperature: &degrees, Humidity: &percent, Problem: &problem}, true
	}
	switch what + " " + how {
	case "mains off":
		return line(lineMains, true)
	case "mains on":
		return line(lineMains, false)
	case "door open":
		return line(lineDoor, true)
	case "door close":
		return line(lineDoor, false)
	case "climate heat":
		return climate(heated, damp, "")
	case "climate drench":
		return climate(warm, drenched, "")
	case "climate unplug":
		return climate(warm, damp, sensorLost)
	case "climate normal":
		return climate(warm, damp, "")
	}
	return r, false
}
