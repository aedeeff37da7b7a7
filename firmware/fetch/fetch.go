// Package fetch brings the files of a release from a web server into a
// directory, from where they are applied. What lies there is not believed by
// anybody: it is verified again by who applies it. Here it is verified so that
// no link's money is spent on what would be refused.
//
// A download that was cut off goes on where it ended, also after a power cut:
// the part lies beside its place with the server's mark (ETag) of what it
// belongs to.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"kentongan/firmware"
)

// Fetcher brings releases into one directory. It belongs to one goroutine.
type Fetcher struct {
	Client *http.Client // without a timeout for the whole; idleness is bounded here
	Dir    string       // on the agent's own disk
	// BytesPerSecond bounds the payload's rate; 0 does not.
	BytesPerSecond int
	// Idle ends a download on which nothing came for so long.
	Idle time.Duration
	// Progress is told how far a file is; nil is told nothing.
	Progress func(name string, done, of int64)
}

// Board is what a release must fit.
type Board struct {
	Keys    firmware.Keys
	Floor   firmware.Floor
	Running uint64 // number
	Program string // hex SHA-256 of the program that runs; "" takes no patch
	Device  firmware.Device
}

// reserve stays free beside a download.
const reserve = 2 << 20

// Check reads the two notes below base and holds them against the board. A
// firmware.Refusal says why it would not be taken.
func (f *Fetcher) Check(ctx context.Context, base *url.URL, b Board) (firmware.Release, firmware.Payload, error) {
	keys, release, err := f.notes(ctx, base)
	if err != nil {
		return firmware.Release{}, firmware.Payload{}, err
	}
	_, r, p, err := firmware.Check(keys, release, b.Keys, b.Floor, b.Running, b.Device)
	return r, p, err
}

// Fetch brings what the board needs of the release below base: a patch where
// one starts from its program, the whole otherwise.
func (f *Fetcher) Fetch(ctx context.Context, base *url.URL, b Board) (firmware.Release, error) {
	keys, release, err := f.notes(ctx, base)
	if err != nil {
		return firmware.Release{}, err
	}
	_, r, p, err := firmware.Check(keys, release, b.Keys, b.Floor, b.Running, b.Device)
	if err != nil {
		return r, err
	}
	file := p.Packed
	for _, d := range p.Patch {
		if d.Base == b.Program {
			file = d.Packed
		}
	}
	if err := f.begin(file.Name); err != nil {
		return r, fmt.Errorf("fetch release %d: %w", r.Number, err)
	}
	if err := f.file(ctx, base, file); err != nil {
		return r, fmt.Errorf("fetch release %d: %w", r.Number, err)
	}
	return r, f.finish(keys, release)
}

// begin makes the directory, and removes what earlier releases left there.
func (f *Fetcher) begin(keep string) error {
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return err
	}
	return f.sweep(keep)
}

// finish writes the notes, the last of all: who finds them finds the file too.
func (f *Fetcher) finish(keys, release []byte) error {
	for name, text := range map[string][]byte{firmware.KeysName: keys, firmware.ReleaseName: release} {
		if err := os.WriteFile(filepath.Join(f.Dir, name), text, 0o644); err != nil {
			return fmt.Errorf("keep %s: %w", name, err)
		}
	}
	return nil
}

func (f *Fetcher) tell(file firmware.File, done int64) {
	if f.Progress != nil {
		f.Progress(file.Name, done, file.Size)
	}
}

func notTheFile(f firmware.File) error {
	return &firmware.Refusal{Code: firmware.Mixed, Detail: f.Name + " is not the file that the release names"}
}

func (f *Fetcher) notes(ctx context.Context, base *url.URL) (keys, release []byte, err error) {
	if keys, err = f.note(ctx, base, firmware.KeysName); err != nil {
		return nil, nil, err
	}
	release, err = f.note(ctx, base, firmware.ReleaseName)
	return keys, release, err
}

func (f *Fetcher) note(ctx context.Context, base *url.URL, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, f.Idle)
	defer cancel()
	res, err := f.get(ctx, base, name, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch %s: the server says %s", name, res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, firmware.MaxNoteBytes+1))
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	return text, nil
}

