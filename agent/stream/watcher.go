// Package stream watches whether a camera's picture is alive: from the headers
// of its packets, and from one decoded keyframe every few seconds. Nothing else
// is decoded, and no picture is kept.
//
// A Watcher keeps one RTSP session with one camera. It says what the stream
// does (resolving, connecting, authenticating, negotiating, playing, silent,
// failed), why it fails (the classes of class.go), and measures frame rate,
// bit rate, loss, jitter, keyframes and the camera's clock over 10 s and 5
// min, in constant memory.
//
//	Watcher.Run ──► session (a client of its own) ──► line (mends what the camera says)
//	     │                  │ packets
//	   board ◄── watchdog ──┴──► meter (sequence, jitter, window, sizes, payload, camclock)
//	     │          └──► fault (whose is it: blame, site) ──► finder (rules, hysteresis)
//	     ├──► Output ◄────────────────────────────────────────────┘
//	     └─── looker ◄── decoder (shared: Eye) ◄── tap (one keyframe, when asked)
//
// # What is ours, and why
//
// gortsplib v4.16.2 speaks RTSP for us. Its timeout, loss, jitter, sender
// report times, transport switching, redirects and statistics are not used:
// they are wrong or race in ways that make a dead camera look alive (see the
// comments at sequence, jitter, camclock, line and session).
//
// # Concurrency
//
// A Watcher shares nothing with another: a camera that hangs or floods costs
// the others nothing but the processor. Callbacks of the library only count; a
// panic in them fails the one stream.
package stream

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
)

// Output takes what a Watcher finds. It is called by one goroutine at a time
// and must not block it.
type Output interface {
	// StreamChanged gets each change of state, fewer when the stream flaps.
	StreamChanged(report.StreamState)
	// StreamMeasured gets a measurement every StatsEvery while connected.
	StreamMeasured(report.StreamStats)
	// StreamFound gets each finding about the stream called name.
	StreamFound(name string, f Finding)
}

// Times of the watchdog.
const (
	lookEvery     = 250 * time.Millisecond
	udpPatience   = 3 * time.Second // for the first packet over UDP, before TCP is tried
	silentPercent = 90              // of SilentAfter: the rest is for noticing and reporting it
)

// maxHops is how many redirects in a row are followed.
const maxHops = 3

// Status is what is known of a stream now.
type Status struct {
	State   report.StreamState
	Step    string // how far the present try is, while State stays failed or silent
	Measure Measure
	Audio   string   // codec of the camera's sound; "" is none
	Quirks  []string // what the camera does in its own way; sorted
	NextTry time.Time
}

// Watcher watches one camera.
type Watcher struct {
	cfg   Config
	log   *slog.Logger
	out   Output
	board *board
	pulse pulse.Pulse
	born  time.Time // monotonic; the finder's clock begins here

	// Used by Run's goroutine only.
	home         target
	target       target // home, or where it redirected to
	hops         int
	transports   []gortsplib.Transport // in order of preference
	transport    int                   // index of the one in use
	switched     bool                  // since it last played
	retry        retry
	lastLog      string
	sameLog      int
	finder       *finder
	fault        fault
	ladder       *ladder
	refusedClimb bool           // it was logged
	helpers      sync.WaitGroup // of probes and of the look at the picture; Run waits for them
	eye          *looker        // nil where nobody looks at the picture

	mu      sync.Mutex // guards what follows, for Status
	session *session   // the present one that plays
	last    Measure    // of the newest session that ended
	audio   string
	quirks  []string
	nextTry time.Time
}

// New checks the configuration. It starts nothing.
func New(cfg Config, log *slog.Logger, out Output) (*Watcher, error) {
	t, err := cfg.check()
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", cfg.Name, err)
	}
	tcp, udp, multicast := gortsplib.TransportTCP, gortsplib.TransportUDP, gortsplib.TransportUDPMulticast
	w := &Watcher{
		cfg: cfg, out: out, home: t, target: t,
		log:   log.With("part", "stream", "stream", cfg.Name),
		board: newBoard(cfg.Name, Redact(cfg.URL), out, cfg.Now),
		retry: retry{rand: rand.Float64}, born: time.Now(), pulse: pulse.New(),
	}
	w.board.cur.Sub, w.board.cur.Shared = cfg.Sub, cfg.Shared
	w.eye = newLooker(w)
	w.finder = newFinder(cfg.Expect, w.board.found)
	if cfg.Recovery.Device == "" {
		cfg.Recovery.Device = t.host
	}
	if w.ladder, err = newLadder(cfg.Name, cfg.Recovery, cfg.Site); err != nil {
		w.log.Warn("recovery not remembered", "err", err)
	}
	cfg.Site.add(cfg.Name, t.host, cfg.Group)
	switch {
	case cfg.Transport == TransportTCP || t.tls != nil: // SRTP is not ours yet
		w.transports = []gortsplib.Transport{tcp}
	case cfg.Transport == TransportUDP:
		w.transports = []gortsplib.Transport{udp, tcp}
	case cfg.Transport == TransportMulticast:
		w.transports = []gortsplib.Transport{multicast, tcp}
	default:
		w.transports = []gortsplib.Transport{tcp, udp}
	}
	return w, nil
}

