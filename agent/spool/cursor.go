package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"

	"kentongan/agent/report"
)

// The file cursor holds two slots of one page each; the one with the higher
// generation counts. Losing it costs doubles at the centre and a jump of the
// numbers, never a record.
const (
	cursorName  = "cursor"
	cursorSlots = 2
	slotHead    = 20  // magic, generation, length, CRC-32C
	sectorSize  = 512 // what a disk writes as a whole
)

var (
	slotMagic = []byte("KCUR")
	errSlot   = errors.New("no valid cursor")
)

// cursors is what a slot says, as JSON.
type cursors struct {
	Version int                         `json:"v"`
	Epoch   report.Epoch                `json:"epoch"`
	Clean   bool                        `json:"clean"` // written by Close
	Lanes   map[report.Lane]*laneCursor `json:"lanes"`
	Behind  []string                    `json:"behind,omitempty"` // segments that the mirror lacks
	Renew   *renewal                    `json:"renew,omitempty"`  // a new epoch that is asked for, or under way
}

// laneCursor is the part of one lane.
type laneCursor struct {
	First    uint64         `json:"first"`              // not yet acknowledged, nor dropped
	Next     uint64         `json:"next"`               // number of the next record
	ID       uint64         `json:"id"`                 // of the newest segment
	Reserved uint64         `json:"reserved,omitempty"` // telemetry: numbers below it may be in use
	Known    []report.Range `json:"known,omitempty"`    // holes that durable gap records explain
	Pending  []hole         `json:"pending,omitempty"`  // holes whose gap record is not durable yet
}

// first is the cursor's first number, 0 where there is no cursor.
func (l *laneCursor) first() uint64 {
	if l == nil {
		return 0
	}
	return l.First
}

// encodeSlot returns a page. A cursor that does not fit into it forgets reported
// holes, the oldest first: they may be reported twice then. At last it forgets
// what the mirror lacks: those copies are not made whole after a restart.
func encodeSlot(gen uint64, c cursors) ([]byte, error) {
	body, err := json.Marshal(c)
	for err == nil && slotHead+len(body) > pageSize {
		if !c.forget() {
			return nil, fmt.Errorf("cursor has %d bytes, more than a page", len(body))
		}
		body, err = json.Marshal(c)
	}
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, pageSize)
	b = append(b, slotMagic...)
	b = le.AppendUint64(b, gen)
	b = le.AppendUint32(b, uint32(len(body)))
	crc := crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, body)
	b = le.AppendUint32(b, crc)
	b = append(b, body...)
	return b[:pageSize], nil
}

// forget shortens the longest list of reported holes by one, those of an old
// epoch last; then the list of what the mirror lacks.
func (c *cursors) forget() bool {
	of := []map[report.Lane]*laneCursor{c.Lanes}
	if c.Renew != nil {
		of = append(of, c.Renew.Lanes)
	}
	for _, lanes := range of {
		var most *laneCursor
		for _, l := range lanes {
			if most == nil || len(l.Known) > len(most.Known) {
				most = l
			}
		}
		if most != nil && len(most.Known) > 0 {
			most.Known = most.Known[1:]
			return true
		}
	}
	if n := len(c.Behind); n > 0 {
		c.Behind = c.Behind[:n-1]
		return true
	}
	return false
}

// tearable tells whether a slot that is not valid may be one that a power cut
// tore: it is longer than a sector, and its first sector is the new one.
func tearable(page []byte) bool {
	n := int64(le.Uint32(page[12:]))
	return string(page[:4]) == string(slotMagic) && slotHead+n > sectorSize && n <= pageSize-slotHead
}

