package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"kentongan/agent/config"
)

// What marks a device that is being emptied.

// erasingFile marks a device that is being emptied. It is the first that is written
// and the last that goes: what is left of a device must not start as if it were whole.
func erasingFile(data string) string { return filepath.Join(data, erasingName) }

const (
	erasingName = "erasing"
	maxErasing  = 64 << 10
)

// ErrErasing is a device of which a part was erased.
var ErrErasing = errors.New("this device is being erased; finish that: sudo kentongan erase")

// erasing is what the mark says, so that the same command goes on where it was cut off.
type erasing struct {
	Settled bool              `json:"settled"`          // the centre had all complaints, or they may be lost
	Mirrors map[string]uint64 `json:"mirrors"`          // those that were reached, and the device that each is on
	Config  []string          `json:"config,omitempty"` // files that go with the configuration; none where it stays
}

func loadErasing(data string) (m erasing, err error) {
	text, err := loadFile(erasingFile(data), maxErasing)
	if err == nil && json.Unmarshal(text, &m) != nil {
		m = erasing{} // one that was made by hand: all is asked as at first
	}
	return m, err
}

// stubFile takes the place of a configuration that is erased, until the mark is gone.
// There is nothing in it but where to go on.
func stubFile(file string) string { return file + ".erasing" }

type stub struct {
	Device string `json:"device"`
	Data   string `json:"data"`
}

// ErasureConfig is the configuration of the device that is to be emptied, or what is
// left of it. The file's name is absolute.
func ErasureConfig(file string) (*config.Config, error) {
	text, err := loadFile(stubFile(file), maxErasing)
	if err != nil {
		return nil, err
	}
	var s stub
	if text != nil && json.Unmarshal(text, &s) == nil && filepath.IsAbs(s.Data) {
		_, gone := os.Lstat(file)
		if errors.Is(notErasing(s.Data), ErrErasing) || errors.Is(gone, fs.ErrNotExist) {
			return &config.Config{File: file, Device: s.Device, Data: s.Data}, nil
		}
	}
	return config.Load(file) // the files that it names may be gone
}

// notErasing is nil for a device that is whole, or new.
func notErasing(data string) error {
	if _, err := os.Lstat(erasingFile(data)); err == nil {
		return fmt.Errorf("%s: %w", erasingFile(data), ErrErasing)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// begin sets the mark.
func (e *Erasure) begin(how How, step func(string) error) error {
	e.mark.Settled, e.mark.Mirrors, e.mark.Config = true, map[string]uint64{}, nil
	for _, p := range e.Places[1:] {
		if !slices.Contains(e.Absent, p.Dir) {
			e.mark.Mirrors[p.Dir] = deviceOf(p.Dir)
		}
	}
	if how.Config {
		e.mark.Config = append([]string{e.cfg.File}, e.Config...)
	}
	if err := step(erasingName); err != nil {
		return err
	}
	if err := saveJSON(erasingFile(e.Data), e.mark); err != nil || !how.Config {
		return err
	}
	if err := step(stubFile(e.cfg.File)); err != nil {
		return err
	}
	return saveJSON(stubFile(e.cfg.File), stub{e.Device, e.Data})
}

// end takes the mark away when nothing is left, then the stub.
func (e *Erasure) end(how How, step func(string) error) error {
	data, err := e.lookData()
	if err != nil {
		return err
	}
	if data.Files() > 0 {
		return fmt.Errorf("%s: %w", e.Data, ErrMeanwhile)
	}
	if err := step(erasingName); err != nil {
		return err
	}
	if err := errors.Join(os.Remove(erasingFile(e.Data)), syncDir(e.Data)); err != nil || !how.Config {
		return err
	}
	if err := step(stubFile(e.cfg.File)); err != nil {
		return err
	}
	return errors.Join(os.Remove(stubFile(e.cfg.File)), syncDir(filepath.Dir(e.cfg.File)))
}