// Status may be called from any goroutine.
func (w *Watcher) Status() Status {
	var st Status
	st.State, st.Step = w.board.read()
	w.mu.Lock()
	defer w.mu.Unlock()
	st.Measure, st.Audio, st.Quirks, st.NextTry = w.last, w.audio, slices.Clone(w.quirks), w.nextTry
	if w.session != nil {
		st.Measure = w.session.meter.measure(time.Now())
		st.Quirks = w.session.quirkNames()
	}
	return st
}

// endLimit is for a session that was told to end; it is the loop that hangs
// after it.
const endLimit = time.Minute

// Pulses ask the loops of the stream and of its picture whether they live. A
// camera that is dead, slow or silent does not keep them from answering.
func (w *Watcher) Pulses() []pulse.Named {
	all := []pulse.Named{{Name: "stream " + w.cfg.Name, Pulse: w.pulse}}
	if w.eye != nil && !w.eye.cfg.Off {
		all = append(all, pulse.Named{Name: "picture " + w.cfg.Name, Pulse: w.eye.pulse})
	}
	return all
}

// Run keeps a session with the camera until ctx ends. When it returns, its
// connections are closed. It returns nil.
func (w *Watcher) Run(ctx context.Context) error {
	defer func() { w.helpers.Wait(); w.ladder.collect() }()
	w.helpers.Go(func() { w.eye.run(ctx) })
	for ctx.Err() == nil {
		s, err := w.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		pause := w.ended(s, err)
		w.climb(ctx)
		w.pause(ctx, pause)
	}
	return nil
}

// once is one session, from the dial to its end.
func (w *Watcher) once(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := newSession(w.target, w.transports[w.transport], w.cfg.Dial, w.cfg.Now)
	s.room = w.eye.room()
	return s, w.run(ctx, s)
}

func (w *Watcher) run(ctx context.Context, s *session) error {
	defer func() { s.tap.end() }()
	var wg sync.WaitGroup
	defer w.pulse.While(endLimit, func() {
		s.close()
		wg.Wait()
	})
	defer w.keep(s)
	opened := make(chan error, 1)
	wg.Go(func() { opened <- s.open(ctx) })
	for {
		select {
		case beat := <-w.pulse:
			beat()
		case step := <-s.steps:
			w.board.trying(step)
		case err := <-opened:
			w.catchUp(s)
			if err != nil {
				return err
			}
			w.use(s)
			over := make(chan error, 1)
			wg.Go(func() { over <- s.client.Wait() })
			return w.watch(ctx, s, over)
		}
	}
}

// catchUp tells the steps that an ended try left. They were sent before its
// end, but select takes either when both are there.
func (w *Watcher) catchUp(s *session) {
	for {
		select {
		case step := <-s.steps:
			w.board.trying(step)
		default:
			return
		}
	}
}

// use shows a session that plays to Status.
func (w *Watcher) use(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.session, w.audio, w.nextTry = s, s.found.audio, time.Time{}
}

// keep saves what Status wants to know of a session that ends.
func (w *Watcher) keep(s *session) {
	quirks := s.quirkNames()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.session != nil {
		w.last = w.session.meter.measure(time.Now())
	}
	w.session = nil
	if len(quirks) > 0 {
		w.quirks = quirks
	}
}

