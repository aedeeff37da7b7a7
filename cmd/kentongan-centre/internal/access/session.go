package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Kinds of sessions.
const (
	Browser = "browser" // a person at a browser
	Wall    = "wall"    // a screen in the command centre: it sees the wall page and nothing else
	Token   = "token"   // a program, with Authorization: Bearer
	link    = "link"    // a way in that works once
)

const (
	// DefaultIdle and DefaultLife hold for browsers: a shift and its hand-over.
	// NIST SP 800-63B-4, section 2.2.3, asks for a new log-in after at most 24 h;
	// its one idle hour is for a desk that is left alone, and a watch desk is not.
	// A page that refreshes itself is no use.
	DefaultIdle = 2 * time.Hour
	DefaultLife = 12 * time.Hour
	// WallLife is how long a screen stays on: it can do nothing.
	WallLife = 90 * 24 * time.Hour
	// LinkLife is how long a link waits for its first use.
	LinkLife = 24 * time.Hour
	// MaxTokenLife is the longest life of a program's token.
	MaxTokenLife = 366 * 24 * time.Hour
	// touchEvery is how stale seen_at may get, so that looking writes little.
	touchEvery = time.Minute
)

// Session is somebody who has come in.
type Session struct {
	Account Account
	Hash    string // of the token; names the session, and lets nobody in
	Kind    string
	Label   string // browser or program
	Addr    string
	Created time.Time
	Seen    time.Time
	Ends    time.Time

	secret string // for CSRF; only of the session that a request came with
}

// May tells whether the session may do what needs a role. A wall is no more than
// a viewer, whoever put it up.
func (s *Session) May(need Role) bool {
	if s == nil {
		return need == Nobody
	}
	if s.Kind == Wall {
		return Viewer.May(need)
	}
	return s.Account.Role.May(need)
}

