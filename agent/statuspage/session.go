package statuspage

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"kentongan/agent/report"
)

const (
	sessionFor  = 2 * time.Hour // of a technician's visit
	maxSessions = 4             // the oldest gives way
	cookieName  = "__Host-kentongan"
)

// session is somebody who is in. Times are uptime in one boot.
type session struct {
	Hash  string        `json:"hash"` // of the cookie, hex
	Boot  string        `json:"boot"`
	Until time.Duration `json:"until"`
}

// sessions are who is in. They are kept, for a configuration that is applied starts
// the agent anew, and who applied it stands on a ladder.
type sessions struct {
	disk Disk
	file string
	now  func() report.Stamp

	mu  sync.Mutex // guards what follows: requests come side by side
	all []session
}

func openSessions(d Disk, file string, now func() report.Stamp) (*sessions, error) {
	s := &sessions{disk: d, file: file, now: now}
	text, err := d.Load(file, maxFile)
	if err == nil && text != nil {
		err = json.Unmarshal(text, &s.all)
	}
	if err != nil {
		s.all = nil // who was in enters again
		return s, fmt.Errorf("read sessions: %w", err)
	}
	s.sweepLocked()
	return s, nil
}

// sweepLocked forgets those that are over.
func (s *sessions) sweepLocked() {
	now := s.now()
	s.all = slices.DeleteFunc(s.all, func(x session) bool { return x.Boot != now.Boot || now.Uptime >= x.Until })
}

func (s *sessions) saveLocked() error {
	text, err := json.Marshal(s.all)
	if err != nil {
		return err
	}
	return s.disk.Save(s.file, text)
}

func hashOf(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return hex.EncodeToString(sum[:])
}

// begin makes a session.
func (s *sessions) begin() (*http.Cookie, error) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	value := hex.EncodeToString(raw[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweepLocked()
	now := s.now()
	if len(s.all) >= maxSessions {
		s.all = s.all[1:]
	}
	s.all = append(s.all, session{hashOf(value), now.Boot, now.Uptime + sessionFor})
	if err := s.saveLocked(); err != nil {
		return nil, fmt.Errorf("keep session: %w", err)
	}
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: int(sessionFor / time.Second), Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}, nil
}

// has tells whether a request comes from who is in.
func (s *sessions) has(r *http.Request) bool {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweepLocked()
	hash := hashOf(c.Value) // comparing hashes tells nothing of the cookie by its time
	return slices.ContainsFunc(s.all, func(x session) bool { return x.Hash == hash })
}

// end ends the session of a request.
func (s *sessions) end(r *http.Request) error {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	hash := hashOf(c.Value)
	s.all = slices.DeleteFunc(s.all, func(x session) bool { return x.Hash == hash })
	return s.saveLocked()
}

// sweep forgets those that are over.
func (s *sessions) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweepLocked()
}
