package access

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Entry is one row of the access log: who saw or did what.
type Entry struct {
	Seq int64     `json:"seq"`
	At  time.Time `json:"at"`
	// Account is the id of who it was, and what is kept: Name is looked up for who
	// reads, and is "" once the account is erased.
	Account string `json:"account"`
	// Name is kept for who has no account, as upkeep@centre. Lines that were written
	// before they had an Account keep the name that the account had, and of a log-in
	// that was refused the one that was tried.
	Name    string `json:"name"`
	Agency  string `json:"agency"` // of the account, at that time
	Action  string `json:"action"`
	Object  string `json:"object"`
	Detail  string `json:"detail"`
	Addr    string `json:"addr"`
	Outcome string `json:"outcome"`
	Hash    string `json:"hash"`
}

// Outcomes.
const (
	Done    = "done"
	Refused = "refused"
)

// Erased tells whether the account is erased.
func (e Entry) Erased() bool { return e.Account != "" && e.Name == "" }

// Mark stands beside the account's name: another account that gets the name later has
// another.
func (e Entry) Mark() string { return Mark(e.Account) }

// sum chains an entry, as it is kept, to the one before it. Without an account it is
// as the lines have it that are older than the column.
func (e Entry) sum(before string) string {
	words := []any{before, e.Seq, e.At.UnixMilli(), e.Name, e.Agency, e.Action, e.Object, e.Detail, e.Addr, e.Outcome}
	if e.Account != "" {
		words = append(words, e.Account)
	}
	row, err := json.Marshal(words)
	if err != nil { // strings and numbers only
		panic(err)
	}
	h := sha256.Sum256(row)
	return hex.EncodeToString(h[:])
}

// Note adds a line.
func (r *Room) Note(ctx context.Context, e Entry) error {
	r.journalMu.Lock()
	defer r.journalMu.Unlock()
	return r.NoteIn(ctx, r.cfg.Edit, e)
}

// NoteIn adds a line in the transaction of what it is about, as its last statement:
// others who add one may wait for it. It waits for nobody in this process, who may be
// waiting for the transaction.
func (r *Room) NoteIn(ctx context.Context, tx Tables, e Entry) error {
	e.At = r.cfg.Now()
	e.Name, e.Object, e.Detail = report.Clip(e.Name, 80), report.Clip(e.Object, 200), report.Clip(e.Detail, 400) // strangers write, too
	if e.Outcome == "" {
		e.Outcome = Done
	}
	if e.Account != "" {
		e.Name = ""
	}
	// The command line may write beside us: then the number is taken, and we look
	// again.
	for range 20 {
		var last string
		err := tx.QueryRowContext(ctx, `SELECT seq, hash FROM access_log ORDER BY seq DESC LIMIT 1`).Scan(&e.Seq, &last)
		if errors.Is(err, sql.ErrNoRows) {
			e.Seq, err = 0, nil
		}
		if err != nil {
			return fmt.Errorf("read access log: %w", err)
		}
		e.Seq++
		n, err := changeIn(ctx, tx, "write access log", `INSERT INTO access_log (seq, at_ms, account, name, agency, action, object, detail, addr, outcome, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (seq) DO NOTHING`, e.Seq, e.At.UnixMilli(), e.Account, e.Name, e.Agency, e.Action, e.Object, e.Detail, e.Addr, e.Outcome, e.sum(last))
		if err != nil || n == 1 {
			return err
		}
	}
	return errors.New("write access log: others write it all the time")
}

// lookAgain is how long one who looks at the same thing is written down once.
const lookAgain = 10 * time.Minute

// Look notes that somebody saw something; again only after a while, for a page
// refreshes itself.
func (r *Room) Look(ctx context.Context, e Entry) error {
	// Of all that was looked at, however long: what is written is cut, and two queries
	// may begin alike.
	key := sha256.Sum256(fmt.Appendf(nil, "%q", []string{e.Account, e.Name, e.Action, e.Object, e.Addr, e.Outcome}))
	now := r.cfg.Now()
	r.journalMu.Lock()
	at, seen := r.looked[key]
	seen = seen && now.Sub(at) < lookAgain
	if !seen {
		for k, at := range r.looked {
			if now.Sub(at) >= lookAgain || len(r.looked) > maxKeys {
				delete(r.looked, k)
			}
		}
		r.looked[key] = now
	}
	r.journalMu.Unlock()
	if seen {
		return nil
	}
	return r.Note(ctx, e)
}

// Journal lists the access log, the newest first, before a number where that is
// not 0; who and action restrict it when they are not "". Who is a name, or the
// Mark of an account without its #.
func (r *Room) Journal(ctx context.Context, who, action string, before int64, limit int) ([]Entry, error) {
	return sqlrows.Collect(ctx, r.cfg.Read, "access log", scanEntry, `SELECT l.seq, l.at_ms, l.account, coalesce(p.name, l.name), l.agency, l.action, l.object, l.detail, l.addr, l.outcome, l.hash
		FROM access_log l LEFT JOIN account p ON p.id = l.account
		WHERE (?1 = '' OR l.name = ?1 OR p.name = ?1 OR substr(l.account, 1, ?2) = ?1) AND (?3 = '' OR l.action = ?3) AND (?4 = 0 OR l.seq < ?4)
		ORDER BY l.seq DESC LIMIT ?5`, who, shortID, action, before, limit)
}

func scanEntry(rows *sql.Rows) (e Entry, err error) {
	var at int64
	err = rows.Scan(&e.Seq, &at, &e.Account, &e.Name, &e.Agency, &e.Action, &e.Object, &e.Detail, &e.Addr, &e.Outcome, &e.Hash)
	e.At = when(at)
	return e, err
}

// Check reads the whole log and tells how many entries are whole, and the number
// of the first that is missing or was changed, 0 for none. What was cut off at
// the end can't be seen from within: whoever keeps the newest hash elsewhere can.
func (r *Room) Check(ctx context.Context) (whole, broken int64, newest string, err error) {
	const page = 5000
	for {
		list, err := sqlrows.Collect(ctx, r.cfg.Read, "access log", scanEntry, `SELECT seq, at_ms, account, name, agency, action, object, detail, addr, outcome, hash FROM access_log
			WHERE seq > ? ORDER BY seq LIMIT ?`, whole, page)
		if err != nil {
			return whole, 0, newest, err
		}
		for _, e := range list {
			if e.Seq != whole+1 || e.Hash != e.sum(newest) {
				return whole, whole + 1, newest, nil
			}
			whole, newest = e.Seq, e.Hash
		}
		if len(list) < page {
			return whole, 0, newest, nil
		}
	}
}
