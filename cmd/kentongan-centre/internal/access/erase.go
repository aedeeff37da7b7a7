package access

import (
	"context"
	"errors"
)

// ErrOnlyWayIn says why an admin is not erased: another one may never have followed
// the link, or have lost it, and then nobody could come in.
var ErrOnlyWayIn = errors.New("no other admin has a passkey or a password: one has to set it first, under My account")

// EraseIn erases an account in a transaction: its names, passkeys, password, sessions
// and links, and writes e down about it, as the last statement. Lines of the access
// log keep its id. The last admin who is not disabled and has a passkey or a password
// is not erased: that can't be undone.
func (r *Room) EraseIn(ctx context.Context, tx Tables, id string, e Entry) error {
	if err := holdAdmins(ctx, tx, id); err != nil {
		return err
	}
	n, err := changeIn(ctx, tx, "erase account", `DELETE FROM account WHERE id = ?
		AND (role <> 'admin' OR disabled = 1 OR EXISTS (SELECT 1 FROM account o WHERE o.id <> account.id AND o.role = 'admin' AND o.disabled = 0
			AND (o.password <> '' OR EXISTS (SELECT 1 FROM passkey k WHERE k.account = o.id))))`, id)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrOnlyWayIn
	}
	if _, err := changeIn(ctx, tx, "erase account", `DELETE FROM passkey WHERE account = ?`, id); err != nil {
		return err
	}
	if err := endAllIn(ctx, tx, id); err != nil {
		return err
	}
	return r.NoteIn(ctx, tx, e)
}
