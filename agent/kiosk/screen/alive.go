package screen

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	askEvery = 30 * time.Second
	askLimit = 10 * time.Second
)

// alive is whether the page is answered, as asking for it over the wire showed
// last: through the listener, the server and the kiosk behind it.
type alive struct {
	every, limit time.Duration // of asking

	mu    sync.Mutex // guards what follows
	asked time.Time  // zero while the page is not served
	err   error
}

func (a *alive) note(asked time.Time, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked, a.err = asked, err
}

// Answers returns why the page is not answered, for the board's watchdog. An
// address that can't be had is no such reason: a reset does not mend it.
func (s *Screen) Answers() error {
	s.alive.mu.Lock()
	defer s.alive.mu.Unlock()
	if since := time.Since(s.alive.asked); !s.alive.asked.IsZero() && since > 2*(s.alive.every+s.alive.limit) {
		return fmt.Errorf("not asked for %v", since.Round(time.Second))
	}
	return s.alive.err
}

// watch asks for the page while it is served, until the function that it returns is
// called.
func (s *Screen) watch(ctx context.Context, at net.Addr) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	s.alive.note(time.Now(), nil)
	var asking sync.WaitGroup
	asking.Go(func() {
		tick := time.NewTicker(s.alive.every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				err := s.hear(ctx, "http://"+reached(at)+"/events")
				s.alive.note(time.Now(), err)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		asking.Wait()
		s.alive.note(time.Time{}, nil)
	}
}

// reached is where a listener is reached from this machine: one on every address
// on the loopback.
func reached(at net.Addr) string {
	a, ok := at.(*net.TCPAddr)
	if !ok || !a.IP.IsUnspecified() {
		return at.String()
	}
	return net.JoinHostPort("localhost", fmt.Sprint(a.Port))
}

// hear reads the first thing that a page would hear. That too many listen is an
// answer as well.
func (s *Screen) hear(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, s.alive.limit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it is this machine
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("ask for the page: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusServiceUnavailable {
		return nil
	}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data:") {
			return nil
		}
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("ask for the page: %w", err)
	}
	return errors.New("ask for the page: it says nothing")
}
