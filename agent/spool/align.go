package spool

import "kentongan/agent/report"

// life is one life of a segment, whatever its file is called.
type life struct {
	epoch report.Epoch
	id    uint64
}

// align gives the mirror's files the names that the first storage has for the
// same segments. They differ there when files were swapped, moved home from
// another lane's directory, or fetched; and a copy is looked for by its name, so
// damage could not be mended, and a good copy of one segment would be taken for a
// bad one of another and overwritten. Who stands in the place of another
// changes with it: no file is lost.
func (m *mirror) align(files []*found) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var strays []*found
	for _, f := range files {
		if f.id == 0 || f.slot == 0 {
			continue // never used, or not to be used from where it is
		}
		if h, err := readHeader(m.fs, m.path(f.slot)); err != nil || h.id != f.id || h.epoch != f.epoch {
			strays = append(strays, f)
		}
	}
	if len(strays) == 0 {
		return
	}
	slots, spare := m.slots()
	for _, f := range files {
		spare = max(spare, f.slot+1)
	}
	moved := false
	for _, f := range strays {
		for from, l := range slots {
			if l != (life{f.epoch, f.id}) || from == f.slot {
				continue
			}
			if err := m.exchange(slots, from, f.slot, spare); err != nil {
				m.fail(0, err)
				return
			}
			moved = true
			break
		}
	}
	if !moved {
		return
	}
	if err := m.fs.SyncDir(m.dir); err != nil {
		m.fail(0, err)
	}
}

// slots is which life stands in which of the mirror's files, and a name that
// none of them has.
func (m *mirror) slots() (slots map[uint32]life, spare uint32) {
	slots = map[uint32]life{}
	files, _ := m.fs.List(m.dir)
	for _, info := range files {
		slot, ok := parseSlot(info.Name)
		if !ok {
			continue
		}
		spare = max(spare, slot)
		slots[slot] = life{} // of no use, but in the place
		if h, err := readHeader(m.fs, m.path(slot)); err == nil && h.lane == report.Complaint {
			slots[slot] = life{h.epoch, h.id}
		}
	}
	return slots, spare + 1
}

// exchange renames from to to, and what stood there to from. A power cut in
// between leaves each file under some name.
func (m *mirror) exchange(slots map[uint32]life, from, to, spare uint32) error {
	if err := m.fs.Rename(m.path(from), m.path(spare)); err != nil {
		return err
	}
	other, taken := slots[to]
	delete(slots, from)
	if taken {
		if err := m.fs.Rename(m.path(to), m.path(from)); err != nil {
			return err
		}
		slots[from] = other
	}
	err := m.fs.Rename(m.path(spare), m.path(to))
	slots[to] = life{} // it is where it belongs: not to be moved again
	return err
}
