package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"kentongan/agent"
	"kentongan/agent/erase"
	"kentongan/agent/spool"
)

const eraseUsage = `kentongan erase [--config FILE] [--dry-run] [--yes] [--lose-complaints] [--without-mirror] [--with-config]

Empties this device before it is handed over, sent in for repair or thrown away:
records, keys, certificate, what it learned and was ordered, in the data directory and
the mirror (spool.mirror). It first says what is there, and what it does not reach. On
a terminal it asks for the device's id; elsewhere it needs --yes. The agent must not
run. Complaints that the centre has not confirmed are not erased without
--lose-complaints; nor are any where it can't be told whether the centre has all.

Each file is overwritten once and removed. After a power cut the device does not start
and does not enrol until the same command has finished. The configuration stays, with
the passwords in it, unless --with-config is given; so does kiosk/tickets.json, so that
no ticket is given twice.

Mengosongkan perangkat ini sebelum diserahkan, diperbaiki, atau dibuang.

Options:
  --config FILE      the configuration (default ` + configFile + `)
  --dry-run          only say what is there
  --yes              don't ask
  --lose-complaints  erase also what the centre has not confirmed: it is lost
  --without-mirror   go on though a mirror holds nothing: its disk may not be here,
                     and what is on it stays
  --with-config      erase also the configuration, its earlier versions and the
                     password files that 'kentongan setup' wrote beside it
  --lang LANG        id or en (default: as the environment says, else id)
  --json             one JSON object in the place of the text; with --yes or --dry-run

Exit status 4: there are complaints that the centre has not confirmed, or it can't be
told.

Examples:
  sudo kentongan erase --dry-run
  sudo kentongan erase
  sudo kentongan erase --yes --with-config --lang en`

// exitWaiting is a device that still owes the centre something.
const exitWaiting = 4

type eraseFlags struct {
	file              string
	dry, sure, asJSON bool
	how               agent.How
}

func runErase(ctx context.Context, e env, args []string) int {
	o := newOptions("kentongan erase", eraseUsage)
	var f eraseFlags
	o.StringVar(&f.file, "config", configFile, "")
	lang := o.String("lang", "", "")
	o.BoolVar(&f.dry, "dry-run", false, "")
	o.BoolVar(&f.sure, "yes", false, "")
	o.BoolVar(&f.how.LoseComplaints, "lose-complaints", false, "")
	o.BoolVar(&f.how.WithoutMirror, "without-mirror", false, "")
	o.BoolVar(&f.how.Config, "with-config", false, "")
	o.BoolVar(&f.asJSON, "json", false, "")
	if _, status, ok := o.parse(e, args); !ok {
		return status
	}
	in, status, ok := o.lang(e, *lang)
	if !ok {
		return status
	}
	asks := !f.dry && !f.sure
	_, _, typed := settings(e.stdin)
	switch {
	case asks && f.asJSON:
		return o.wrong(e, "--json does not ask; write --yes or --dry-run with it")
	case asks && !typed:
		return o.wrong(e, "this is no terminal to ask on; write --yes to erase without being asked, or --dry-run")
	}
	cfg, err := agent.ErasureConfig(absolute(f.file))
	if err != nil {
		fmt.Fprintln(e.stderr, err)
		return exitConfig
	}
	x := &eraser{asker: &asker{env: e, ctx: ctx, lang: in}, eraseFlags: f}
	if x.plan, err = agent.OpenErasure(cfg); err != nil {
		x.refuse(err)
		return exitFailed
	}
	defer x.plan.Close() //nolint:errcheck // a lock
	x.how.Config = x.how.Config || x.plan.WithConfig
	return x.run()
}

// eraser erases one device.
type eraser struct {
	*asker
	eraseFlags
	plan *agent.Erasure
}

func (x *eraser) run() int {
	if !x.asJSON {
		x.tell()
	}
	p := x.plan
	no := p.May(x.how)
	switch {
	case x.dry:
		x.object(false)
		return exitGood
	case no != nil:
		return x.may(no)
	case !x.sure && !x.confirmed():
		fmt.Fprintln(x.stderr, x.say("kentongan erase: tidak ada yang dihapus.", "kentongan erase: nothing is erased."))
		return exitFailed
	}
	raw, err := p.Run(x.ctx, x.how, func(string) error { return x.ctx.Err() })
	if errors.Is(err, agent.ErrOwed) || errors.Is(err, agent.ErrNoMirror) || errors.Is(err, agent.ErrEnrolling) || isLocked(err) {
		return x.may(err) // somebody came in between
	}
	if err != nil {
		fmt.Fprintf(x.stderr, "kentongan erase: %v\n%s\n", err, x.say(
			"Belum selesai; perangkat tidak akan berjalan. Jalankan perintah yang sama sekali lagi.",
			"Not finished, and the device does not start until it is. Run the same command again."))
		return exitFailed
	}
	for _, name := range raw {
		fmt.Fprintf(x.stderr, x.say("kentongan erase: %s dihapus, tetapi tidak dapat ditimpa\n", "kentongan erase: %s is removed, but could not be overwritten\n"), name)
	}
	if x.asJSON {
		x.object(true)
	} else {
		fmt.Fprintln(x.stdout, x.say("Selesai: perangkat kosong.", "Done: the device is empty."))
	}
	return exitGood
}

