package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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
// left of it.
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

// dataGroups is all that is kept in a data directory, in the order in which it goes.
// Keys are the first: they are small and gone at once, and who gets hold of a card
// that was cut off then can't speak as the device.
var dataGroups = []erase.Group{
	{Name: "keys", Files: []string{"identity/*", "record.key", "kiosk/pin.key", "page-certificate.pem", "page-code.json", "page-sessions.json"}},
	{Name: "records", Files: []string{"spool/complaint/*", "spool/event/*", "spool/telemetry/*", "spool/quarantine/*", "spool/cursor"}},
	{Name: "kiosk", Files: []string{"kiosk/states.json", "kiosk/tickets.json.new", "kiosk/tickets.json.damaged"}},
	{Name: "cameras", Files: []string{"picture-*.learned", "recovery-*.json"}},
	{Name: "updates", Files: []string{"incoming/*", "update.json", "update-before.json"}},
	{Name: "state", Files: []string{"spool/pid", "alarms.json", "orders.json", "usage.json", "time", "centre-keys.json", "*.sock", "config-running.json", "config-order.json", "erasing.new"}},
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
	Settled bool   // then: what is there may go
	Waiting uint64 // complaints that the centre has not confirmed
	Unread  error  // why that can't be told

	Places     []*erase.Found // the data directory, then the mirrors
	Absent     []string       // mirrors that hold nothing: perhaps their disk is not there
	Config     []string       // the configuration, and what is beside it, with it
	WithConfig bool           // it was begun so
	Others     []string       // files that the configuration names and that lie elsewhere

	cfg   *config.Config
	mark  erasing
	links []string // of Config, symbolic links
	lock  *os.File
	made  bool // the spool's directory, for the lock
}

// How a device is to be emptied.
type How struct {
	Config         bool // with the configuration
	LoseComplaints bool // that the centre has not confirmed
	WithoutMirror  bool // that holds nothing
}

// Why a device is not emptied.
var (
	ErrOwed      = errors.New("there are complaints that the centre has not confirmed")
	ErrNoMirror  = errors.New("a mirror holds nothing")
	ErrEnrolling = errors.New("an enrolment is under way; wait until it has ended, or end it")
	ErrNoData    = errors.New("it is not there; is its disk mounted?")
	ErrMeanwhile = errors.New("something was written meanwhile")
)

// OpenErasure looks at what a device keeps, and changes nothing. A running agent is a
// *spool.LockedError, a wrong directory an *erase.Refused.
func OpenErasure(cfg *config.Config) (*Erasure, error) {
	e := &Erasure{Device: cfg.Device, Data: cfg.Data, cfg: cfg}
	if _, err := os.Stat(e.Data); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s: %w", e.Data, ErrNoData)
		}
		return nil, err
	}
	err := e.take()
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // Run makes it
	}
	if err == nil {
		err = e.look()
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// lockDir locks a directory without waiting.
func lockDir(dir string, how int) (*os.File, error) {
	d, err := os.OpenFile(dir, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.Fd()), how|unix.LOCK_NB); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return d, nil
}

// take locks the spool as an agent does. The lock is held until all is gone. Where the
// spool is no directory look says so.
func (e *Erasure) take() (err error) {
	dir := filepath.Join(e.Data, "spool")
	e.lock, err = lockDir(dir, unix.LOCK_EX)
	switch {
	case errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR):
		return nil
	case errors.Is(err, unix.EWOULDBLOCK):
		pid, _ := os.ReadFile(filepath.Join(dir, "pid"))
		return &spool.LockedError{Dir: dir, PID: strings.TrimSpace(string(pid))}
	}
	return err
}

// hold takes the lock where there was no spool to lock.
func (e *Erasure) hold() error {
	if e.lock != nil {
		return nil
	}
	dir := filepath.Join(e.Data, "spool")
	err := os.Mkdir(dir, 0o750)
	e.made = err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(e.Data)
	if err == nil && e.made {
		err = chownLike(dir, info)
	}
	return errors.Join(err, e.take())
}

