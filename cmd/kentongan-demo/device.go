package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"text/template"
	"time"
)

// device is one agent on the simulated board, and what it has confirmed.
type device struct {
	*process
	board board

	mu        sync.Mutex // guards all below
	confirmed []string   // tickets of the presses that the device said are kept
	lamps     map[string]bool
}

// button is one of the kiosk's buttons.
type button struct {
	Name, Line, ServiceCode, Category, ID, EN string
}

var buttons = []button{
	{"road", "GPIO17", "jalan-rusak", "infrastruktur", "Jalan rusak", "Damaged road"},
	{"water", "GPIO27", "air-bersih", "infrastruktur", "Air bersih mati", "No clean water"},
	{"service", "GPIO5", "layanan-lambat", "layanan", "Layanan lambat", "Slow service"},
}

// The lamps' lines.
const (
	lampSaved    = "GPIO22"
	lampReceived = "GPIO23"
	lampFault    = "GPIO24"
)

// What surrounds the kiosk: the line of its mains, of its cabinet's door, and the
// sensor in it.
const (
	lineMains  = "GPIO6"
	lineDoor   = "GPIO13"
	theSensor  = "cabinet"
	tooHot     = 65.0 // degrees Celsius
	tooHumid   = 90.0 // per cent
	warm       = 30.5 // as hal/sim begins
	damp       = 74.0
	heated     = 71.0
	drenched   = 96.0
	mainsName  = "mains"
	doorName   = "door"
	sensorLost = "hung" // a problem of hal/sim's sensors
)

// deviceConfig is what the device's configuration file is made of.
type deviceConfig struct {
	Device, Data, Socket  string
	Broker                string // URL
	Username, Password    string
	CentreKey             string
	Cameras               []cameraConfig
	Buttons               []button
	Saved, Received, Fail string
	Cooldown              time.Duration
	Screen, Printer       string // address, device; "" is none
	Surroundings          string // sensors and lines; "" is none
}

type cameraConfig struct {
	Name, URL, Username, Password string
	SilentAfter                   string // "" is 8s
	Group                         string // "" is none; else a switch of that name
}

// Groups are the switches that the cameras name.
func (c deviceConfig) Groups() (names []string) {
	for _, cam := range c.Cameras {
		if cam.Group != "" && !slices.Contains(names, cam.Group) {
			names = append(names, cam.Group)
		}
	}
	return names
}

var configFile = template.Must(template.New("config").Parse(`# Made by kentongan-demo.
device: {{.Device}}
site: {name: Balai Kota Serang (demo), lat: -6.1201, lon: 106.1503}
data: {{printf "%q" .Data}}
spool: {complaint: 4MiB, event: 8MiB, telemetry: 16MiB}
uplink:
  brokers:
    - url: {{.Broker}}
{{- if .Username}}
      username: {{.Username}}
      password: {{printf "%q" .Password}}
{{- end}}
  centre_key: {{printf "%q" .CentreKey}}
  keepalive: 5s
streams:
{{- range .Cameras}}
  - {name: {{.Name}}, url: {{printf "%q" .URL}}, username: {{.Username}}, password: {{.Password}}, silent_after: {{or .SilentAfter "8s"}}{{with .Group}}, group: {{.}}{{end}}}
{{- else}} []
{{- end}}
{{- with .Groups}}
groups:
{{- range .}}
  - {name: {{.}}, kind: switch, label: Switch {{.}}}
{{- end}}
{{- end}}
board: {driver: sim, socket: {{printf "%q" .Socket}}}
kiosk:
  number: 7
  cooldown: {{.Cooldown}}
  buttons:
{{- range .Buttons}}
    - {name: {{.Name}}, line: {{.Line}}, service_code: {{.ServiceCode}}, category: {{.Category}}, label: {id: {{.ID}}, en: {{.EN}}}}
{{- end}}
  lamps: {saved: {line: {{.Saved}}}, received: {line: {{.Received}}}, fault: {line: {{.Fail}}}}
{{- with .Screen}}
  screen: {listen: {{printf "%q" .}}, touch: true, help: "112", title: Balai Kota Serang (demo)}
{{- end}}
{{- with .Printer}}
  printer: {device: {{printf "%q" .}}, width: 48, title: Balai Kota Serang (demo)}
{{- end}}
{{.Surroundings}}stats_every: 2s
`))

// surroundings are the sensor and the contacts of the demo's kiosk.
var surroundings = fmt.Sprintf(`sensors:
  - {name: %s, driver: sht3x, every: 2s, too_hot: %g, humid: %g}
lines:
  - {name: %s, kind: mains, line: %s, hold_on: 1s, hold_off: 1s}
  - {name: %s, kind: door, line: %s, hold_on: 1s, hold_off: 1s}
`, theSensor, tooHot, tooHumid, mainsName, lineMains, doorName, lineDoor)

// newDevice writes a configuration into dir and makes the device that runs it.
func newDevice(program, dir string, c deviceConfig) (*device, error) {
	c.Data, c.Socket = filepath.Join(dir, "data"), filepath.Join(dir, "board.sock")
	c.Buttons, c.Saved, c.Received, c.Fail = buttons, lampSaved, lampReceived, lampFault
	var text bytes.Buffer
	if err := configFile.Execute(&text, c); err != nil {
		return nil, fmt.Errorf("write the device's configuration: %w", err)
	}
	file := filepath.Join(dir, "kentongan.yaml")
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the device's folder: %w", err)
	}
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		return nil, fmt.Errorf("write the device's configuration: %w", err)
	}
	return &device{
		process: newProcess(c.Device, program, "run", "--config", file),
		board:   board{socket: c.Socket},
		lamps:   map[string]bool{},
	}, nil
}

// collect reads what the device logs, for ever, and keeps the tickets of the
// presses that it said are kept. It ends when done is closed.
func (d *device) collect(done <-chan struct{}) {
	lines, cancel := d.log.follow()
	defer cancel()
	for {
		select {
		case line := <-lines:
			if ticket := keptTicket(line); ticket != "" {
				d.mu.Lock()
				d.confirmed = append(d.confirmed, ticket)
				d.mu.Unlock()
			}
		case <-done:
			return
		}
	}
}

// keptTicket reads the ticket out of the log line of a kept press. The device
// writes it after the record is durable and before the lamp.
func keptTicket(line string) string {
	var l struct {
		Msg    string `json:"msg"`
		Ticket string `json:"ticket"`
	}
	if err := json.Unmarshal([]byte(line), &l); err != nil || l.Msg != "press kept" {
		return ""
	}
	return l.Ticket
}

func (d *device) tickets() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.confirmed...)
}

// readLamps asks for the lamps; without power they are dark.
func (d *device) readLamps() map[string]bool {
	lamps := map[string]bool{lampSaved: false, lampReceived: false, lampFault: false}
	if !d.running() {
		return lamps
	}
	for line := range lamps {
		if a, err := d.board.do(boardRequest{Op: "get", Line: line}); err == nil {
			lamps[line] = a.Active
		}
	}
	return lamps
}
