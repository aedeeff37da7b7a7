package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/audit"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// exitFault is the status of verify when something is not as it was.
const exitFault = 3

// evidence are the flags that verify and export have in common: a database, and
// what it is held against.
type evidence struct {
	words
	file, roots string
	keys        []string
	database    databaseOptions
	quiet       bool
}

func newEvidence(e env, name string) *evidence {
	v := &evidence{words: newWords(e, name)}
	v.StringVar(&v.file, "file", "", "SQLite database `file`, for a copy of one (default: centre.db in --data)")
	v.database.flags(v.FlagSet)
	v.StringVar(&v.roots, "roots", "", "`file` of the log of roots (default: "+audit.RootsFile+" in --data)")
	v.Func("key", "public `key` of the centre, as 'kentongan-centre key' prints it; may be given again for earlier ones (default: that of --data)", func(s string) error {
		v.keys = append(v.keys, s)
		_, err := note.NewVerifier(s)
		return err
	})
	v.BoolVar(&v.quiet, "quiet", false, "tell no progress")
	return v
}

// parse reads the flags; when it returns false the command is over.
func (v *evidence) parse(args []string) (status int, ok bool) {
	if _, status, ok = v.words.parse(args, 0, 0, "[flags]"); !ok {
		return status, false
	}
	if err := v.database.check(); err != nil {
		return v.wrong("%v", err), false
	}
	if v.file != "" && v.database.url != "" {
		return v.wrong("--file and --database exclude each other"), false
	}
	if v.file == "" {
		v.file = filepath.Join(*v.data, "centre.db")
	}
	if v.roots == "" {
		v.roots = filepath.Join(*v.data, audit.RootsFile)
	}
	if len(v.keys) == 0 {
		var err error
		if v.keys, err = publicKeys(*v.data); err != nil {
			return v.failed(fmt.Errorf("%w; give the centre's public key with --key", err)), false
		}
	}
	return exitGood, true
}

// publicKeys are the public keys of a centre that has one: what it signed before
// its key was changed has to verify too.
func publicKeys(dir string) ([]string, error) {
	present, err := publicKey(dir)
	if err != nil {
		return nil, err
	}
	old, err := oldKeys(dir)
	return append([]string{present}, verifiersOf(old)...), err
}

// publicKey is the public key that a centre signs with now.
func publicKey(dir string) (string, error) {
	text, err := os.ReadFile(keyFile(dir))
	if err != nil {
		return "", fmt.Errorf("read key: %w", err)
	}
	key, err := report.PublicKey(strings.TrimSpace(string(text)))
	if err != nil {
		return "", fmt.Errorf("read key %s: %w", keyFile(dir), err)
	}
	return key, nil
}

func (v *evidence) open() (*store.View, func() error, error) {
	if v.database.url == "" {
		return store.OpenRead(v.file)
	}
	password, err := firstLine(v.database.passwordFile)
	if err != nil {
		return nil, nil, fmt.Errorf("--database-password-file: %w", err)
	}
	return store.OpenReadPostgres(v.database.url, password)
}

// progress tells how far it is, once it takes long.
func (v *evidence) progress() func(read, of uint64) {
	if v.quiet {
		return nil
	}
	next := time.Now().Add(2 * time.Second)
	return func(read, of uint64) {
		if now := time.Now(); now.After(next) {
			next = now.Add(5 * time.Second)
			fmt.Fprintf(v.e.stderr, "%s: %d / %d rekaman, records (%d %%)\n", v.Name(), read, of, 100*read/max(of, 1))
		}
	}
}

// verifyRecords audits a database.
func verifyRecords(ctx context.Context, e env, args []string) int {
	v := newEvidence(e, "verify")
	asJSON := v.Bool("json", false, "print the whole report as one JSON object")
	if status, ok := v.parse(args); !ok {
		return status
	}
	r, err := v.verify(ctx)
	if err != nil {
		return v.failed(err)
	}
	if *asJSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(struct {
			OK bool `json:"ok"`
			audit.Report
		}{r.OK(), r})
	} else {
		err = printReport(e.stdout, r)
	}
	if err != nil {
		return v.failed(err)
	}
	if !r.OK() {
		return exitFault
	}
	return exitGood
}

func (v *evidence) verify(ctx context.Context) (audit.Report, error) {
	keys, err := audit.Keys(v.keys...)
	if err != nil {
		return audit.Report{}, err
	}
	view, closeDB, err := v.open()
	if err != nil {
		return audit.Report{}, err
	}
	r, err := audit.Verify(ctx, view, audit.Options{Centre: keys, Roots: v.roots, Now: time.Now(), Progress: v.progress()})
	return r, errors.Join(err, closeDB())
}

