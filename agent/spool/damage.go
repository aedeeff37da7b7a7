package spool

import (
	"fmt"
	"path/filepath"

	"kentongan/agent/report"
)

// Bounds of what is set aside, in bytes.
const (
	quarantineName = "quarantine"
	quarantineMax  = 4 << 20
	quarantineSpan = 256 << 10
)

// load reads a whole segment, and takes from the mirror what the disk lost. An
// error is that of a file or page that could not be read; the image is as good
// as it can be had.
func (l *lane) load(seg *segment) (image, error) {
	im := image{epoch: seg.epoch, lane: l.name, id: seg.id, was: seg.was, data: make([]byte, seg.size)}
	limit := ^uint64(0)
	l.mu.Lock()
	first := l.first
	if seg == l.active {
		limit = seg.last // what is being written now is not missed
	}
	l.mu.Unlock()
	f, err := l.s.fs.Open(l.path(seg.slot), true)
	if err != nil {
		f, err = l.s.fs.Open(l.path(seg.slot), false) // a read-only file system
	}
	if err == nil {
		im.data, err = readAll(f, seg.size)
		defer f.Close()
	}
	if passing(err) {
		return im, err // nothing is known of it: nothing to mend
	}
	if l.name == report.Complaint && l.s.mirror != nil {
		if mended := l.s.mirror.mend(seg, im, first, limit); len(mended) > 0 {
			l.rewrite(seg, f, im, mended)
		}
	}
	return im, err
}

// rewrite puts the mended parts of a segment back on the disk. Where it
// refuses, the mirror has them still.
func (l *lane) rewrite(seg *segment, f File, im image, mended []span) {
	d := report.Damage{
		Lane: l.name, Segment: slotName(seg.slot), Offset: mended[0].off,
		Detail: "damaged; nothing is lost: the mirror had it",
	}
	var err error
	for _, sp := range mended {
		d.Bytes += sp.end - sp.off
		if f != nil && err == nil {
			_, err = f.WriteAt(im.data[sp.off:sp.end], sp.off)
		}
	}
	if f != nil && err == nil {
		err = f.Sync()
	}
	if err != nil {
		l.s.log.Warn("segment not mended", "lane", l.name, "segment", slotName(seg.slot), "err", err)
	}
	l.s.damage(d)
}

// reportSpans names what is missing of a segment, once: the numbers up to last
// that stand in no frame.
func (l *lane) reportSpans(seg *segment, im image, w walked, last uint64, cause error) {
	spans := w.spans
	if got := w.last(seg.first - 1); got < last {
		spans = append(spans, span{off: w.end, end: seg.size, after: got, before: last + 1})
	}
	for _, sp := range spans {
		l.reportSpan(seg, im, sp, cause)
	}
}

func (l *lane) reportSpan(seg *segment, im image, sp span, cause error) {
	lost := report.Range{From: sp.after + 1, To: sp.before - 1}
	l.mu.Lock()
	lost.From = max(lost.From, l.first)
	var fresh []report.Range
	if lost.From <= lost.To {
		fresh = unknown(l.known, lost)
		l.known = addRange(l.known, lost)
	}
	for _, r := range fresh {
		l.stats.Damaged += r.Count()
	}
	l.mu.Unlock()
	if len(fresh) == 0 {
		return // acknowledged, or reported before
	}
	reason := report.GapTorn
	if !sp.torn {
		reason = report.GapDamage
		detail := "bytes that are no record"
		if cause != nil {
			detail = cause.Error()
		}
		l.s.damage(report.Damage{
			Lane: l.name, Segment: slotName(seg.slot), Offset: sp.off, Bytes: sp.end - sp.off,
			Detail: detail, Saved: l.s.setAside(l.name, seg.id, sp.off, im.data[sp.off:sp.end]),
		})
	}
	for _, r := range fresh {
		l.s.gap(l, r.From, r.To, reason)
	}
}

// setAside copies bytes that make no sense into the quarantine directory, for
// people to look at, and returns the file's name. Only zeros, or more than the
// directory may hold, are not copied.
func (s *Spool) setAside(lane report.Lane, id uint64, off int64, data []byte) string {
	if data = data[:min(len(data), quarantineSpan)]; allZero(data) {
		return ""
	}
	dir := filepath.Join(s.dir, quarantineName)
	if s.fs.MkdirAll(dir) != nil {
		return ""
	}
	files, _ := s.fs.List(dir)
	sum := int64(len(data))
	for _, f := range files {
		sum += f.Size
	}
	name := fmt.Sprintf("%s-%d-%d.bin", lane, id, off)
	if sum > quarantineMax {
		return ""
	}
	f, err := s.fs.Create(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	defer f.Close()
	if _, err := f.WriteAt(data, 0); err != nil {
		_ = s.fs.Remove(filepath.Join(dir, name))
		return ""
	}
	return filepath.Join(quarantineName, name)
}

// moveAside moves a file that is no segment of this spool into the quarantine
// directory. It stays where it is when that fails.
func (s *Spool) moveAside(lane report.Lane, dir string, info FileInfo, why string) {
	to := filepath.Join(s.dir, quarantineName)
	saved := ""
	if s.fs.MkdirAll(to) == nil {
		taken := map[string]bool{}
		files, _ := s.fs.List(to)
		for _, f := range files {
			taken[f.Name] = true
		}
		name := string(lane) + "-" + info.Name
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s-%s-%d", lane, info.Name, n)
		}
		if err := s.fs.Rename(filepath.Join(dir, info.Name), filepath.Join(to, name)); err == nil {
			saved = filepath.Join(quarantineName, name)
		}
	}
	s.damage(report.Damage{Lane: lane, Segment: info.Name, Bytes: info.Size, Detail: why, Saved: saved})
}
