package access

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Account is a person, or a program.
type Account struct {
	ID       string // random
	Name     string // what one logs in with
	FullName string
	Role     Role
	Agency   string // "" = the province
	Disabled bool
	Created  time.Time
	Seen     *time.Time // last log-in

	HasPassword bool
	Passkeys    int
	Sessions    int

	password string
}

// Shown is the name that stands beside what the account did.
func (a Account) Shown() string {
	if a.FullName != "" {
		return a.FullName
	}
	return a.Name
}

// shortID is how much of an account's id is shown: 48 bits.
const shortID = 8

var accountID = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`) // 128 bits and a little, see Add

// IsID tells whether id can be an account's.
func IsID(id string) bool { return accountID.MatchString(id) }

// Mark is # and the beginning of an account's id, for people; "" for none. It takes the
// place of the names of an account that was erased.
func Mark(id string) string {
	if id == "" {
		return ""
	}
	return "#" + id[:min(len(id), shortID)]
}

const (
	maxName     = 40 // bytes of what one logs in with
	maxFullName = 80 // bytes, as orders.MaxWho: it stands in orders
)

var accountName = regexp.MustCompile(fmt.Sprintf(`^[a-z0-9][a-z0-9._-]{1,%d}$`, maxName-1))

// Why an account is not made or changed.
var (
	ErrName     = fmt.Errorf("a name to log in with has 2 to %d of a-z, 0-9, dot, hyphen and underscore", maxName)
	ErrFullName = fmt.Errorf("a person's name has at most %d bytes and no control characters", maxFullName)
	ErrRole     = errors.New("the role is viewer, operator, approver or admin; an admin is of the province and of no agency")
)

func (a Account) check() error {
	switch {
	case !accountName.MatchString(a.Name):
		return ErrName
	case len(a.FullName) > maxFullName || !utf8.ValidString(a.FullName) || strings.ContainsFunc(a.FullName, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return ErrFullName
	case !slices.Contains(Roles(), a.Role), a.Role == Admin && a.Agency != "":
		return ErrRole
	}
	return nil
}

// newSecret is 256 random bits.
func newSecret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails; the program ends if the system has no randomness
	return base64.RawURLEncoding.EncodeToString(b)
}

// Add makes an account that nobody can log in to yet: Link gives the way in.
func (r *Room) Add(ctx context.Context, a Account) (Account, error) {
	if err := a.check(); err != nil {
		return a, err
	}
	if err := r.agencyExists(ctx, a.Agency); err != nil {
		return a, err
	}
	a.ID, a.Created = newSecret()[:22], r.cfg.Now()
	n, err := r.change(ctx, "add account "+a.Name, `INSERT INTO account (id, name, full_name, role, agency, password, disabled, created_at, seen_at) VALUES (?, ?, ?, ?, ?, '', 0, ?, 0)
		ON CONFLICT (name) DO NOTHING`, a.ID, a.Name, a.FullName, string(a.Role), a.Agency, a.Created.UnixMilli())
	if err == nil && n == 0 {
		err = ErrTaken
	}
	return a, err
}

// ErrNoAgency is an agency that is not in its table.
var ErrNoAgency = errors.New("no such agency")

func (r *Room) agencyExists(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	var one int
	err := r.cfg.Read.QueryRowContext(ctx, `SELECT 1 FROM agency WHERE id = ?`, id).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNoAgency
	}
	if err != nil {
		return fmt.Errorf("read agency: %w", err)
	}
	return nil
}

// Change writes an account's full name, role, agency and whether it is disabled;
// the sessions of one that lost something end.
func (r *Room) Change(ctx context.Context, a Account) error {
	old, err := r.account(ctx, "id", a.ID)
	if err != nil {
		return err
	}
	a.Name = old.Name
	if err := a.check(); err != nil {
		return err
	}
	if err := r.agencyExists(ctx, a.Agency); err != nil {
		return err
	}
	return r.cfg.Edit.Within(ctx, func(tx Tables) error {
		if err := holdAdmins(ctx, tx, a.ID); err != nil {
			return err
		}
		n, err := changeIn(ctx, tx, "change account "+a.Name, `UPDATE account SET full_name = ?, role = ?, agency = ?, disabled = ? WHERE id = ?
			AND (? = 1 OR role <> 'admin' OR disabled = 1 OR EXISTS (SELECT 1 FROM account o WHERE o.id <> account.id AND o.role = 'admin' AND o.disabled = 0))`,
			a.FullName, string(a.Role), a.Agency, bit(a.Disabled), a.ID, bit(a.Role == Admin && !a.Disabled))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrLastOne
		}
		if a.Role != old.Role || a.Agency != old.Agency || a.Disabled {
			return endAllIn(ctx, tx, a.ID)
		}
		return nil
	})
}

// holdAdmins holds all admins until the transaction is over, and tells whether the
// account is there. Of two who take each other away, as from the page and from the
// command line, the second waits here, and what it asks afterwards shows what the
// first did: in PostgreSQL a single statement that waits would not.
func holdAdmins(ctx context.Context, tx Tables, id string) error {
	if _, err := changeIn(ctx, tx, "hold admins", `UPDATE account SET role = role WHERE role = 'admin'`); err != nil {
		return err
	}
	var there int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM account WHERE id = ?`, id).Scan(&there); err != nil {
		return fmt.Errorf("read account: %w", err)
	}
	if there == 0 {
		return ErrNoOne
	}
	return nil
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