// decodeSlot reads one page.
func decodeSlot(b []byte) (gen uint64, c cursors, err error) {
	if len(b) < slotHead || string(b[:4]) != string(slotMagic) {
		return 0, c, errSlot
	}
	n := int64(le.Uint32(b[12:]))
	if n > int64(len(b)-slotHead) {
		return 0, c, errSlot
	}
	body := b[slotHead : slotHead+n]
	if crc32.Update(crc32.Checksum(b[:16], castagnoli), castagnoli, body) != le.Uint32(b[16:]) {
		return 0, c, errSlot
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return 0, c, fmt.Errorf("%w: %v", errSlot, err)
	}
	if c.Version != formatVersion || c.Epoch == 0 {
		return 0, c, fmt.Errorf("%w: version %d", errSlot, c.Version)
	}
	if !c.Renew.valid(c.Epoch) {
		return 0, c, fmt.Errorf("%w: new epoch", errSlot)
	}
	for lane, l := range c.Lanes {
		if l == nil || !lane.Valid() || l.First == 0 || l.Next < l.First {
			return 0, c, fmt.Errorf("%w: lane %s", errSlot, lane)
		}
		for _, h := range l.Pending {
			if h.From == 0 || h.To < h.From {
				return 0, c, fmt.Errorf("%w: lane %s: hole %d to %d", errSlot, lane, h.From, h.To)
			}
		}
	}
	return le.Uint64(b[4:]), c, nil
}

// cursorFile writes the slots. Only the writer uses it.
type cursorFile struct {
	fs  FS
	dir string
	f   File
	gen uint64
}

// readCursors returns the newest valid slot of the file in dir, and how many
// slots are damaged though the file is there. One that a power cut tore is not.
func readCursors(fsys FS, dir string) (gen uint64, c cursors, bad int, err error) {
	f, err := fsys.Open(filepath.Join(dir, cursorName), false)
	if err != nil {
		return 0, c, 0, err
	}
	defer f.Close()
	data, _ := readAll(f, cursorSlots*pageSize)
	for i := range cursorSlots {
		page := data[i*pageSize : (i+1)*pageSize]
		g, got, err := decodeSlot(page)
		if err != nil && !tearable(page) {
			bad++
		} else if err == nil && g >= gen {
			gen, c = g, got
		}
	}
	if gen == 0 {
		return 0, c, bad, errSlot
	}
	return gen, c, bad, nil
}

// save writes the next slot and waits until it is on the disk. With both, the
// two slots get it, so that damage to one page costs nothing.
func (cf *cursorFile) save(c cursors, both bool) (written int64, err error) {
	if cf.f == nil {
		return cf.renew(c)
	}
	n := 1
	if both {
		n = cursorSlots
	}
	for range n {
		if err := cf.slot(cf.f, c); err != nil {
			// An error of fsync is final for a file: the next save makes a new one.
			cf.close()
			return written, fmt.Errorf("write cursor: %w", err)
		}
		written += pageSize
	}
	return written, nil
}

// slot writes one slot, the one that does not hold the newest generation.
func (cf *cursorFile) slot(f File, c cursors) error {
	cf.gen++
	page, err := encodeSlot(cf.gen, c)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(page, int64(cf.gen%cursorSlots)*pageSize); err != nil {
		return err
	}
	return f.Sync()
}

// renew writes a new file and puts it in the place of the old one.
func (cf *cursorFile) renew(c cursors) (written int64, err error) {
	name := filepath.Join(cf.dir, cursorName)
	_ = cf.fs.Remove(name + ".new")
	f, err := allocate(cf.fs, cf.dir, name+".new", cursorSlots*pageSize, nil)
	if err != nil {
		return 0, fmt.Errorf("make cursor: %w", err)
	}
	for range cursorSlots {
		if err = cf.slot(f, c); err != nil {
			break
		}
	}
	if err == nil {
		err = cf.fs.Rename(name+".new", name)
	}
	if err == nil {
		err = cf.fs.SyncDir(cf.dir)
	}
	if err != nil {
		_ = f.Close()
		return 0, fmt.Errorf("make cursor: %w", err)
	}
	cf.f = f
	return 2 * cursorSlots * pageSize, nil
}

// open takes an existing file that has the right size; save makes one where
// there is none.
func (cf *cursorFile) open() {
	f, err := cf.fs.Open(filepath.Join(cf.dir, cursorName), true)
	if err != nil {
		return
	}
	if size, err := f.Size(); err != nil || size != cursorSlots*pageSize {
		_ = f.Close()
		return
	}
	cf.f = f
}

func (cf *cursorFile) close() {
	if cf.f != nil {
		_ = cf.f.Close()
		cf.f = nil
	}
}
