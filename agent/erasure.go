package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"kentongan/agent/config"
	"kentongan/agent/erase"
	"kentongan/agent/report"
	"kentongan/agent/spool"
)

// How a device is emptied.

// erasingFile marks a device that is being emptied. It is the first that is written
// and the last that goes: what is left of a device must not start as if it were whole.
func erasingFile(data string) string { return filepath.Join(data, erasingName) }

const (
	erasingName = "erasing"
	maxErasing  = 64 << 10
)

// ErrErasing is a device of which a part was erased.
var ErrErasing = errors.New("this device is being erased; finish that: sudo kentongan erase")

// notErasing is nil for a device that is whole, or new.
func notErasing(data string) error {
	if _, err := os.Lstat(erasingFile(data)); err == nil {
		return fmt.Errorf("%s: %w", erasingFile(data), ErrErasing)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// dataGroups is all that is kept in a data directory, in the order in which it goes.
// Keys are the first: they are small and gone at once, and who gets hold of a card
// that was cut off then can't speak as the device.
var dataGroups = []erase.Group{
	{Name: "keys", Files: []string{"identity/*", "record.key", "kiosk/pin.key", "page-certificate.pem", "page-code.json", "page-sessions.json"}},
	{Name: "records", Files: []string{"spool/complaint/*", "spool/event/*", "spool/telemetry/*", "spool/quarantine/*", "spool/cursor", "spool/pid"}},
	{Name: "kiosk", Files: []string{"kiosk/states.json", "kiosk/tickets.json.new", "kiosk/tickets.json.damaged"}},
	{Name: "cameras", Files: []string{"picture-*.learned", "recovery-*.json"}},
	{Name: "updates", Files: []string{"incoming/*", "update.json", "update-before.json"}},
	{Name: "state", Files: []string{"alarms.json", "orders.json", "usage.json", "time", "centre-keys.json", "*.sock", "config-running.json", "config-order.json", "erasing.new"}},
}

// ticketsFile says which tickets were given out. It stays: it names nobody, and
// without it a kiosk of the same number would give the same tickets again.
const ticketsFile = "kiosk/tickets.json"

// mirrorGroups is what is kept in a mirror.
var mirrorGroups = []erase.Group{{Name: "mirror", Files: []string{"complaint/*.seg", "cursor"}}}

// Erasure is a device that is about to be emptied. Its lock keeps an agent from
// starting meanwhile.
type Erasure struct {
	Device  string
	Data    string
	Begun   bool   // before, and cut off
	Waiting uint64 // complaints that the centre has not confirmed
	Unread  error  // why that can't be told

	Places []*erase.Found // the data directory, then the mirrors
	Config []string       // what is beside the configuration, with it
	Others []string       // files that the configuration names and that lie elsewhere

	lock *os.File
}

// OpenErasure looks at what a device keeps, and changes nothing. A running agent is a
// *spool.LockedError, a wrong directory an *erase.Refused.
func OpenErasure(cfg *config.Config) (*Erasure, error) {
	e := &Erasure{Device: cfg.Device, Data: cfg.Data}
	if err := e.take(); err != nil {
		return nil, err
	}
	if err := e.look(cfg); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	e.count()
	e.configured(cfg)
	return e, nil
}

// take locks the spool as an agent does. The lock is held until all is gone. Where the
// spool is no directory look says so.
func (e *Erasure) take() error {
	dir := filepath.Join(e.Data, "spool")
	d, err := os.OpenFile(dir, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = d.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			pid, _ := os.ReadFile(filepath.Join(dir, "pid"))
			return &spool.LockedError{Dir: dir, PID: strings.TrimSpace(string(pid))}
		}
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	e.lock = d
	return nil
}

// look finds the files: those of the data directory first, then those of the mirrors.
func (e *Erasure) look(cfg *config.Config) error {
	data, err := erase.Look(erase.Place{Dir: cfg.Data, Groups: dataGroups, Keep: []string{ticketsFile, erasingName}})
	if err != nil {
		return err
	}
	e.Begun = slices.Contains(data.Kept, erasingName)
	data.Kept = slices.DeleteFunc(data.Kept, func(name string) bool { return name == erasingName })
	e.Places = []*erase.Found{data}
	mirrors := []string{cfg.Spool.Mirror}
	if used, _, err := OrderedNow(cfg); err == nil { // one that can't be used goes with the rest
		mirrors = append(mirrors, used.Spool.Mirror)
	}
	if e.Begun {
		text, err := loadFile(erasingFile(cfg.Data), maxErasing)
		if err != nil {
			return err
		}
		mirrors = append(mirrors, strings.Split(strings.TrimSpace(string(text)), "\n")...)
	}
	for _, m := range mirrors {
		if !filepath.IsAbs(m) || slices.ContainsFunc(e.Places, func(f *erase.Found) bool { return f.Dir == m }) {
			continue
		}
		f, err := erase.Look(erase.Place{Dir: m, Groups: mirrorGroups, Shared: true})
		if err != nil {
			return err
		}
		e.Places = append(e.Places, f)
	}
	return nil
}

// count finds out what the centre has not confirmed.
func (e *Erasure) count() {
	if e.lock == nil {
		return // no spool
	}
	v, err := spool.OpenView(filepath.Join(e.Data, "spool"))
	if err != nil {
		e.Unread = err
		return
	}
	e.Waiting = v.Head(report.Complaint).Backlog()
}

// configured finds the configuration's own files, and those that it names.
func (e *Erasure) configured(cfg *config.Config) {
	dir := filepath.Dir(cfg.File)
	var named []string
	for _, b := range cfg.Uplink.Brokers {
		named = append(named, b.CA, b.Cert, b.Key, b.Password.File())
	}
	for _, s := range cfg.Streams {
		named = append(named, s.Password.File())
	}
	e.Config = []string{cfg.File}
	for _, pattern := range []string{".before-*", ".answers", ".draft"} {
		more, _ := filepath.Glob(cfg.File + pattern)
		e.Config = append(e.Config, more...)
	}
	for _, f := range named {
		_, err := os.Lstat(f)
		switch {
		case f == "" || within(e.Data, f) || slices.Contains(e.Config, f) || slices.Contains(e.Others, f):
		case strings.HasSuffix(f, ".secret") && filepath.Dir(f) == absDir(dir) && err == nil: // as setup writes them
			e.Config = append(e.Config, f)
		case err == nil || strings.HasPrefix(f, "$"):
			e.Others = append(e.Others, f)
		}
	}
}

func absDir(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

func within(dir, file string) bool {
	rel, err := filepath.Rel(dir, file)
	return err == nil && filepath.IsLocal(rel)
}

// Files is how many files of the device's own are there.
func (e *Erasure) Files() (n int) {
	for _, p := range e.Places {
		n += p.Files()
	}
	return n
}

// Run empties the device, and with it what is in Config when withConfig says so. step
// is asked before each change. After an error, or a cut, the same again goes on. Raw
// are files that are gone but could not be overwritten.
func (e *Erasure) Run(ctx context.Context, withConfig bool, step func(name string) error) (raw []string, err error) {
	_, err = os.Stat(e.Data)
	there := err == nil
	if there {
		if err := step(erasingName); err != nil {
			return nil, err
		}
		var mirrors strings.Builder // the order that names one may go before it
		for _, p := range e.Places[1:] {
			fmt.Fprintln(&mirrors, p.Dir)
		}
		if err := saveFile(erasingFile(e.Data), []byte(mirrors.String())); err != nil {
			return nil, err
		}
	}
	for _, p := range e.Places {
		more, err := p.Remove(ctx, step)
		raw = append(raw, more...)
		if err != nil {
			return raw, err
		}
	}
	if there {
		if err := step(erasingName); err != nil {
			return raw, err
		}
		if err := errors.Join(os.Remove(erasingFile(e.Data)), syncDir(e.Data)); err != nil {
			return raw, err
		}
	}
	if withConfig { // it says where to go on, so it is the last
		return raw, removeConfig(e.Config, step)
	}
	return raw, nil
}

// removeConfig takes the configuration away, its own file last.
func removeConfig(files []string, step func(string) error) error {
	for _, f := range slices.Backward(files) {
		if err := step(f); err != nil {
			return err
		}
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(filepath.Dir(files[0]))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Close lets go of the lock.
func (e *Erasure) Close() error {
	if e.lock == nil {
		return nil
	}
	return e.lock.Close()
}