// look finds the files: those of the data directory first, then those of the mirrors,
// then the configuration's; and counts what is owed.
func (e *Erasure) look() (err error) {
	data, err := e.lookData()
	if err != nil {
		return err
	}
	e.Begun = slices.Contains(data.Kept, erasingName)
	data.Kept = slices.DeleteFunc(data.Kept, func(name string) bool { return name == erasingName })
	if e.mark, err = loadErasing(e.Data); err != nil {
		return err
	}
	e.Settled, e.WithConfig = e.mark.Settled, len(e.mark.Config) > 0
	e.Places, e.Absent = []*erase.Found{data}, nil
	for _, m := range e.mirrors() {
		f, err := erase.Look(erase.Place{Dir: m, Groups: mirrorGroups, Shared: true})
		if err != nil {
			return err
		}
		e.Places = append(e.Places, f)
		if on, was := e.mark.Mirrors[m]; f.Files() == 0 && !(was && on == deviceOf(m)) {
			e.Absent = append(e.Absent, m)
		}
	}
	e.count()
	return e.configured()
}

func (e *Erasure) lookData() (*erase.Found, error) {
	return erase.Look(erase.Place{Dir: e.Data, Groups: dataGroups, Keep: []string{ticketsFile, erasingName}})
}

// mirrors are all that a configuration of this device names, or named.
func (e *Erasure) mirrors() (all []string) {
	add := func(m string) {
		if filepath.IsAbs(m) && !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	add(e.cfg.Spool.Mirror)
	if used, _, err := Running(e.Data); err == nil { // one that can't be used goes with the rest
		add(used.Spool.Mirror)
	}
	if o, err := loadOrdered(e.Data); err == nil {
		for _, v := range []*version{o.Now, o.Before} {
			if v == nil {
				continue
			}
			if c, err := config.Parse(e.cfg.File, []byte(v.Text)); err == nil {
				add(c.Spool.Mirror)
			}
		}
	}
	for _, m := range slices.Sorted(maps.Keys(e.mark.Mirrors)) { // the order that names one may be gone
		add(m)
	}
	return all
}

// deviceOf is the device that a directory is on; 0 where it is not there.
func deviceOf(dir string) uint64 {
	var s unix.Stat_t
	if unix.Stat(dir, &s) != nil {
		return 0
	}
	return uint64(s.Dev)
}

// count finds out what the centre has not confirmed. In doubt it says so.
func (e *Erasure) count() {
	e.Waiting, e.Unread = 0, nil
	if e.Settled {
		return
	}
	var head report.Head
	known := slices.ContainsFunc(e.Places[0].Counts, func(c erase.Count) bool { return c.Group == "records" && c.Files > 0 })
	if known {
		v, err := spool.OpenView(filepath.Join(e.Data, "spool"))
		if err == nil {
			head, err = v.Head(report.Complaint), v.Unsure(report.Complaint)
		}
		e.Unread = err
	}
	for _, p := range e.Places[1:] {
		v, err := spool.OpenView(p.Dir)
		if errors.Is(err, spool.ErrNoSegment) {
			continue
		}
		if err != nil {
			e.Unread = errors.Join(e.Unread, err)
			continue
		}
		switch h := v.Head(report.Complaint); {
		case !known:
			head, known = h, true
			e.Unread = errors.Join(e.Unread, v.Unsure(report.Complaint))
		case h.Epoch == head.Epoch:
			head.First, head.Next = max(head.First, h.First), max(head.Next, h.Next)
		case h.Backlog() > 0:
			e.Unread = errors.Join(e.Unread, fmt.Errorf("%s holds complaints of another store, of epoch %s", p.Dir, h.Epoch))
		}
	}
	if known {
		e.Waiting = head.Backlog()
	}
}

// besides are the ends of the names of files that are written beside a configuration.
var besides = []string{"", ".new", ".answers", ".answers.new", ".draft", ".draft.new", ".erasing.new"}

// configured finds the configuration's own files, and those that it names. Setup writes
// passwords into NAME.secret beside it; they go when one of its files names them.
func (e *Erasure) configured() error {
	e.Config, e.Others, e.links = nil, nil, nil
	file := absFile(e.cfg.File)
	dir := filepath.Dir(file)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	add := func(f string) {
		info, err := os.Lstat(f)
		switch {
		case err != nil || !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0 || slices.Contains(e.Config, f):
		case info.Mode()&fs.ModeSymlink != 0:
			e.links = append(e.links, filepath.Base(f))
			fallthrough
		default:
			e.Config = append(e.Config, f)
		}
	}
	add(file)
	for _, d := range entries {
		if after, ours := strings.CutPrefix(d.Name(), filepath.Base(file)); ours && (strings.HasPrefix(after, ".before-") || slices.Contains(besides, after)) {
			add(filepath.Join(dir, d.Name()))
		}
	}
	var texts []byte
	for _, f := range e.Config {
		text, err := os.ReadFile(f)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a link to nothing is no error yet
			return err
		}
		texts = append(append(texts, text...), '\n')
	}
	for _, d := range entries {
		if name := strings.TrimSuffix(d.Name(), ".new"); strings.HasSuffix(name, ".secret") && bytes.Contains(texts, []byte(name)) {
			add(filepath.Join(dir, d.Name()))
		}
	}
	for _, f := range e.mark.Config {
		// The mark lies where the agent's user writes, and this runs as root.
		name := filepath.Base(f)
		if filepath.Dir(f) == dir && (strings.HasPrefix(name, filepath.Base(file)) || strings.HasSuffix(strings.TrimSuffix(name, ".new"), ".secret")) {
			add(f)
		}
	}
	e.others()
	return nil
}