const accountColumns = `p.id, p.name, p.full_name, p.role, p.agency, p.password, p.disabled, p.created_at, p.seen_at`

func scanAccount(scan func(...any) error, more ...any) (Account, error) {
	var a Account
	var created, seen int64
	err := scan(append([]any{&a.ID, &a.Name, &a.FullName, &a.Role, &a.Agency, &a.password, &a.Disabled, &created, &seen}, more...)...)
	a.Created, a.HasPassword = when(created), a.password != ""
	if seen != 0 {
		t := when(seen)
		a.Seen = &t
	}
	return a, err
}

// account reads one by its id or name.
func (r *Room) account(ctx context.Context, by, value string) (Account, error) {
	a, err := scanAccount(r.cfg.Read.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM account p WHERE p.`+by+` = ?`, value).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return a, ErrNoOne
	}
	if err != nil {
		return a, fmt.Errorf("read account: %w", err)
	}
	return a, nil
}

// Named is the account of that name.
func (r *Room) Named(ctx context.Context, name string) (Account, error) {
	return r.account(ctx, "name", name)
}

// OfID is the account with that id.
func (r *Room) OfID(ctx context.Context, id string) (Account, error) {
	return r.account(ctx, "id", id)
}

// Accounts lists all, by name.
func (r *Room) Accounts(ctx context.Context) ([]Account, error) {
	return sqlrows.Collect(ctx, r.cfg.Read, "accounts", func(rows *sql.Rows) (Account, error) {
		var keys, sessions int
		a, err := scanAccount(rows.Scan, &keys, &sessions)
		a.Passkeys, a.Sessions = keys, sessions
		return a, err
	}, `SELECT `+accountColumns+`, (SELECT count(*) FROM passkey k WHERE k.account = p.id),
			(SELECT count(*) FROM access_session s WHERE s.account = p.id AND s.kind <> 'link' AND s.ends_at > ?)
		FROM account p ORDER BY p.name`, r.cfg.Now().UnixMilli())
}

// Anybody tells whether there is an account at all.
func (r *Room) Anybody(ctx context.Context) (bool, error) {
	var n int
	if err := r.cfg.Read.QueryRowContext(ctx, `SELECT count(*) FROM account`).Scan(&n); err != nil {
		return false, fmt.Errorf("count accounts: %w", err)
	}
	return n > 0, nil
}
