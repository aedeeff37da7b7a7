package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"kentongan/agent/report"
)

// View reads a spool without locking or changing it, while an agent writes to
// it or after its storage was damaged. Methods may not be called concurrently.
type View struct {
	Epoch  report.Epoch
	Clean  bool // ended with Close, and nobody has it open
	fs     FS
	dir    string
	lanes  map[report.Lane][]*viewSegment
	cursor *cursors     // nil when lost
	faults []Fault      // of files
	former report.Epoch // whose records are on their way into this one
	unsure map[report.Lane]error
}

// ErrNoSegment is a directory that holds no spool, or one of which nothing is left.
var ErrNoSegment = errors.New("no segment")

// Fault is one thing in a spool that is not as it was written.
type Fault struct {
	Lane   report.Lane `json:"lane"`
	File   string      `json:"file"`
	Offset int64       `json:"offset"` // bytes
	Text   string      `json:"text"`
}

func (f Fault) String() string {
	return fmt.Sprintf("%s/%s: byte %d: %s", f.Lane, f.File, f.Offset, f.Text)
}

// SegmentInfo is one segment, for people.
type SegmentInfo struct {
	Lane    report.Lane `json:"lane"`
	File    string      `json:"file"`
	ID      uint64      `json:"id"`
	First   uint64      `json:"first"`   // number of its first record
	Last    uint64      `json:"last"`    // of its last readable one; First-1 for none
	Records uint64      `json:"records"` // readable
	Waiting uint64      `json:"waiting"` // of these, not acknowledged
	Used    int64       `json:"used_bytes"`
	Size    int64       `json:"size_bytes"`
	Damaged int         `json:"damaged_spans"`
}

type viewSegment struct {
	header
	file string
	bad  bool // its header was guessed
}

// OpenView looks at the spool in dir.
func OpenView(dir string) (*View, error) { return openView(osFS{}, dir) }

func openView(fsys FS, dir string) (*View, error) {
	v := &View{fs: fsys, dir: dir, lanes: map[report.Lane][]*viewSegment{}, unsure: map[report.Lane]error{}}
	_, c, bad, err := readCursors(fsys, dir)
	if err == nil {
		v.cursor, v.Epoch, v.Clean = &c, c.Epoch, c.Clean
	}
	if bad > 0 {
		v.faults = append(v.faults, Fault{Lane: report.Event, File: "../" + cursorName, Text: fmt.Sprintf("%d of %d slots damaged", bad, cursorSlots)})
	}
	files := 0
	votes := map[report.Epoch]int{v.Epoch: 1}
	for _, lane := range report.Lanes() {
		infos, err := fsys.List(filepath.Join(dir, string(lane)))
		if err != nil {
			v.unsure[lane] = err
			continue
		}
		v.unsure[lane] = ErrNoSegment
		for _, info := range infos {
			if _, ok := parseSlot(info.Name); !ok {
				continue
			}
			files++
			if errors.Is(v.unsure[lane], ErrNoSegment) {
				v.unsure[lane] = nil
			}
			h, err := readHeader(fsys, filepath.Join(dir, string(lane), info.Name))
			if err != nil {
				h.size = info.Size
			} else if info.Size < h.size {
				v.unsure[lane] = fmt.Errorf("%s/%s: %d bytes, of %d", lane, info.Name, info.Size, h.size)
			}
			v.lanes[lane] = append(v.lanes[lane], &viewSegment{header: h, file: info.Name, bad: err != nil})
			if err == nil {
				votes[h.epoch] += 2
			}
		}
	}
	if files == 0 {
		if err := v.unsure[report.Complaint]; err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrNoSegment) {
			return nil, fmt.Errorf("look into %s: %w", dir, err)
		}
		return nil, fmt.Errorf("%s holds no spool: %w in %s", dir, ErrNoSegment, filepath.Join(dir, string(report.Complaint)))
	}
	v.Epoch = winner(votes)
	if c := v.cursor; c != nil && c.Renew.moving() && c.Renew.Epoch == v.Epoch {
		v.Epoch, v.former = c.Epoch, v.Epoch
	}
	v.sort()
	return v, nil
}

// winner is the epoch with the most votes, the lowest of equals; 0 never wins
// against another.
func winner(votes map[report.Epoch]int) (best report.Epoch) {
	for e, n := range votes {
		if e != 0 && (best == 0 || n > votes[best] || n == votes[best] && e < best) {
			best = e
		}
	}
	return best
}

// sort puts the segments in the order of their ids, guesses the headers that
// are damaged, and leaves out those that were never used.
func (v *View) sort() {
	for lane, segs := range v.lanes {
		segs = slices.DeleteFunc(segs, func(seg *viewSegment) bool {
			if seg.bad {
				return !v.guess(lane, seg)
			}
			if seg.epoch == v.former && v.former != 0 {
				return true // counted when its records have moved
			}
			if seg.epoch != v.Epoch || seg.lane != lane {
				v.faults = append(v.faults, Fault{Lane: lane, File: seg.file, Text: fmt.Sprintf("a segment of lane %s, epoch %s", seg.lane, seg.epoch)})
				return true
			}
			return seg.id == 0
		})
		slices.SortFunc(segs, func(a, b *viewSegment) int { return compare(a.id, b.id) })
		v.lanes[lane] = segs
	}
}

