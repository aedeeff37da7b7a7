package agent

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/update"
	"kentongan/firmware"
	"kentongan/firmware/fetch"
)

// How the update part reaches the update directory, the network, and who
// applies.

// idle is how long a web server may send nothing.
const idle = time.Minute

// updateBoard is the device as agent/update needs it. It belongs to that part's
// goroutine, but for Check, which opens everything anew.
type updateBoard struct {
	dir, incoming, healthy string
	boot                   string
	rate                   int
	now                    func() time.Time
	before                 func() error // keeps how things are, for the next version to be held against
	progress               func(done, of int64)
}

// offerFile is what the service that applies waits for.
const offerFile = "ready"

func (b *updateBoard) open() (*firmware.Dir, func(), error) {
	disk, err := firmware.OpenDisk(b.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open update directory: %w", err)
	}
	return firmware.NewDir(disk), func() { disk.Close() }, nil
}

func (b *updateBoard) Trial() (*update.Trial, error) {
	d, done, err := b.open()
	if err != nil {
		return nil, err
	}
	defer done()
	s, err := d.Status()
	if err != nil || s.Trial == nil {
		return nil, err
	}
	t := s.Trial
	out := update.Trial{Number: t.Number, Version: t.Version, State: string(t.State), Reason: t.Reason, Before: t.Before, Starts: t.Starts, Failures: t.Failures, Cuts: t.Cuts}
	if t.State == firmware.GoingBack { // the link may not be back yet, but it is decided
		out.State = report.UpdateWentBack
	}
	return &out, nil
}

func (b *updateBoard) Check(ctx context.Context, at string) (update.Release, error) {
	u, board, err := b.prepare(at)
	if err != nil {
		return update.Release{}, err
	}
	r, _, err := b.fetcher().Check(ctx, u, board)
	return release(r), refusal(err)
}

func (b *updateBoard) Fetch(ctx context.Context, at string) (update.Release, error) {
	u, board, err := b.prepare(at)
	if err != nil {
		return update.Release{}, err
	}
	// A patch starts from the program that runs; only a fetch has to know it.
	if board.Program, err = fileHash(filepath.Join(b.dir, "current", "kentongan")); err != nil {
		return update.Release{}, err
	}
	r, err := b.fetcher().Fetch(ctx, u, board)
	return release(r), refusal(err)
}

func (b *updateBoard) fetcher() *fetch.Fetcher {
	return &fetch.Fetcher{Client: http.DefaultClient, Dir: b.incoming, BytesPerSecond: b.rate, Idle: idle, Progress: func(_ string, done, of int64) {
		if b.progress != nil {
			b.progress(done, of)
		}
	}}
}

func (b *updateBoard) prepare(at string) (*url.URL, fetch.Board, error) {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, fetch.Board{}, fmt.Errorf("%.100q: write https://HOST/PATH of the directory with the release", at)
	}
	board, err := b.look()
	return u, board, err
}

// look is what a release has to fit now.
func (b *updateBoard) look() (fetch.Board, error) {
	d, done, err := b.open()
	if err != nil {
		return fetch.Board{}, err
	}
	defer done()
	s, err := d.Status()
	if err != nil {
		return fetch.Board{}, fmt.Errorf("read update directory: %w", err)
	}
	keys, err := d.Keys()
	if err != nil {
		return fetch.Board{}, fmt.Errorf("read update directory: %w", err)
	}
	return fetch.Board{Keys: keys, Floor: s.Floor, Running: s.Running, Device: b.device()}, nil
}

func (b *updateBoard) device() firmware.Device {
	d := firmware.ThisBoard()
	d.Now = b.now()
	return d
}

func fileHash(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}

func release(r firmware.Release) update.Release {
	return update.Release{Number: r.Number, Version: r.Version}
}

func refusal(err error) error {
	if r, ok := errors.AsType[*firmware.Refusal](err); ok {
		return &update.Refusal{Code: string(r.Code), Detail: r.Detail}
	}
	return err
}

// Offer names itself at random, so that an older answer is not taken for its
// own.
func (b *updateBoard) Offer(ctx context.Context) error {
	if err := b.before(); err != nil {
		return err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	name := hex.EncodeToString(id[:])
	if err := saveFile(filepath.Join(b.incoming, offerFile), []byte(name)); err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer to the offer: is kentongan-apply.path enabled? (%w)", context.Cause(ctx))
		case <-tick.C:
		}
		r, err := b.answer()
		if err != nil {
			return err
		}
		if r.Offer != name {
			continue
		}
		if r.Code != "" {
			return &update.Refusal{Code: string(r.Code), Detail: r.Detail, Release: update.Release{Number: r.Number, Version: r.Version}}
		}
		return nil
	}
}

func (b *updateBoard) answer() (firmware.Result, error) {
	d, done, err := b.open()
	if err != nil {
		return firmware.Result{}, err
	}
	defer done()
	return d.Result()
}

func (b *updateBoard) SayWell(number uint64) error {
	text, err := json.Marshal(firmware.Healthy{Number: number, Boot: b.boot})
	if err != nil {
		return err
	}
	return saveFile(b.healthy, text)
}

// Updates is the way to a new version by hand: what the running agent does by
// itself. It is used by one goroutine.
type Updates struct {
	board *updateBoard
	c     *config.Config
}

// NewUpdates is for a device whose configuration names an update directory.
// progress is told how far a file is, in bytes.
func NewUpdates(c *config.Config, progress func(done, of int64)) *Updates {
	return &Updates{c: c, board: &updateBoard{
		dir: c.Update.Dir, incoming: incoming(c), healthy: c.Update.Healthy, boot: firmware.BootID(), rate: int(c.Update.BytesPerSecond),
		now: func() time.Time { return firmware.ThisBoard().Now }, before: func() error { return nil }, progress: progress,
	}}
}

// incoming is where a new version lies before it is applied.
func incoming(c *config.Config) string { return filepath.Join(c.Data, "incoming") }

// Status reads the update directory.
func (u *Updates) Status() (firmware.Status, error) {
	d, done, err := u.board.open()
	if err != nil {
		return firmware.Status{}, err
	}
	defer done()
	return d.Status()
}

// Check says which release lies at a URL, in a bundle file or in a directory,
// and whether it would be taken.
func (u *Updates) Check(ctx context.Context, from string) (update.Release, error) {
	if isURL(from) {
		return u.board.Check(ctx, from)
	}
	source, err := firmware.OpenSource(from)
	if err != nil {
		return update.Release{}, err
	}
	d, done, err := u.board.open()
	if err != nil {
		return update.Release{}, err
	}
	defer done()
	r, err := d.Check(source, u.board.device())
	return release(r), refusal(err)
}

// Bring lays a release where it is applied from.
func (u *Updates) Bring(ctx context.Context, from string) (update.Release, error) {
	if isURL(from) {
		return u.board.Fetch(ctx, from)
	}
	source, err := firmware.OpenSource(from)
	if err != nil {
		return update.Release{}, err
	}
	board, err := u.board.look()
	if err != nil {
		return update.Release{}, err
	}
	r, err := u.board.fetcher().Copy(source, board)
	return release(r), refusal(err)
}

// Offer hands over what was brought in, and returns when it was applied or
// refused.
func (u *Updates) Offer(ctx context.Context) error { return u.board.Offer(ctx) }

func isURL(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

// RefusalCode is why a release was not taken; "" when err is no refusal.
func RefusalCode(err error) firmware.Code {
	if r, ok := errors.AsType[*update.Refusal](err); ok {
		return firmware.Code(r.Code)
	}
	return ""
}
