package config

import "strings"

// ledPrefix stands before an LED's name in the place of a line.
const ledPrefix = "led:"

// checkLEDs names LEDs where an input is meant, and keys that mean nothing for
// one.
func (d *decoder) checkLEDs(inputs []wire, lamps []namedLamp) {
	for _, w := range inputs {
		if strings.HasPrefix(w.line, ledPrefix) && !d.bad[w.path] {
			d.addf(d.at(w.path), w.path, "%s is an LED, which nobody can press; write a line", show(w.line))
		}
	}
	for _, l := range lamps {
		if !strings.HasPrefix(l.lamp.Line, ledPrefix) {
			continue
		}
		for _, key := range []string{"chip", "active_low"} {
			if at := join(l.path, key); d.given(at) {
				d.addf(d.at(at), at, "means nothing for an LED; remove it")
			}
		}
	}
}
