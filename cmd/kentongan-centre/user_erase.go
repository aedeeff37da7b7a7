package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

const userErased = `Akun %s (%s): tidak dapat dibatalkan.
Yang hilang: nama masuk, nama lengkap, kunci sandi, sandi, sesi dan token; namanya di samping hal yang dilakukan diganti %[2]s.
Yang tersisa, sebagai pertanggungjawaban: baris log akses dengan %[2]s, waktu dan alamat, tanpa nama (baris dari versi lama memuat nama),
dan nama dalam perintah yang ditandatangani serta catatan perangkat. Tidak terjangkau: cadangan, log program dan proksi.

Account %[1]s (%[2]s): this can't be undone.
What goes: the name to log in with, the full name, passkeys, password, sessions and tokens; %[2]s takes the name's place beside what they did.
What stays, to account for it: lines of the access log with %[2]s, time and address and without a name (lines of older versions hold the name),
and the name in signed orders and devices' records. Not reached: backups, the log of the program and of a proxy.
`

// userErase erases an account, or says what that would do.
func userErase(ctx context.Context, e env, st *store.Store, room *access.Room, o userOptions) error {
	a, err := room.Named(ctx, o.name)
	if err != nil {
		return err
	}
	mark := access.Mark(a.ID)
	fmt.Fprintf(e.stdout, userErased, a.Name, mark)
	if !o.yes {
		fmt.Fprintln(e.stdout, "\nBelum ada yang dihapus; tulis --yes. / Nothing is erased yet; write --yes.")
		return nil
	}
	line := byCommandLine("user-erase", "/users/"+a.ID+"/erase", "reason: "+o.reason)
	err = st.EraseAccount(ctx, a.ID, mark, func(ctx context.Context, tx store.Tx) error {
		return room.EraseIn(ctx, tx, a.ID, line)
	})
	if err != nil {
		line.Outcome = access.Refused
		return errors.Join(err, room.Note(ctx, line))
	}
	if err := wipe(ctx, e, &st.View, "account", time.Minute); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, "\nerased account", mark)
	return nil
}
