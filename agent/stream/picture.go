package stream

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/stream/picture"
)

// notPlaying is the detail of a picture that can't be checked because there is
// no stream.
const notPlaying = "the stream does not play"

// pictureKey is what makes another state of a picture: what is checked, found
// and said, not when it was looked at or how sure it is.
func pictureKey(p *report.PictureState) string {
	if p == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%t %s", p.Checked, p.Reason)
	for _, v := range p.Found {
		b.WriteString(" " + v.Condition)
	}
	return b.String() + ";" + strings.Join(p.Info, " ")
}

// shown is the picture of a state as it leaves. A stream that does not play has
// no picture to check; what was found before stays, since nobody saw it end.
func shown(s report.StreamState) *report.PictureState {
	if s.Picture == nil || s.State == StatePlaying {
		return s.Picture
	}
	if len(s.Picture.Found) == 0 {
		return nil
	}
	p := *s.Picture
	p.Checked, p.Reason, p.Detail = false, report.PictureNoKeyframe, notPlaying
	return &p
}

// pictureView is what is known of a picture, as it grows.
type pictureView struct{ state report.PictureState }

// report is a copy that does not change any more.
func (v *pictureView) report() *report.PictureState {
	p := v.state
	p.Found, p.Info = slices.Clone(p.Found), slices.Clone(p.Info)
	return &p
}

// verdict notes that a condition began or ended.
func (v *pictureView) verdict(now time.Time, d picture.Verdict) {
	i, there := slices.BinarySearchFunc(v.state.Found, d.Condition, func(f report.PictureVerdict, name string) int {
		return cmp.Compare(f.Condition, name)
	})
	switch {
	case !d.Present && there:
		v.state.Found = slices.Delete(v.state.Found, i, i+1)
	case d.Present && !there:
		v.state.Found = slices.Insert(v.state.Found, i, report.PictureVerdict{Condition: d.Condition, Since: now.UTC()})
		there = true
	}
	if d.Present && there {
		v.state.Found[i].Confidence, v.state.Found[i].Detail = d.Confidence, d.Detail
	}
}

// infoRateDrop says that a camera with a variable bit rate sends much less than
// before: frozen or black pictures do that, and so does a street that became
// quiet. It is a hint, no verdict.
const infoRateDrop = "rate_drop"

// inform notes that an information began or ended.
func (v *pictureView) inform(name string, present bool) {
	i, there := slices.BinarySearch(v.state.Info, name)
	switch {
	case present && !there:
		v.state.Info = slices.Insert(v.state.Info, i, name)
	case !present && there:
		v.state.Info = slices.Delete(v.state.Info, i, i+1)
	}
}

// rateDrop finds that the bit rate of a camera fell and stays low while its
// frames go on. In the table of research (720p, x264, variable bit rate) frames
// of a frozen or black picture have 2 % of the bytes of a live one, at night
// they have more; with a constant bit rate sizes say nothing.
type rateDrop struct {
	present bool
	usual   float64 // bits a second before it fell
}

const (
	constantRate = 0.1 // standard deviation by mean; below it the camera holds its bit rate
	dropTo       = 0.15
	backTo       = 0.5
)

// add takes a measurement.
func (d *rateDrop) add(m Measure) (began, changed bool) {
	short, long := float64(m.Short.BitsPerS), float64(m.Long.BitsPerS)
	if m.Short.Covered < fullShort || long == 0 {
		return false, false
	}
	switch {
	case d.present && short > backTo*d.usual:
		d.present = false
		return false, true
	case !d.present && m.RateCV >= constantRate && short < dropTo*long && m.Short.FPS > 0.5*m.Long.FPS:
		d.present, d.usual = true, long
		return true, true
	}
	return false, false
}

// load takes what was learned before, and says again what is wrong.
func (l *looker) load() {
	if l.cfg.Memory == nil {
		return
	}
	b, err := l.cfg.Memory.Load()
	if err == nil && len(b) == 0 {
		return
	}
	if err == nil {
		err = l.judge.UnmarshalBinary(b)
	}
	if err != nil {
		l.log.Warn("what was learned of the picture is set aside", "err", err, "aside", l.cfg.Memory.SetAside())
		return
	}
	var again []picture.Verdict
	for _, name := range l.judge.Present() {
		info := name == picture.Night || name == picture.Cast || name == picture.Still
		again = append(again, picture.Verdict{Condition: name, Present: true, Info: info, Confidence: 0.5, Detail: "it was so before the agent started"})
	}
	l.take(again)
}

// save keeps what was learned.
func (l *looker) save() {
	l.saved = time.Now()
	if l.cfg.Memory == nil {
		return
	}
	b, err := l.judge.MarshalBinary()
	if err == nil {
		err = l.cfg.Memory.Save(b)
	}
	if err != nil {
		l.log.Warn("what was learned of the picture is not saved", "err", err)
	}
}

func (l *looker) newJudge() *picture.Judge {
	var masks []picture.Rect
	for _, r := range l.cfg.Masks {
		masks = append(masks, picture.Rect(r))
	}
	return picture.New(picture.Config{Masks: masks, Every: l.cfg.Every})
}