// others are files that the configuration names and that are not ours.
func (e *Erasure) others() {
	var named []string
	for _, b := range e.cfg.Uplink.Brokers {
		named = append(named, b.CA, b.Cert, b.Key, b.Password.File())
	}
	for _, s := range e.cfg.Streams {
		named = append(named, s.Password.File())
	}
	for _, f := range named {
		if f == "" || within(e.Data, f) || slices.Contains(e.Config, f) || slices.Contains(e.Others, f) {
			continue
		}
		if _, err := os.Lstat(f); err == nil || strings.HasPrefix(f, "$") {
			e.Others = append(e.Others, f)
		}
	}
}

func absFile(file string) string {
	if abs, err := filepath.Abs(file); err == nil {
		return abs
	}
	return file
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

// May tells whether the device may be emptied like this.
func (e *Erasure) May(how How) error {
	switch {
	case (e.Waiting > 0 || e.Unread != nil) && !how.LoseComplaints:
		return ErrOwed
	case len(e.Absent) > 0 && !how.WithoutMirror:
		return fmt.Errorf("%w: %s", ErrNoMirror, strings.Join(e.Absent, ", "))
	case (how.Config || e.WithConfig) && len(e.links) > 0:
		return &erase.Refused{Dir: filepath.Dir(absFile(e.cfg.File)), Why: erase.Link, Names: e.links}
	}
	return nil
}

// Run empties the device, and with it what is in Config when how says so. step is
// asked before each change. After an error, or a cut, the same again goes on: the mark
// stands until nothing is left but the stub of the configuration. Raw are files that are
// gone but could not be overwritten.
func (e *Erasure) Run(ctx context.Context, how How, step func(name string) error) (raw []string, err error) {
	if err := e.hold(); err != nil {
		return nil, err
	}
	enrolling, err := lockDir(identityDir(e.Data), unix.LOCK_EX)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrEnrolling
	}
	if err == nil {
		defer enrolling.Close()
	}
	how.Config = how.Config || e.WithConfig
	if err := errors.Join(e.look(), e.May(how)); err != nil { // since the person was asked
		return nil, err
	}
	if err := e.begin(how, step); err != nil {
		return nil, err
	}
	if enrolling == nil { // one that made its directory since looks for the mark
		if d, err := lockDir(identityDir(e.Data), unix.LOCK_EX); err == nil {
			defer d.Close()
		} else if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", identityDir(e.Data), ErrMeanwhile)
		}
	}
	for _, p := range e.Places {
		more, err := p.Remove(ctx, step)
		raw = append(raw, more...)
		if err != nil {
			return raw, err
		}
	}
	for _, f := range slices.Backward(e.Config) { // its own file is the first of them
		if !how.Config {
			break
		}
		whole, err := erase.File(f, func() error { return errors.Join(ctx.Err(), step(f)) })
		if !whole {
			raw = append(raw, f)
		}
		if err != nil {
			return raw, err
		}
	}
	return raw, e.end(how, step)
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
		e.mark.Config = append([]string{absFile(e.cfg.File)}, e.Config...)
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

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Close lets go of the lock.
func (e *Erasure) Close() error {
	if e.made {
		_ = os.Remove(filepath.Join(e.Data, "spool")) // where nothing was erased
	}
	if e.lock == nil {
		return nil
	}
	return e.lock.Close()
}