func (v *View) guess(lane report.Lane, seg *viewSegment) bool {
	data, err := v.read(lane, seg)
	h, ok := guessHeader(data, v.Epoch)
	if err != nil {
		v.faults = append(v.faults, Fault{Lane: lane, File: seg.file, Text: err.Error()})
	} else if ok || !allZero(data) {
		v.faults = append(v.faults, Fault{Lane: lane, File: seg.file, Text: "no valid header"})
	}
	if !ok || h.lane != lane {
		return false
	}
	h.size = seg.size
	seg.header = h
	return true
}

func (v *View) read(lane report.Lane, seg *viewSegment) ([]byte, error) {
	f, err := v.fs.Open(filepath.Join(v.dir, string(lane), seg.file), false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, seg.size)
}

// errMoved is a segment that got a new life while we looked.
var errMoved = errors.New("segment is in use again")

// walk reads one segment. limit bounds its numbers: the segment after it may
// say that later ones were given up.
func (v *View) walk(lane report.Lane, i int) (image, walked, error) {
	segs := v.lanes[lane]
	seg := segs[i]
	limit := ^uint64(0)
	if i+1 < len(segs) {
		limit = max(segs[i+1].before, seg.first-1)
	}
	data, err := v.read(lane, seg)
	if h, herr := decodeHeader(data); herr == nil && !seg.bad && h.id != seg.id {
		return image{}, walked{}, errMoved
	}
	im := image{data: data, epoch: v.Epoch, lane: lane, id: seg.id, was: seg.was}
	if len(data) == 0 {
		return im, walked{}, err
	}
	return im, im.walk(seg.first, limit), err
}

// Segments describes the segments of all lanes that hold records.
func (v *View) Segments() (out []SegmentInfo) {
	for _, lane := range report.Lanes() {
		first := v.first(lane)
		for i, seg := range v.lanes[lane] {
			_, w, err := v.walk(lane, i)
			if errors.Is(err, errMoved) {
				continue
			}
			info := SegmentInfo{
				Lane: lane, File: seg.file, ID: seg.id, First: seg.first, Last: w.last(seg.first - 1),
				Used: w.end, Size: seg.size, Damaged: len(w.spans),
			}
			for _, spot := range w.spots {
				if spot.kind == frameReserve {
					continue
				}
				info.Records += uint64(spot.count)
				if spot.last() >= first {
					info.Waiting += spot.last() - max(spot.seq, first) + 1
				}
			}
			out = append(out, info)
		}
	}
	return out
}

// first is the cursor of a lane, or what a header knows of acknowledgements that
// came after it was saved; 0 when both were lost.
func (v *View) first(lane report.Lane) (first uint64) {
	if v.cursor != nil {
		first = v.cursor.Lanes[lane].first()
	}
	for _, seg := range v.lanes[lane] {
		first = max(first, seg.cursor)
	}
	return first
}

// Records calls fn with each readable record of a lane with numbers from
// 'from' on, acknowledged or not, in order, until fn returns an error.
func (v *View) Records(lane report.Lane, from uint64, fn func(report.Entry) error) error {
	for i := range v.lanes[lane] {
		im, w, err := v.walk(lane, i)
		if errors.Is(err, errMoved) {
			continue
		}
		for _, spot := range w.spots {
			if spot.kind == frameReserve || spot.last() < from {
				continue
			}
			at := spot.off + frameSize
			r := &reader{from: from, records: int(spot.count), bytes: maxPayload}
			takeFrame(spot.frame, im.data[at:at+int64(spot.length)], r)
			for _, e := range r.out {
				if err := fn(e); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Head is what the lane holds, as far as it can be seen from outside.
func (v *View) Head(lane report.Lane) report.Head {
	h := report.Head{Lane: lane, Epoch: v.Epoch, First: max(v.first(lane), 1), Next: 1}
	if v.cursor != nil && v.cursor.Lanes[lane] != nil {
		h.Next = v.cursor.Lanes[lane].Next
	}
	if n := len(v.lanes[lane]); n > 0 {
		_, w, _ := v.walk(lane, n-1)
		h.Next = max(h.Next, w.last(v.lanes[lane][n-1].first-1)+1)
	}
	h.Next = max(h.Next, h.First)
	return h
}

// Unsure is nil where Head tells all that a lane holds, and else why it may not.
func (v *View) Unsure(lane report.Lane) error {
	if err := v.unsure[lane]; err != nil {
		return err
	}
	for _, f := range v.faults {
		if f.Lane == lane {
			return errors.New(f.String())
		}
	}
	switch c := v.cursor; {
	case v.former != 0 || c != nil && c.Renew.moving():
		return errors.New("its records are on their way into a new epoch")
	case c != nil && c.Epoch != v.Epoch:
		return fmt.Errorf("its cursor is of epoch %s, its records of %s", c.Epoch, v.Epoch)
	}
	if n := len(v.lanes[lane]); n > 0 {
		_, w, err := v.walk(lane, n-1)
		if err == nil && w.dirty {
			err = fmt.Errorf("byte %d: something was begun there", w.end)
		}
		if err != nil {
			return fmt.Errorf("%s/%s: %w", lane, v.lanes[lane][n-1].file, err)
		}
	}
	return nil
}
