package config

import (
	"strings"
	"testing"
)

func TestKioskProblems(t *testing.T) {
	const (
		head  = "board: {driver: gpio}\nkiosk:\n  number: 7\n"
		road  = "{name: road, line: GPIO17, service_code: a, category: b, label: {id: a, en: a}}"
		water = "{name: water, line: GPIO18, service_code: a, category: b, label: {id: a, en: a}}"
		aid   = "{name: aid, service_code: a, category: b, label: {id: a, en: a}}"
	)
	with := func(button, more string) string {
		return strings.Replace(button, "service_code", more+", service_code", 1)
	}
	buttons := func(b ...string) string { return "  buttons: [" + strings.Join(b, ", ") + "]\n" }
	tests := map[string]struct{ text, want string }{ // want "" is no problem
		"long press":                      {buttons(with(road, "long_press: {means: aid}"), aid), ""},
		"long press of nothing":           {buttons(with(road, "long_press: {means: ai}"), aid), `kiosk.buttons[0].long_press.means: no button "ai"; did you mean aid?`},
		"long press of itself":            {buttons(with(road, "long_press: {means: road}")), `kiosk.buttons[0].long_press.means: the button itself`},
		"long press without line":         {buttons(with(aid, "long_press: {means: road}"), road), `kiosk.buttons[0].long_press.means: a button without a line can't be held`},
		"long press no longer than hold":  {buttons(with(road, "hold: 3s, long_press: {means: aid}"), aid), `kiosk.buttons[0].long_press.after: 2s is no longer than hold, 3s; write more`},
		"combination":                     {buttons(road, water, aid) + "  combinations: [{first: road, second: water, means: aid}]\n", ""},
		"combination of one":              {buttons(road, water, aid) + "  combinations: [{first: road, second: road, means: aid}]\n", `kiosk.combinations[0].second: "road" is in kiosk.combinations[0] too`},
		"combination twice":               {buttons(road, water, aid) + "  combinations: [{first: road, second: water, means: aid}, {first: water, second: aid, means: road}]\n", `kiosk.combinations[1].first: "water" is in kiosk.combinations[0] too`},
		"combination that means its half": {buttons(road, water) + "  combinations: [{first: road, second: water, means: road}]\n", `kiosk.combinations[0].means: one of the two itself`},
		"combination of what has no line": {buttons(road, water, aid) + "  combinations: [{first: road, second: aid, means: water}]\n", `kiosk.combinations[0].second: "aid" has no line`},
		"combination with hold":           {buttons(with(road, "hold: 1s"), water, aid) + "  combinations: [{first: road, second: water, means: aid}]\n", `kiosk.combinations[0].first: "road" has hold or long_press`},
		"nobody can press it":             {buttons(road, aid), `kiosk.buttons[1].line: missing; write line, as line: GPIO17`},
		"named cancel":                    {buttons(strings.Replace(road, "road", "cancel", 1)), `kiosk.buttons[0].name: "cancel" is what records call the button of kiosk.cancel`},
		"named buzzer":                    {buttons(strings.Replace(road, "road", "buzzer", 1)), `kiosk.buttons[0].name: "buzzer" is what records call that lamp`},
		"cancel on a button's line":       {buttons(road) + "  cancel: {line: GPIO17}\n", `kiosk.cancel.line: line "GPIO17" is used by kiosk.buttons[0] already`},
		"buzzer on a lamp's line":         {buttons(road) + "  lamps: {alive: {line: GPIO25}}\n  buzzer: {line: GPIO25}\n", `kiosk.buzzer.line: line "GPIO25" is used by kiosk.lamps.alive already`},
		"self-test off":                   {buttons(road) + "  self_test: off\n", ""},
		"printer":                         {buttons(road) + "  printer: {device: /dev/usb/lp0, url: 'https://h/{ticket}'}\n", ""},
		"printer of no device":            {buttons(road) + "  printer: {width: 48}\n", `kiosk.printer.device: missing; write device, as device: /dev/usb/lp0`},
		"printer of no speed":             {buttons(road) + "  printer: {device: /dev/ttyS0, baud: 9601}\n", `kiosk.printer.baud: 9601 is no speed of a printer; write 9600,`},
		"printer with another's address":  {buttons(road) + "  printer: {device: /dev/usb/lp0, url: lapor.example}\n", `kiosk.printer.url: "lapor.example" is no web address`},
		"printer with no ticket":          {buttons(road) + "  printer: {device: /dev/usb/lp0, url: 'https://h/'}\n", `kiosk.printer.url: "https://h/" does not hold {ticket}`},
		"screen":                          {buttons(road, aid) + "  screen: {listen: '127.0.0.1:8070', touch: true}\n", ""},
		"screen nowhere":                  {buttons(road) + "  screen: {listen: 8070}\n", `kiosk.screen.listen: "8070" is no address; write ADDRESS:PORT`},
		"screen that can't be touched":    {buttons(road, aid) + "  screen: {listen: '127.0.0.1:8070'}\n", `kiosk.buttons[1].line: missing`},
		"quiet hours":                     {buttons(road) + "  buzzer: {line: GPIO25}\n  quiet_hours: {from: '22:00', to: '05:00'}\n", ""},
		"quiet hours without an end":      {buttons(road) + "  quiet_hours: {from: '22:00'}\n", `kiosk.quiet_hours.to: missing; write to, as to: 05:00`},
		"quiet hours off":                 {buttons(road) + "  quiet_hours: {from: 'off', to: '05:00'}\n", `kiosk.quiet_hours.from: "off" is no time of day; write HH:MM, as 06:00`},
		"quiet hours of no length":        {buttons(road) + "  quiet_hours: {from: '22:00', to: '22:00'}\n", `kiosk.quiet_hours.to: "22:00" is when they begin, too`},
		"sense line":                      {buttons(road) + "  lamps: {saved: {line: GPIO22, sense: GPIO5}}\n", ""},
		"sense line of a button":          {buttons(road) + "  lamps: {saved: {line: GPIO22, sense: GPIO17}}\n", `kiosk.lamps.saved.sense: line "GPIO17" is used by kiosk.buttons[0] already`},
		"sense line that is an LED":       {buttons(road) + "  lamps: {saved: {line: GPIO22, sense: 'led:ACT'}}\n", `kiosk.lamps.saved.sense: "led:ACT" is an LED`},
		"sense line of a buzzer":          {buttons(road) + "  buzzer: {line: GPIO25, sense: GPIO5}\n", `kiosk.buzzer.sense: unknown key`},
		"self-test at no time":            {buttons(road) + "  self_test: 24:00\n", `kiosk.self_test: "24:00" is no time of day; write HH:MM, as 06:00, or off`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(least+head+tt.text))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%v, want no problem", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}