func (f *Fetcher) get(ctx context.Context, base *url.URL, name string, header map[string]string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath(name).String(), nil)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	// Bytes as they lie there: a proxy that packs them once more would change
	// what a range counts.
	req.Header.Set("Accept-Encoding", "identity")
	res, err := f.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	return res, nil
}

// file brings one file whole, going on with a part that is there.
func (f *Fetcher) file(ctx context.Context, base *url.URL, want firmware.File) error {
	place := filepath.Join(f.Dir, want.Name)
	if ok, err := holds(place, want); err != nil || ok {
		return err
	}
	for range 2 { // a part of another file under the same mark is found at the end only
		part, err := openPart(place+".part", want)
		if err != nil {
			return err
		}
		if err := f.room(want.Size - part.have); err != nil {
			return errors.Join(err, part.Close())
		}
		if err := f.download(ctx, base, want, part); err != nil {
			return errors.Join(err, part.Close())
		}
		if err := errors.Join(part.Sync(), part.Close()); err != nil {
			return err
		}
		ok, err := holds(place+".part", want)
		if err != nil {
			return err
		}
		if ok {
			return errors.Join(os.Rename(place+".part", place), os.Remove(place+".part.mark"))
		}
		if err := os.Remove(place + ".part"); err != nil {
			return err
		}
	}
	return notTheFile(want)
}

func holds(file string, want firmware.File) (bool, error) {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return n == want.Size && hex.EncodeToString(h.Sum(nil)) == want.SHA256, err
}

func (f *Fetcher) room(need int64) error {
	var s unix.Statfs_t
	if err := unix.Statfs(f.Dir, &s); err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	if free := int64(s.Bavail) * int64(s.Bsize); free < need+reserve { //nolint:unconvert // differs by architecture
		return &firmware.Refusal{Code: firmware.NoSpace, Detail: fmt.Sprintf("%.1f MiB free for the download, %.1f needed", float64(free)/(1<<20), float64(need+reserve)/(1<<20))}
	}
	return nil
}

// sweep removes what earlier releases left, but for the file that is wanted.
func (f *Fetcher) sweep(keep string) error {
	entries, err := os.ReadDir(f.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), keep) {
			continue
		}
		if err := os.Remove(filepath.Join(f.Dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// syncEvery is how much of a download a power cut can cost.
const syncEvery = 1 << 20

// download appends to a part until it has want.Size bytes.
func (f *Fetcher) download(ctx context.Context, base *url.URL, want firmware.File, p *part) error {
	if p.have == want.Size {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(f.Idle, func() { cancel(fmt.Errorf("nothing came for %s", f.Idle)) })
	defer idle.Stop()
	header := map[string]string{}
	if p.have > 0 && p.mark != "" {
		header["Range"], header["If-Range"] = fmt.Sprintf("bytes=%d-", p.have), p.mark
	}
	res, err := f.get(ctx, base, want.Name, header)
	if err != nil {
		return becauseOf(ctx, err)
	}
	defer res.Body.Close()
	if err := p.begin(res); err != nil {
		return fmt.Errorf("fetch %s: %w", want.Name, err)
	}
	var limit *rate.Limiter
	if f.BytesPerSecond > 0 {
		limit = rate.NewLimiter(rate.Limit(f.BytesPerSecond), len(p.buf))
	}
	for since := int64(0); p.have < want.Size; {
		n, err := res.Body.Read(p.buf[:min(int64(len(p.buf)), want.Size-p.have)])
		if n > 0 {
			idle.Reset(f.Idle)
			if _, err := p.Write(p.buf[:n]); err != nil {
				return err
			}
			p.have += int64(n)
			f.tell(want, p.have)
			if since += int64(n); since >= syncEvery {
				since = 0
				if err := p.Sync(); err != nil {
					return err
				}
			}
			if limit != nil {
				if err := limit.WaitN(ctx, n); err != nil {
					return becauseOf(ctx, err)
				}
				idle.Reset(f.Idle)
			}
		}
		if err != nil && p.have < want.Size {
			return becauseOf(ctx, fmt.Errorf("fetch %s: after %d of %d bytes: %w", want.Name, p.have, want.Size, errors.Join(err, p.Sync())))
		}
	}
	return nil
}

// becauseOf names the reason for which we gave up ourselves.
func becauseOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil && !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}
