package kiosk

import "kentongan/agent/pulse"

// Pulses ask the loop of each button, of the lamps and of the events whether it
// lives. A disk that refuses does not keep them from answering.
func (k *Kiosk) Pulses() (all []pulse.Named) {
	for _, b := range k.buttons {
		all = append(all, pulse.Named{Name: "button " + b.cfg.Name, Pulse: b.pulse})
	}
	return append(all,
		pulse.Named{Name: "lamps", Pulse: k.panel.pulse},
		pulse.Named{Name: "kiosk events", Pulse: k.events.pulse})
}
