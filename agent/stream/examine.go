package stream

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"kentongan/agent/report"
)

// Examination is what one try at a camera met.
type Examination struct {
	State    string // StatePlaying when a picture came; else how far it got
	Class    string // of the failure; "" when there was none before the time was over
	Cause    string // whose it seems to be
	Detail   string
	Opened   bool // the camera agreed to play
	Keyframe bool // one came
	Codec    Codec
	Size     Size
	Host     string
	Addr     netip.Addr // invalid when the name was not resolved
	Path     Path       // to Addr
}

// keyframeLook is how often an examination looks whether a keyframe came.
const keyframeLook = 50 * time.Millisecond

// Examine plays a stream until its first keyframe, its first failure, or the end
// of ctx, as a Watcher would: it is one. The session may take two seconds more
// to end.
func Examine(ctx context.Context, cfg Config) (Examination, error) {
	cfg.Picture.Off, cfg.Picture.Eye = true, nil
	heard := &examined{news: make(chan struct{}, 1)}
	w, err := New(cfg, slog.New(slog.DiscardHandler), heard)
	if err != nil {
		return Examination{}, err
	}
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { _ = w.Run(run) }() // nil, always
	look := time.NewTicker(keyframeLook)
	defer look.Stop()
	opened := false
	for {
		over := false
		select {
		case <-ctx.Done():
			over = true
		case <-heard.news:
		case <-look.C:
		}
		st := w.Status()
		opened = opened || st.Measure.Codec != ""
		out := Examination{
			State: st.State.State, Class: st.State.Class, Detail: st.State.Detail, Host: w.home.host,
			Codec: st.Measure.Codec, Size: st.Measure.Size, Opened: opened, Keyframe: st.Measure.Short.Keyframes > 0,
		}
		if over || out.Class != "" || out.State == StatePlaying && out.Keyframe {
			out.Cause = heard.cause()
			out.Addr, out.Path = way(w.home.host)
			return out, nil
		}
	}
}

// way is what the kernel knows of a host. A name is looked up where that costs no
// time; a camera seldom has one.
func way(host string) (netip.Addr, Path) {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return netip.Addr{}, Path{}
		}
		addr = all[0].Unmap()
	}
	return addr, lookPath(addr)
}

// examined is the Output of an examination.
type examined struct {
	news chan struct{} // holds one

	mu  sync.Mutex // guards why
	why string
}

func (e *examined) cause() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.why
}

func (e *examined) tell() {
	select {
	case e.news <- struct{}{}:
	default:
	}
}

// StreamChanged implements Output.
func (e *examined) StreamChanged(report.StreamState) { e.tell() }

// StreamMeasured implements Output.
func (e *examined) StreamMeasured(report.StreamStats) {}

// StreamFound implements Output.
func (e *examined) StreamFound(_ string, f Finding) {
	if f.Condition == CondDown && f.Present {
		e.mu.Lock()
		e.why = f.Cause
		e.mu.Unlock()
		e.tell()
	}
}
