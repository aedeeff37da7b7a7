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
	"time"

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
	d, done, err := b.open()
	if err != nil {
		return nil, fetch.Board{}, err
	}
	defer done()
	s, err := d.Status()
	if err != nil {
		return nil, fetch.Board{}, fmt.Errorf("read update directory: %w", err)
	}
	keys, err := d.Keys()
	if err != nil {
		return nil, fetch.Board{}, fmt.Errorf("read update directory: %w", err)
	}
	program, err := fileHash(filepath.Join(b.dir, "current", "kentongan"))
	if err != nil {
		return nil, fetch.Board{}, err
	}
	device := firmware.ThisBoard()
	device.Now = b.now()
	return u, fetch.Board{Keys: keys, Floor: s.Floor, Running: s.Running, Program: program, Device: device}, nil
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