// may says why nothing is erased.
func (x *eraser) may(no error) int {
	if !errors.Is(no, agent.ErrOwed) {
		x.refuse(no)
		return exitFailed
	}
	fmt.Fprintln(x.stderr, x.say(
		"kentongan erase: tidak ada yang dihapus. Kirim dulu pengaduannya (nyalakan agen dan tunggu), atau selamatkan dengan `kentongan spool export`. Tulis --lose-complaints bila boleh hilang.",
		"kentongan erase: nothing is erased. Send the complaints first (start the agent and wait), or save them with `kentongan spool export`. Write --lose-complaints if they may be lost."))
	return exitWaiting
}

// confirmed asks for the device's id.
func (x *eraser) confirmed() bool {
	fmt.Fprintln(x.stdout)
	name, err := x.typed(question{
		id: "Ketik nama perangkat ini (" + x.plan.Device + ") untuk menghapus", en: "Type this device's id (" + x.plan.Device + ") to erase it",
	})
	return err == nil && name == x.plan.Device
}

// refuse says why nothing can be erased, and what to do.
func (x *eraser) refuse(err error) {
	next := ""
	switch no, refused := errors.AsType[*erase.Refused](err); {
	case refused && no.Why == erase.System:
		next = x.say("Perbaiki data atau spool.mirror di konfigurasi: harus direktori milik Kentongan sendiri.",
			"Mend data or spool.mirror in the configuration: it must be a directory of Kentongan's own.")
	case refused && no.Why == erase.Link:
		next = x.say("Tautan simbolik tidak diikuti. Hapus sendiri isi tujuannya, hapus tautannya, lalu ulangi.",
			"Links are not followed. Erase what they lead to by hand, remove the links, and run this again.")
	case refused:
		next = x.say("Tidak ada yang dihapus. Pindahkan berkas itu, lalu ulangi.", "Nothing is erased. Move these away and run this again.")
	case errors.Is(err, agent.ErrNoMirror):
		next = x.say("Tidak ada yang dihapus. Pasang diska cermin itu, lalu ulangi. Tulis --without-mirror bila memang kosong atau diurus sendiri.",
			"Nothing is erased. Put the mirror's disk in and run this again. Write --without-mirror if it is empty indeed, or you see to it by hand.")
	case isLocked(err):
		next = x.say("Agen masih berjalan. Hentikan: sudo kentongan stop", "The agent runs. Stop it: sudo kentongan stop")
	case errors.Is(err, fs.ErrPermission):
		next = x.say("Jalankan sebagai root: sudo kentongan erase", "Run it as root: sudo kentongan erase")
	}
	fmt.Fprintf(x.stderr, "kentongan erase: %v\n", err)
	if next != "" {
		fmt.Fprintln(x.stderr, next)
	}
}

func isLocked(err error) bool {
	_, ok := errors.AsType[*spool.LockedError](err)
	return ok
}

// object prints the whole as JSON, where that is asked for.
func (x *eraser) object(done bool) {
	if !x.asJSON {
		return
	}
	type place struct {
		Dir  string        `json:"dir"`
		Here []erase.Count `json:"here"`
		Kept []string      `json:"kept,omitempty"`
		Left []string      `json:"left,omitempty"`
	}
	out := struct {
		Device  string   `json:"device"`
		Erased  bool     `json:"erased"`
		Begun   bool     `json:"begun"`
		Settled bool     `json:"settled"`
		Waiting uint64   `json:"waiting_complaints"`
		Unread  string   `json:"waiting_unknown,omitempty"`
		Places  []place  `json:"places"`
		Absent  []string `json:"empty_mirrors,omitempty"`
		Config  []string `json:"configuration"`
		Others  []string `json:"not_reached,omitempty"`
	}{Device: x.plan.Device, Erased: done, Begun: x.plan.Begun, Settled: x.plan.Settled, Absent: x.plan.Absent, Waiting: x.plan.Waiting, Config: x.plan.Config, Others: x.plan.Others}
	if x.plan.Unread != nil {
		out.Unread = x.plan.Unread.Error()
	}
	for _, p := range x.plan.Places {
		out.Places = append(out.Places, place{p.Dir, p.Counts, p.Kept, p.Left})
	}
	_ = printJSON(x.stdout, out) // to a pipe that was closed
}
