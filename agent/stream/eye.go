package stream

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
	"kentongan/agent/stream/decoder"
	"kentongan/agent/stream/picture"
)

// Eye is what the cameras of one device share to look at their pictures. Run
// it beside the Watchers that have it.
type Eye struct {
	dec  *decoder.Decoder
	keys room
}

// NewEye makes an eye. ffmpeg is the program that decodes H.264 and H.265; ""
// is none. It starts nothing.
func NewEye(ffmpeg string, log *slog.Logger) *Eye {
	e := &Eye{dec: decoder.New(decoder.Options{FFmpeg: ffmpeg, Log: log})}
	e.keys.left.Store(keyframes)
	return e
}

// Run serves looks until ctx ends, and returns nil.
func (e *Eye) Run(ctx context.Context) error { return e.dec.Run(ctx) }

// PictureConfig is how one camera's picture is looked at, and how pictures of
// it leave.
type PictureConfig struct {
	Eye         *Eye          // nil: it is not looked at, nothing is said, and no snapshot taken
	Off         bool          // not looked at; snapshots can be taken
	Every       time.Duration // between two looks; 0 is 5 s
	Masks       []Rect        // not looked at; they hide nothing
	SnapshotURL string        // where the camera gives single JPEGs; "" is nowhere
	Memory      PictureMemory // of what was learned; nil keeps nothing
	Privacy     []Rect        // painted over in each snapshot
	Limits      SnapshotLimits
}

// Rect is a part of a picture, in thousandths of its width and height.
type Rect struct{ X, Y, W, H int }

// PictureMemory keeps what was learned of a camera over restarts.
type PictureMemory interface {
	Memory
	SetAside() error // what was loaded makes no sense
}

// Times of a look.
const (
	defaultLookEvery = 5 * time.Second
	soon             = 2 * time.Second  // after a look that saw something bad
	leastKeyWait     = 30 * time.Second // for a keyframe; more where they are rarer
	mostKeyWait      = 5 * time.Minute
	lookLimit        = 2 * mostKeyWait // of a whole look, with its turn at the decoder; then it hangs
	saveLearned      = time.Hour
	suspicionEvery   = time.Second
)

// looker looks at one camera's picture: it asks the tap for a keyframe, the
// decoder for a picture and the judge for verdicts. It belongs to its run
// goroutine.
type looker struct {
	w     *Watcher
	cfg   PictureConfig
	log   *slog.Logger
	judge *picture.Judge
	shy   shy // of the snapshot address; any goroutine
	pulse pulse.Pulse

	view     pictureView
	drop     rateDrop
	saved    time.Time
	saidLoss string // the newest reason that was logged
}

func newLooker(w *Watcher) *looker {
	cfg := w.cfg.Picture
	if cfg.Eye == nil {
		return nil
	}
	if cfg.Every <= 0 {
		cfg.Every = defaultLookEvery
	}
	cfg.Limits = cfg.Limits.filled()
	l := &looker{w: w, cfg: cfg, log: w.log, saved: time.Now(), pulse: pulse.New()}
	l.judge = l.newJudge()
	l.view.state.Reason = report.PictureNotYet
	if cfg.Off {
		l.view.state.Reason = report.PictureOff
	}
	w.board.cur.Picture = l.view.report()
	return l
}

func (l *looker) room() *room {
	if l == nil {
		return nil
	}
	return &l.cfg.Eye.keys
}

// run looks every Every until ctx ends. The first look comes at a random time,
// so that the cameras of a board take turns.
func (l *looker) run(ctx context.Context) {
	if l == nil || l.cfg.Off {
		return
	}
	l.load()
	defer l.save()
	pause := rand.N(l.cfg.Every)
	for l.wait(ctx, pause) {
		began := time.Now()
		l.pulse.While(lookLimit, func() { l.once(ctx) })
		pause = max(l.cfg.Every-time.Since(began), l.cfg.Every/10)
		if l.judge.Suspicious() {
			pause = min(pause, soon)
		}
		if time.Since(l.saved) > saveLearned {
			l.save()
		}
	}
}

// wait waits, or until a suspicion is new. It tells whether ctx goes on.
func (l *looker) wait(ctx context.Context, pause time.Duration) bool {
	end := time.NewTimer(pause)
	defer end.Stop()
	look := time.NewTicker(suspicionEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case beat := <-l.pulse:
			beat()
		case <-end.C:
			return true
		case <-look.C:
			if l.suspect() {
				return true
			}
		}
	}
}

// suspect watches the bit rate; it tells whether a suspicion is new.
func (l *looker) suspect() bool {
	s := l.playing()
	if s == nil {
		return false
	}
	began, changed := l.drop.add(s.meter.measure(time.Now()))
	if changed {
		l.view.inform(infoRateDrop, l.drop.present)
		l.say()
	}
	return began
}

// playing is the session that plays; nil is none.
func (l *looker) playing() *session {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.session
}

// say shows the state of the picture.
func (l *looker) say() {
	p := l.view.report()
	l.w.board.set(func(s *report.StreamState) { s.Picture = p })
}

// take passes verdicts on.
func (l *looker) take(verdicts []picture.Verdict) {
	for _, v := range verdicts {
		if v.Info {
			l.view.inform(v.Condition, v.Present)
			continue
		}
		l.view.verdict(l.w.cfg.Now(), v)
		l.log.Info("picture", "condition", v.Condition, "present", v.Present, "confidence", v.Confidence, "detail", v.Detail)
		l.w.board.found(Finding{Condition: v.Condition, Present: v.Present, Confidence: v.Confidence, Cause: CauseCamera, Detail: v.Detail})
	}
}

// blind says that the picture is not checked, and why.
func (l *looker) blind(reason, format string, args ...any) {
	l.view.state.Checked, l.view.state.Reason, l.view.state.Detail = false, reason, clip([]byte(fmt.Sprintf(format, args...)), 300)
	if l.saidLoss != reason {
		l.saidLoss = reason
		l.log.Warn("picture not checked", "reason", reason, "detail", l.view.state.Detail)
	}
	l.say()
}

// saw says that the picture is checked.
func (l *looker) saw() {
	now := l.w.cfg.Now().UTC()
	s := &l.view.state
	s.Checked, s.Reason, s.Detail, s.Looked = true, "", "", &now
	if l.saidLoss != "" {
		l.saidLoss = ""
		l.log.Info("picture checked again")
	}
	l.say()
}
