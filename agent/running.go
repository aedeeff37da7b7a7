package agent

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"kentongan/agent/config"
)

// running is the configuration that the agent runs with, for who asks while it
// does, or what it ran with last. It holds the secrets that stand in the file, as
// the file does, and is for its owner alone.
type running struct {
	V      int          `json:"v"`
	Text   string       `json:"text"`
	Status ConfigStatus `json:"status"`
}

const maxRunning = 2 * config.MaxBytes // JSON writes some bytes longer

func runningFile(data string) string { return filepath.Join(data, "config-running.json") }

// saveRunning keeps it. That it can't be kept is no reason to do anything else.
func (a *Agent) saveRunning() {
	text, err := json.Marshal(running{1, a.current().Text(), a.ConfigStatus()})
	if err == nil {
		err = saveFile(runningFile(a.cfg.Data), text)
	}
	if err != nil {
		a.o.Log.Warn("running configuration not kept", "part", "config", "err", err)
	}
}

// Running reads the configuration that the agent of a data directory runs with.
func Running(data string) (*config.Config, ConfigStatus, error) {
	text, err := loadFile(runningFile(data), maxRunning)
	if err == nil && text == nil {
		err = fmt.Errorf("no agent has run with %s", data)
	}
	var r running
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return nil, ConfigStatus{}, fmt.Errorf("read the running configuration: %w", err)
	}
	c, err := config.Parse(r.Status.File, []byte(r.Text))
	return c, r.Status, err
}
