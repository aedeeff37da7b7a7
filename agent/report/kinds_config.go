package report

// KindConfig tells what became of a changed configuration file.
const KindConfig = "config" // event: Config

// States of Config.
const (
	ConfigApplied = "applied" // it counts, apart from NeedsRestart
	ConfigRefused = "refused" // it is not valid: the one before counts
)

// Config is what became of a configuration that was changed on the device. It names
// values and where they stand, and shows none.
type Config struct {
	State        string   `json:"state"`
	Version      string   `json:"version,omitempty"`       // SHA-256 of the file, hex; "" where it can't be read
	Changed      []string `json:"changed,omitempty"`       // values, as streams[gate].url; at most MaxConfigChanged
	More         int      `json:"more,omitempty"`          // changed values beyond those
	NeedsRestart []string `json:"needs_restart,omitempty"` // of Changed: they count after the next start

	Line     int    `json:"line,omitempty"` // of the first problem
	Column   int    `json:"column,omitempty"`
	Path     string `json:"path,omitempty"`     // of the value, as streams[2].url
	Detail   string `json:"detail,omitempty"`   // English
	Problems int    `json:"problems,omitempty"` // all
}

// MaxConfigChanged bounds Config.Changed and Config.NeedsRestart.
const MaxConfigChanged = 32