// printReport prints a line for each lane, then what is wrong, then the sum.
func printReport(w io.Writer, r audit.Report) error {
	var b strings.Builder
	for _, d := range r.Devices {
		fmt.Fprintln(&b, d.Device)
		for _, l := range d.Lanes {
			fmt.Fprintf(&b, "  %-9s %s  %s\n", l.Lane, l.Epoch, laneLine(l))
		}
	}
	all := r.All()
	for _, f := range all {
		fmt.Fprintln(&b, f)
	}
	verdict := "semua terbukti. All proven."
	if len(all) > 0 {
		verdict = fmt.Sprintf("%d kesalahan. %d faults.", len(all), len(all))
	}
	fmt.Fprintf(&b, "%d perangkat, devices; %d rekaman, records; akar, root %d: %s\n", len(r.Devices), r.Records, r.Root, verdict)
	_, err := io.WriteString(w, b.String())
	return err
}

func laneLine(l audit.Lane) string {
	text := fmt.Sprintf("%d rekaman, records", l.Records)
	if l.Records > 0 {
		text += fmt.Sprintf(" (%d–%d)", l.From, l.To)
	}
	if l.Explained > 0 {
		text += fmt.Sprintf("; %d dijelaskan, explained", l.Explained)
	}
	if l.Waiting > 0 {
		text += fmt.Sprintf("; %d masih di perangkat, still on the device", l.Waiting)
	}
	if l.SignedTo > 0 {
		text += fmt.Sprintf("; ditandatangani s.d. %d, signed to %d", l.SignedTo, l.SignedTo)
	}
	if l.OK() {
		return text + ": terbukti, proven"
	}
	return text + ": SALAH, WRONG (" + l.Findings[0].Fault + ")"
}

// exportRecords writes an export for an auditor.
func exportRecords(ctx context.Context, e env, args []string) int {
	v := newEvidence(e, "export")
	to := v.String("audit", "", "new `directory` for an auditor: JSON Lines, checkpoints, keys, receipts, roots (required)")
	telemetry := v.Bool("telemetry", false, "measurements too; the pieces of pictures never")
	if status, ok := v.parse(args); !ok {
		return status
	}
	if *to == "" {
		return v.wrong("--audit is missing: name the directory that the export is written to")
	}
	o := audit.ExportOptions{Dir: *to, Centre: v.keys, Roots: v.roots, Telemetry: *telemetry, Now: time.Now(), Progress: v.progress()}
	if secret, err := os.ReadFile(keyFile(*v.data)); err == nil {
		if o.Signer, err = note.NewSigner(strings.TrimSpace(string(secret))); err != nil {
			return v.failed(fmt.Errorf("read key %s: %w", keyFile(*v.data), err))
		}
	}
	view, closeDB, err := v.open()
	if err != nil {
		return v.failed(err)
	}
	if err := errors.Join(audit.Export(ctx, view, o), closeDB()); err != nil {
		return v.failed(err)
	}
	fmt.Fprintf(e.stdout, "%s\n", *to)
	if o.Signer == nil {
		fmt.Fprintf(e.stderr, "%s: the export is not signed: there is no %s\n", v.Name(), keyFile(*v.data))
	}
	return exitGood
}

// auditOptions are the flags of run about the proof.
type auditOptions struct {
	roots                 string
	rootsEvery, fullEvery time.Duration
}

func (o *auditOptions) flags(fs *flag.FlagSet) {
	fs.StringVar(&o.roots, "roots", "", "`file` of the log of roots, best on another disk than the database (default: "+audit.RootsFile+" in --data)")
	fs.DurationVar(&o.rootsEvery, "roots-every", time.Hour, "`time` between two roots, the signed accounts of what the centre had")
	fs.DurationVar(&o.fullEvery, "audit-every", 24*time.Hour, "`time` between two times that all records are read again; what is new is read each minute")
}

func (o *auditOptions) check() error {
	switch {
	case o.rootsEvery < time.Minute || o.rootsEvery > 30*24*time.Hour:
		return errors.New("--roots-every: 1m to 720h")
	case o.fullEvery < time.Minute || o.fullEvery > 365*24*time.Hour:
		return errors.New("--audit-every: 1m to 8760h")
	}
	return nil
}

// proof is what keeps and renews the proof of a running centre.
type proof struct {
	roots   *audit.RootWriter
	auditor *audit.Auditor
}

// open makes it; dir is the centre's.
func (o *auditOptions) open(dir string, all *store.View, signer note.Signer, public []string, log *slog.Logger) (*proof, error) {
	keys, err := audit.Keys(public...)
	if err != nil {
		return nil, err
	}
	file := o.roots
	if file == "" {
		file = filepath.Join(dir, audit.RootsFile)
	}
	return &proof{
		roots:   audit.NewRootWriter(audit.RootsConfig{File: file, Signer: signer, Keys: keys, Every: o.rootsEvery}, all, log),
		auditor: audit.NewAuditor(audit.AuditorConfig{Centre: keys, Roots: file, Every: time.Minute, Full: o.fullEvery}, all, log),
	}, nil
}
