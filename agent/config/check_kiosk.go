package config

import (
	"fmt"
	"net/netip"
	"slices"
)

type namedLamp struct {
	name string // in lamps, or buzzer
	path string
	lamp Lamp
}

func (k *Kiosk) outputs() []namedLamp {
	l := k.Lamps
	return []namedLamp{
		{"saved", "kiosk.lamps.saved", l.Saved}, {"received", "kiosk.lamps.received", l.Received},
		{"fault", "kiosk.lamps.fault", l.Fault}, {"alive", "kiosk.lamps.alive", l.Alive},
		{"buzzer", "kiosk.buzzer", k.Buzzer},
	}
}

// checkBoardless names what needs a board where there is none.
func (d *decoder) checkBoardless(k *Kiosk) {
	for _, b := range k.Buttons {
		if b.Wire.Line != "" {
			d.addf(d.at("kiosk.buttons"), "kiosk.buttons", "buttons need a board; write board: {driver: gpio}")
			break
		}
	}
	for _, l := range k.outputs() {
		if _, ok := d.marks[l.path]; ok {
			d.addf(d.at(l.path), l.path, "a lamp needs a board; write board: {driver: gpio}")
		}
	}
	if k.Cancel.Wire.Line != "" {
		d.addf(d.at("kiosk.cancel.line"), "kiosk.cancel.line", "a button needs a board; write board: {driver: gpio}")
	}
}

func (d *decoder) checkKiosk(k *Kiosk) {
	if _, ok := d.marks["kiosk.number"]; len(k.Buttons) > 0 && !ok {
		d.addf(d.at("kiosk.number"), "kiosk.number", "missing; write the kiosk's own number, as number: 7: tickets are made of it")
	}
	d.once("kiosk.buttons[%d].name", len(k.Buttons), func(i int) string { return k.Buttons[i].Name })
	d.checkButtonNames(k)
	d.checkMeanings(k)
	d.checkCombinations(k)
	d.checkReached(k)
	d.checkPrinter(&k.Printer)
	if at := "kiosk.quiet_hours.to"; k.Quiet.From != "" && k.Quiet.From == k.Quiet.To {
		d.addf(d.at(at), at, "%s is when they begin, too; write another time, or leave quiet_hours out", show(string(k.Quiet.To)))
	}
	d.checkLines(k.wires())
}

// named tells what of the kiosk has a name; "" for nothing.
func (k *Kiosk) named(name string) string {
	if name == "cancel" || k.button(name) != nil {
		return "button"
	}
	for _, l := range k.outputs() {
		if l.name == name {
			return "lamp"
		}
	}
	return ""
}

// wires are the lines that the kiosk uses.
func (k *Kiosk) wires() (lines []wire) {
	for i, b := range k.Buttons {
		lines = append(lines, wire{fmt.Sprintf("kiosk.buttons[%d].line", i), b.Wire.Chip, b.Wire.Line})
	}
	lines = append(lines, wire{"kiosk.cancel.line", k.Cancel.Wire.Chip, k.Cancel.Wire.Line})
	for _, l := range k.outputs() {
		lines = append(lines, wire{l.path + ".line", l.lamp.Chip, l.lamp.Line}, wire{l.path + ".sense", l.lamp.Chip, l.lamp.Sense})
	}
	return lines
}

func (d *decoder) checkButtonNames(k *Kiosk) {
	for i, b := range k.Buttons {
		path := fmt.Sprintf("kiosk.buttons[%d].name", i)
		for _, l := range k.outputs() {
			if b.Name == l.name {
				d.addf(d.at(path), path, "%s is what records call that lamp; write another name", show(b.Name))
			}
		}
		if b.Name == "cancel" {
			d.addf(d.at(path), path, "%s is what records call the button of kiosk.cancel; write another name", show(b.Name))
		}
	}
}

func (k *Kiosk) button(name string) *Button {
	for i := range k.Buttons {
		if k.Buttons[i].Name == name {
			return &k.Buttons[i]
		}
	}
	return nil
}

func (k *Kiosk) names() (all []string) {
	for _, b := range k.Buttons {
		all = append(all, b.Name)
	}
	return all
}

// means checks that a value names a button; it is false when not.
func (d *decoder) means(k *Kiosk, path, name string) bool {
	if name == "" || d.bad[path] {
		return false
	}
	if k.button(name) != nil {
		return true
	}
	if s := Suggest(name, k.names()); s != "" {
		d.addf(d.at(path), path, "no button %s; did you mean %s?", show(name), s)
	} else {
		d.addf(d.at(path), path, "no button %s; write the name of one of kiosk.buttons", show(name))
	}
	return false
}