// watch is the watchdog over a session that was told to play. over gets the
// client's end.
func (w *Watcher) watch(ctx context.Context, s *session, over <-chan error) error {
	every := min(lookEvery, w.cfg.SilentAfter/20)
	look := time.NewTicker(every)
	defer look.Stop()
	stats := time.NewTicker(w.cfg.StatsEvery)
	defer stats.Stop()
	began := time.Now()
	looked, assessed := began, began
	for {
		select {
		case <-ctx.Done():
			return nil
		case beat := <-w.pulse:
			beat()
		case err := <-over:
			select {
			case fault := <-s.faults: // why, and it was there first
				return fault
			default:
			}
			return fmt.Errorf("session ended: %w", err)
		case err := <-s.faults:
			return err
		case <-stats.C:
			w.board.measured(s.meter.measure(time.Now()).stats(w.cfg.Name))
		case <-look.C:
			now := time.Now()
			w.cfg.Site.ticked(now, now.Sub(looked), every)
			looked = now
			if err := w.look(ctx, s, began); err != nil {
				return err
			}
			if now.Sub(assessed) >= assessEvery {
				assessed = now
				w.assess(s, now)
			}
			w.board.flush()
		}
	}
}

// look compares the age of the newest picture with what is allowed.
//
// Silent is told at silentPercent of SilentAfter. The session is ended at one
// and a half times that: a short silence heals by itself, and a new session
// would cost more pictures.
func (w *Watcher) look(ctx context.Context, s *session, began time.Time) error {
	now := time.Now()
	frames, packets, age := s.meter.age(now)
	if frames == 0 {
		age = time.Since(began)
	}
	limit := w.cfg.SilentAfter * silentPercent / 100
	trickles := s.meter.trickles(now, trickleTime)
	switch {
	case age <= limit/2:
		w.trusts(s)
	case !trickles:
		w.suspect(ctx, s)
	}
	switch {
	case packets == 0 && s.transport != gortsplib.TransportTCP && age > min(udpPatience, limit):
		return fmt.Errorf("%w: no packet over %s within %v", errTransport, strings.ToUpper(protoName(s)), udpPatience)
	case age > limit*3/2:
		w.silent(s, age, trickles)
		if s.transport != gortsplib.TransportTCP { // a network that lets UDP through no more
			return fmt.Errorf("%w: %w for %v", errTransport, errSilent, age.Round(100*time.Millisecond))
		}
		return fmt.Errorf("%w for %v", errSilent, age.Round(100*time.Millisecond))
	case age > limit:
		w.silent(s, age, trickles)
	case frames > 0:
		w.playing(s)
		if time.Since(began) > goodVideo {
			w.retry.good()
		}
	}
	return nil
}

func (w *Watcher) playing(s *session) {
	size := s.meter.pictureSize()
	proto := protoName(s)
	st, _ := w.board.read()
	w.retry.refusals = 0 // it let us in
	if st.State == StatePlaying && st.Width == size.Width && st.Height == size.Height && st.Proto == proto && st.Codec == string(s.found.codec) {
		return
	}
	if st.State != StatePlaying {
		w.log.Info("stream plays", "codec", s.found.codec, "width", size.Width, "height", size.Height, "transport", proto, "failures", st.Attempts)
	}
	w.lastLog, w.sameLog, w.switched, w.hops = "", 0, false, 0
	w.board.set(func(st *report.StreamState) {
		st.State, st.Class, st.Detail, st.Attempts = StatePlaying, "", "", 0
		st.Codec, st.Width, st.Height, st.Proto = string(s.found.codec), size.Width, size.Height, proto
		st.Audio, st.Quirks = s.found.audio, strings.Join(s.quirkNames(), "; ")
	})
	w.well()
}

func (w *Watcher) silent(s *session, age time.Duration, trickles bool) {
	st, _ := w.board.read()
	if st.State == StateSilent {
		w.fault.trickle = trickles
		w.retell()
		return
	}
	w.log.Warn("stream silent", "age", age, "transport", protoName(s))
	w.board.set(func(st *report.StreamState) {
		st.State, st.Class = StateSilent, ClassNoMedia
		st.Detail = fmt.Sprintf("connected, but no picture came for %v", age.Round(100*time.Millisecond))
		st.Codec, st.Proto = string(s.found.codec), protoName(s)
	})
	step, addr := s.reached()
	w.blame(evidence{class: ClassNoMedia, step: step, addr: addr.Addr(), path: w.cfg.Site.look(addr.Addr()), trickle: trickles})
}

func protoName(s *session) string {
	switch {
	case s.target.tls != nil:
		return "tls"
	case s.transport == gortsplib.TransportUDP:
		return "udp"
	case s.transport == gortsplib.TransportUDPMulticast:
		return "multicast"
	}
	return "tcp"
}