// CSRF is what a form of this session carries.
func (s *Session) CSRF() string {
	if s == nil || s.secret == "" {
		return ""
	}
	m := hmac.New(sha256.New, []byte(s.secret))
	m.Write([]byte("kentongan form"))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// FormOf tells whether a form came from a page of this session.
func (s *Session) FormOf(token string) bool {
	return s.CSRF() != "" && hmac.Equal([]byte(s.CSRF()), []byte(token))
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// From is where somebody comes from.
type From struct {
	Addr  string // IP address
	Label string // what the browser says of itself
}

// open makes a session; its token is told once.
func (r *Room) open(ctx context.Context, account, kind string, life time.Duration, from From) (token string, err error) {
	token = newSecret()
	now := r.cfg.Now()
	_, err = r.change(ctx, "open session", `INSERT INTO access_session (hash, account, kind, label, addr, created_at, seen_at, ends_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		hashOf(token), account, kind, report.Clip(from.Label, 120), report.Clip(from.Addr, 64), now.UnixMilli(), now.UnixMilli(), now.Add(life).UnixMilli())
	if err != nil {
		return "", err
	}
	if kind == Browser {
		_, err = r.change(ctx, "note log-in", `UPDATE account SET seen_at = ? WHERE id = ?`, now.UnixMilli(), account)
	}
	return token, err
}

// Login lets in who knows a password.
func (r *Room) Login(ctx context.Context, name, password string, from From) (token string, a Account, err error) {
	if a, err = r.Confirm(ctx, name, password, from); err != nil {
		return "", a, err
	}
	token, err = r.open(ctx, a.ID, Browser, r.cfg.Life, from)
	return token, a, err
}

// Confirm tells whether somebody knows the password of a name, and lets nobody in.
func (r *Room) Confirm(ctx context.Context, name, password string, from From) (Account, error) {
	now := r.cfg.Now()
	name = report.Clip(name, maxName+1) // a longer one is nobody's, and would only take memory
	if !r.byAddr.Take(Place(from.Addr), now) || !r.byName.Take(name, now) {
		return Account{}, ErrSlow
	}
	a, err := r.account(ctx, "name", name)
	unknown := errors.Is(err, ErrNoOne) || err == nil && (a.Disabled || a.password == "")
	if err != nil && !unknown {
		return a, err
	}
	phc := a.password
	if unknown {
		phc = r.decoy // as long as for a name that there is
	}
	release, err := r.slot(ctx)
	if err != nil {
		return a, err
	}
	good, err := verify(phc, password)
	release()
	if err != nil {
		return a, fmt.Errorf("check password of %s: %w", name, err)
	}
	if !good || unknown {
		return a, ErrLogin
	}
	r.byName.forget(name)
	if c, _, _, err := parseHash(a.password); err == nil && c != r.cfg.Cost {
		r.rehash(ctx, a, password)
	}
	return a, nil
}

// rehash brings a password to the cost of today. When it fails, the old one
// holds on.
func (r *Room) rehash(ctx context.Context, a Account, password string) {
	phc, err := r.cfg.Cost.hash(password)
	if err == nil {
		_, err = r.change(ctx, "hash password anew", `UPDATE account SET password = ? WHERE id = ? AND password = ?`, phc, a.ID, a.password)
	}
	if err != nil {
		r.cfg.Log.Warn("password not hashed anew", "name", a.Name, "err", err)
	}
}

// Link makes a way in that works once, for a new account or one that lost its
// password. Links that were made before end.
func (r *Room) Link(ctx context.Context, account string) (token string, err error) {
	if _, err := r.change(ctx, "end links", `DELETE FROM access_session WHERE account = ? AND kind = 'link'`, account); err != nil {
		return "", err
	}
	return r.open(ctx, account, link, LinkLife, From{})
}

// Peek tells whose link it is, without using it up.
func (r *Room) Peek(ctx context.Context, token string, from From) (Account, error) {
	if !r.byAddr.Take(Place(from.Addr), r.cfg.Now()) {
		return Account{}, ErrSlow
	}
	s, err := r.session(ctx, token)
	if err == nil && s.Kind != link {
		err = ErrNoSession
	}
	if errors.Is(err, ErrNoSession) {
		err = ErrExpired
	}
	return s.Account, err
}

// Follow lets in by a link, and uses it up.
func (r *Room) Follow(ctx context.Context, token string, from From) (session string, a Account, err error) {
	if a, err = r.Peek(ctx, token, from); err != nil {
		return "", a, err
	}
	n, err := r.change(ctx, "use link", `DELETE FROM access_session WHERE hash = ? AND kind = 'link'`, hashOf(token))
	if err != nil {
		return "", a, err
	}
	if n == 0 { // somebody was faster
		return "", a, ErrExpired
	}
	session, err = r.open(ctx, a.ID, Browser, r.cfg.Life, from)
	return session, a, err
}

// NewToken lets a program in.
func (r *Room) NewToken(ctx context.Context, account, label string, life time.Duration) (string, error) {
	if life <= 0 || life > MaxTokenLife {
		return "", fmt.Errorf("a token lives up to %d days", int(MaxTokenLife.Hours()/24))
	}
	return r.open(ctx, account, Token, life, From{Label: label})
}

// NewWall makes a session for a screen, with the eyes of the account that puts
// it up.
func (r *Room) NewWall(ctx context.Context, account string, from From) (string, error) {
	return r.open(ctx, account, Wall, WallLife, from)
}

// Session finds who came with a token. used says that a person did something, and
// not a page by itself.
func (r *Room) Session(ctx context.Context, token string, used bool) (*Session, error) {
	s, err := r.session(ctx, token)
	if err != nil {
		return nil, err
	}
	now := r.cfg.Now()
	if s.Kind == link || s.Kind == Browser && now.Sub(s.Seen) > r.cfg.Idle {
		return nil, ErrNoSession
	}
	if (used || s.Kind != Browser) && now.Sub(s.Seen) >= touchEvery {
		if _, err := r.change(ctx, "note session", `UPDATE access_session SET seen_at = ? WHERE hash = ?`, now.UnixMilli(), s.Hash); err != nil {
			return nil, err
		}
	}
	return &s, nil
}

// session reads a session that has not ended and whose account may come in.
func (r *Room) session(ctx context.Context, token string) (Session, error) {
	var s Session
	if len(token) < 40 || len(token) > 64 {
		return s, ErrNoSession
	}
	s.Hash, s.secret = hashOf(token), token
	var created, seen, ends int64
	a, err := scanAccount(r.cfg.Read.QueryRowContext(ctx, `SELECT `+accountColumns+`, s.kind, s.label, s.addr, s.created_at, s.seen_at, s.ends_at
		FROM access_session s JOIN account p ON p.id = s.account WHERE s.hash = ? AND p.disabled = 0 AND s.ends_at > ?`, s.Hash, r.cfg.Now().UnixMilli()).Scan,
		&s.Kind, &s.Label, &s.Addr, &created, &seen, &ends)
	if errors.Is(err, sql.ErrNoRows) {
		return s, ErrNoSession
	}
	if err != nil {
		return s, fmt.Errorf("read session: %w", err)
	}
	s.Account, s.Created, s.Seen, s.Ends = a, when(created), when(seen), when(ends)
	return s, nil
}

// Sessions lists the sessions of an account that have not ended.
func (r *Room) Sessions(ctx context.Context, account string) ([]Session, error) {
	now := r.cfg.Now()
	return sqlrows.Collect(ctx, r.cfg.Read, "sessions", func(rows *sql.Rows) (s Session, err error) {
		var created, seen, ends int64
		err = rows.Scan(&s.Hash, &s.Kind, &s.Label, &s.Addr, &created, &seen, &ends)
		s.Created, s.Seen, s.Ends = when(created), when(seen), when(ends)
		return s, err
	}, `SELECT hash, kind, label, addr, created_at, seen_at, ends_at FROM access_session
		WHERE account = ? AND kind <> 'link' AND ends_at > ? AND (kind <> 'browser' OR seen_at > ?) ORDER BY seen_at DESC`,
		account, now.UnixMilli(), now.Add(-r.cfg.Idle).UnixMilli())
}

// End ends one session of an account.
func (r *Room) End(ctx context.Context, account, hash string) error {
	n, err := r.change(ctx, "end session", `DELETE FROM access_session WHERE account = ? AND hash = ?`, account, hash)
	if err == nil && n == 0 {
		err = ErrNoSession
	}
	return err
}

// EndAll ends all sessions, tokens and links of an account.
func (r *Room) EndAll(ctx context.Context, account string) error {
	return endAllIn(ctx, r.cfg.Edit, account)
}

func endAllIn(ctx context.Context, tx Tables, account string) error {
	_, err := changeIn(ctx, tx, "end sessions", `DELETE FROM access_session WHERE account = ?`, account)
	return err
}

// Sweep takes away what has ended, and what was made for an account while it was
// being erased.
func (r *Room) Sweep(ctx context.Context) error {
	now := r.cfg.Now()
	_, err := r.change(ctx, "sweep sessions", `DELETE FROM access_session WHERE ends_at <= ? OR kind = 'browser' AND seen_at <= ?`, now.UnixMilli(), now.Add(-r.cfg.Idle).UnixMilli())
	if err != nil {
		return err
	}
	for _, table := range []string{"access_session", "passkey"} {
		if _, err := r.change(ctx, "sweep what nobody has", `DELETE FROM `+table+` WHERE NOT EXISTS (SELECT 1 FROM account p WHERE p.id = `+table+`.account)`); err != nil {
			return err
		}
	}
	return nil
}