func (d *decoder) checkMeanings(k *Kiosk) {
	for i, b := range k.Buttons {
		base := fmt.Sprintf("kiosk.buttons[%d].", i)
		path := base + "long_press.means"
		if d.means(k, path, b.Long.Means) {
			switch {
			case b.Long.Means == b.Name:
				d.addf(d.at(path), path, "the button itself; name another one, which needs no line")
			case b.Wire.Line == "" && !d.bad[base+"line"]:
				d.addf(d.at(path), path, "a button without a line can't be held; write its line or remove long_press")
			case b.Long.After <= b.Hold && !d.bad[base+"long_press.after"] && !d.bad[base+"hold"]:
				d.addf(d.at(base+"long_press.after"), base+"long_press.after", "%s is no longer than hold, %s; write more", short(b.Long.After), short(b.Hold))
			}
		}
	}
}

func (d *decoder) checkCombinations(k *Kiosk) {
	used := map[string]string{}
	for i, c := range k.Combinations {
		base := fmt.Sprintf("kiosk.combinations[%d].", i)
		for _, half := range []struct{ key, name string }{{"first", c.First}, {"second", c.Second}} {
			path := base + half.key
			if !d.means(k, path, half.name) {
				continue
			}
			b := k.button(half.name)
			if before, ok := used[half.name]; ok {
				d.addf(d.at(path), path, "%s is in %s too; a button can be in one combination, once", show(half.name), before)
			} else if b.Wire.Line == "" {
				d.addf(d.at(path), path, "%s has no line, so it can't be pressed together with another", show(half.name))
			} else if b.Hold > 0 || b.Long.Means != "" {
				d.addf(d.at(path), path, "%s has hold or long_press, which are decided by time, and so can't be pressed together with another; remove one of the two", show(half.name))
			}
			used[half.name] = base[:len(base)-1]
		}
		path := base + "means"
		if d.means(k, path, c.Means) && (c.Means == c.First || c.Means == c.Second) {
			d.addf(d.at(path), path, "one of the two itself; name a third button, which needs no line")
		}
	}
}

// checkReached names buttons that nobody can press.
func (d *decoder) checkReached(k *Kiosk) {
	reached := map[string]bool{}
	for _, b := range k.Buttons {
		reached[b.Long.Means] = true
	}
	for _, c := range k.Combinations {
		reached[c.Means] = true
	}
	for i, b := range k.Buttons {
		path := fmt.Sprintf("kiosk.buttons[%d].line", i)
		if b.Wire.Line == "" && !d.bad[path] && b.Name != "" && !reached[b.Name] && !k.Screen.Touch {
			d.addf(d.at(path), path, "missing; write line, as line: GPIO17; only a button that a long_press or a combination means, or that can be touched (screen: touch: true), needs none")
		}
	}
}

func (d *decoder) checkPrinter(p *Printer) {
	const path = "kiosk.printer.baud"
	if !d.bad[path] && !slices.Contains([]int64{0, 9600, 19200, 38400, 57600, 115200}, p.Baud) {
		d.addf(d.at(path), path, "%d is no speed of a printer; write 9600, 19200, 38400, 57600 or 115200", p.Baud)
	}
}

func (w *warner) kiosk() {
	k := w.c.Kiosk
	if k.Quiet.From != "" && k.Buzzer.Line == "" {
		w.addf("kiosk.quiet_hours", "no buzzer, so there is nothing to be silent")
	}
	if len(k.Buttons) > 0 && k.Lamps.Saved.Line == "" && k.Screen.Listen == "" {
		w.addf("kiosk.buttons", "no lamp saved: a citizen does not see that the press counted")
	}
	for i, b := range k.Buttons {
		w.bias(fmt.Sprintf("kiosk.buttons[%d].bias", i), b.Wire)
	}
	w.bias("kiosk.cancel.bias", k.Cancel.Wire)
	if addr, err := netip.ParseAddrPort(k.Screen.Listen); err == nil && !addr.Addr().IsLoopback() {
		w.addf("kiosk.screen.listen", "everybody in the network can open the page and ask for complaints whose ticket and PIN they have; write 127.0.0.1 for the kiosk alone")
	}
	if k.Screen.Listen != "" && len(k.Buttons) == 0 {
		w.addf("kiosk.screen", "no buttons, so there is no kiosk and no screen")
	}
}

func (w *warner) bias(path string, b Wire) {
	if b.Line != "" && (b.ActiveLow && b.Bias == "down" || !b.ActiveLow && b.Bias == "up") {
		w.addf(path, "bias %s holds the line pressed, with active_low %t; is one of them the other way round?", b.Bias, b.ActiveLow)
	}
}
