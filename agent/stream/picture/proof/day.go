package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"time"

	"kentongan/agent/stream/picture"
)

// A day is 24 hours of a healthy camera, from six in the morning, a look every
// 5 s: 17,280 keyframes through a real encoder and a real decoder. Whatever
// alarm a Judge raises in it is false.
type day struct {
	name     string
	w        weather
	noise    int
	clockSet bool
}

const (
	dayWidth, dayHeight = 320, 180
	morning             = 6 // the hour at which a day begins
	hourOf              = 3600
)

// between tells whether t, in seconds from the morning, lies between two hours
// of the day.
func between(t, from, until float64) bool {
	h := math.Mod(t/hourOf+morning, 24)
	if from < until {
		return h >= from && h < until
	}
	return h >= from || h < until
}

// sunlight goes down from 17:30 to 18:30 and comes up from 5:15 to 6:00.
func sunlight(t float64) float64 {
	h := math.Mod(t/hourOf+morning, 24)
	switch {
	case h >= 12:
		return ramp(h, 17.5, 18.5, 1, 0)
	}
	return ramp(h, 5.25, 6, 0, 1)
}

var days = []day{
	{"a street: shadows, a lorry that parks, rain, headlights", weather{
		shadows: true, shake: 1, truck: 3.5 * hourOf, leaves: 5.2 * hourOf,
		light: func(t float64) light { return light{day: sunlight(t), gain: 1} },
		hourly: func(t float64, w *weather) {
			w.people, w.cars, w.rain = 3, 3, 0
			if between(t, 22, 5) {
				w.people, w.cars = 0, 1
			}
			if between(t, 14, 16) {
				w.rain = 140
			}
		},
	}, 6, true},
	{"a corridor: people by day, nobody at night, lamps on and off", weather{
		place: "corridor",
		light: func(t float64) light {
			if between(t, 22, 5.5) {
				return light{day: 0.1, gain: 1} // the emergency lamp
			}
			return light{day: max(sunlight(t), 0.6), gain: 1, lamp: map[bool]float64{true: 1}[between(t, 17.8, 22)]}
		},
		hourly: func(t float64, w *weather) {
			w.people = 0
			if between(t, 7, 17) && int(t/60)%3 == 0 {
				w.people = 2
			}
		},
	}, 4, true},
	{"a yard: infrared from dusk to dawn, insects", weather{
		shadows: true,
		light: func(t float64) light {
			return light{day: sunlight(t), ir: sunlight(t) < 0.25, gain: 1}
		},
		hourly: func(t float64, w *weather) {
			w.people, w.rain = 1, 0
			if sunlight(t) < 0.25 {
				w.people, w.rain = 0, 7
			}
		},
	}, 6, false},
	{"a market: a crowd, clouds, empty stalls at night", weather{
		place: "market",
		light: func(t float64) light {
			return light{day: sunlight(t), gain: 0.85 + 0.15*math.Sin(t/310)*math.Sin(t/97)}
		},
		hourly: func(t float64, w *weather) {
			w.people = 16
			if between(t, 19, 6) {
				w.people = 0
			}
		},
	}, 5, false},
	{"a road without lamps: black at night but for headlights", weather{
		light: func(t float64) light {
			return light{day: 1, gain: 0.015 + 0.985*sunlight(t)}
		},
		hourly: func(t float64, w *weather) {
			w.cars = 2
			if between(t, 23, 4) {
				w.cars = 0
			}
		},
	}, 5, true},
}

// run shows a day, or hours of it, to a Judge and returns the alarms.
func (d *day) run(ctx context.Context, seed uint64, hours float64) ([]event, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	looks := int(hours * hourOf / lookEvery)
	size := fmt.Sprintf("%dx%d", dayWidth, dayHeight)
	encode := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-threads", "1",
		"-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", size, "-framerate", "1/5", "-i", "-",
		"-vf", fmt.Sprintf(`noise=c0s=%d:c0f=t:c0_seed=%d,drawtext=fontfile=%s:text='%%{pts\:gmtime\:1772344800}':x=6:y=4:fontsize=11:fontcolor=white:borderw=1`, d.noise, seed%1000, font),
		"-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-g", "1", "-crf", "26", "-f", "h264", "-")
	decode := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-threads", "1", "-f", "h264", "-framerate", "1/5", "-i", "-",
		"-vf", "scale=160:90", "-pix_fmt", "yuv420p", "-vsync", "passthrough", "-f", "rawvideo", "-")
	in, err := encode.StdinPipe()
	if err != nil {
		return nil, err
	}
	if decode.Stdin, err = encode.StdoutPipe(); err != nil {
		return nil, err
	}
	out, err := decode.StdoutPipe()
	if err != nil {
		return nil, err
	}
	encode.Stderr, decode.Stderr = os.Stderr, os.Stderr
	if err := errors.Join(encode.Start(), decode.Start()); err != nil {
		return nil, fmt.Errorf("start ffmpeg: %w", err)
	}
	go feed(in, newScene(d.w, seed, dayWidth, dayHeight), looks, 1./lookEvery)
	events, err := d.judge(out, looks)
	cancel() // what is left of them; both have ended by themselves when all went well
	_ = decode.Wait()
	_ = encode.Wait()
	return events, err
}

// judge reads the decoded frames.
func (d *day) judge(r io.Reader, looks int) ([]event, error) {
	base := time.Unix(0, 0)
	if d.clockSet {
		base = time.Date(2026, 3, 1, morning, 0, 0, 0, time.UTC)
	}
	j := picture.New(picture.Config{})
	var f picture.Frame
	var events []event
	for i := range looks {
		for _, plane := range [][]byte{f.Y[:], f.U[:], f.V[:]} {
			if _, err := io.ReadFull(r, plane); err != nil {
				return nil, fmt.Errorf("look %d of %d at %s: %w", i, looks, d.name, err)
			}
		}
		at := float64(i * lookEvery)
		for _, v := range j.Add(base.Add(time.Duration(i*lookEvery)*time.Second), &f, picture.Hint{ClockSet: d.clockSet}) {
			events = append(events, event{v, at})
		}
	}
	return events, nil
}
