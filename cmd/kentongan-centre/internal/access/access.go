// Package access knows who may come in: accounts with a role and an agency,
// passwords and passkeys, sessions, and the log of who saw and did what.
//
// Nothing that lets somebody in is stored as it is: passwords as argon2id,
// tokens of sessions and links as their SHA-256. There is no password to begin
// with; the first account comes in by a link that the command line prints, for
// who may read the centre's data directory has the centre anyway.
//
// All methods may be called from any goroutine.
package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Role is what an account may do; each may what those before it may.
type Role string

// The roles. Nobody is who has not logged in.
const (
	Nobody   Role = ""
	Viewer   Role = "viewer"   // sees
	Operator Role = "operator" // acknowledges, shelves, orders pictures, answers complaints
	Approver Role = "approver" // orders what changes a device: restarts, configuration, updates
	Admin    Role = "admin"    // people, agencies, routing, the access log; of the province
)

// Roles lists those that an account can have, the least first.
func Roles() []Role { return []Role{Viewer, Operator, Approver, Admin} }

var rank = map[Role]int{Nobody: 0, Viewer: 1, Operator: 2, Approver: 3, Admin: 4}

// May tells whether r may do what needs a role.
func (r Role) May(need Role) bool {
	have, known := rank[r]
	return known && have >= rank[need]
}

// Tables is a connection to the store's database, or a transaction.
type Tables = sqlrows.Tables

// Edit is a connection that writes.
type Edit interface {
	Tables
	// Within runs do in a transaction, once more where another one was in its way.
	// The connection may be the only one: do uses tx alone.
	Within(ctx context.Context, do func(tx Tables) error) error
}

// Config is what the room works with.
type Config struct {
	Read Tables // the store's
	Edit Edit
	Idle time.Duration // after which a session that nobody uses ends; 0 = DefaultIdle
	Life time.Duration // after which a session ends in any case; 0 = DefaultLife
	Cost Cost          // of new passwords; zero = DefaultCost
	Now  func() time.Time
	Log  *slog.Logger
}

// Room is who may come in. See New.
type Room struct {
	cfg       Config
	byAddr    *Limiter
	byName    *Limiter
	hashing   chan struct{} // a slot for each password that may be worked on at a time
	decoy     string        // what the password of a name that nobody has is held against
	ceremony  *ceremonies
	journalMu sync.Mutex // one writer at a time of the access log; guards looked
	looked    map[[sha256.Size]byte]time.Time
}

// New checks nothing yet: the tables are the store's.
func New(cfg Config) (*Room, error) {
	if cfg.Idle == 0 {
		cfg.Idle = DefaultIdle
	}
	if cfg.Life == 0 {
		cfg.Life = DefaultLife
	}
	if cfg.Cost == (Cost{}) {
		cfg.Cost = DefaultCost
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	decoy, err := cfg.Cost.hash(newSecret())
	if err != nil {
		return nil, err
	}
	return &Room{
		cfg: cfg, decoy: decoy, hashing: make(chan struct{}, maxHashing), ceremony: newCeremonies(),
		byAddr: NewLimiter(20, 10*time.Second), byName: NewLimiter(5, 30*time.Second), looked: map[[sha256.Size]byte]time.Time{},
	}, nil
}

// Errors that people are told of.
var (
	ErrLogin     = errors.New("name, password or passkey is not right")
	ErrSlow      = errors.New("too many attempts")
	ErrNoOne     = errors.New("no such account")
	ErrTaken     = errors.New("the name is taken")
	ErrLastOne   = errors.New("the last admin who is not disabled has to stay one")
	ErrExpired   = errors.New("the link was used, or has expired")
	ErrNoSession = errors.New("no such session")
)

// change runs one statement and tells how many rows it changed.
func (r *Room) change(ctx context.Context, what, statement string, args ...any) (int64, error) {
	return changeIn(ctx, r.cfg.Edit, what, statement, args...)
}

func changeIn(ctx context.Context, tx Tables, what, statement string, args ...any) (int64, error) {
	res, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return n, nil
}

func when(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
