package firmware

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// reserve is what stays free on the disk beside a new program.
const reserve = 4 << 20

// Options of Apply.
type Options struct {
	Device Device
	// Try starts a new program before anything points to it, and says whether
	// it is the version that it should be; nil tries nothing. The name is
	// relative to the update directory.
	Try func(ctx context.Context, program string, r Release) error
	// Progress is told how far the unpacking is, in bytes; nil is told nothing.
	Progress func(done, of int64)
}

// Apply verifies a source and makes its program the one that starts next, on
// trial. A Refusal leaves everything as it was, but for a newer key list, which
// is kept. After a power cut in it, doing it again ends it.
//
// It doesn't start anything; the caller restarts the service.
func (d *Dir) Apply(ctx context.Context, s Source, o Options) (Trial, error) {
	plan, err := d.plan(s, o.Device)
	if err != nil {
		return Trial{}, err
	}
	if err := d.room(plan); err != nil {
		return Trial{}, err
	}
	// The key list first: it holds whatever becomes of the release.
	if plan.newKeys {
		if err := save(d.fs, keysFile, 0o644, plan.keysNote); err != nil {
			return Trial{}, err
		}
	}
	slot := other(plan.current)
	if err := d.unpackInto(ctx, slot, s, plan, o); err != nil {
		return Trial{}, errors.Join(err, d.clean(slot))
	}
	if err := d.settle(slot, plan.releaseNote); err != nil {
		return Trial{}, err
	}
	floor := plan.floor
	floor.Number, floor.Release = plan.release.Number, textHash(plan.release.Text())
	if err := saveJSON(d.fs, floorFile, floor); err != nil {
		return Trial{}, err
	}
	t := Trial{
		Number: plan.release.Number, Version: plan.release.Version, Slot: slot,
		Previous: plan.current, Before: plan.running.Number, State: Trying,
	}
	if err := saveJSON(d.fs, trialFile, t); err != nil {
		return Trial{}, err
	}
	return t, d.point(slot)
}

// Check says what Apply would do, and does nothing.
func (d *Dir) Check(s Source, dev Device) (Release, error) {
	plan, err := d.plan(s, dev)
	if err != nil {
		return plan.release, err
	}
	return plan.release, d.room(plan)
}

type plan struct {
	keysNote, releaseNote []byte
	newKeys               bool
	release               Release
	payload               Payload
	floor                 Floor
	current               string
	running               Release
}

func (d *Dir) plan(s Source, dev Device) (plan, error) {
	var p plan
	var t Trial
	var known Keys
	err := errors.Join(loadJSON(d.fs, trialFile, &t), loadJSON(d.fs, floorFile, &p.floor))
	if err == nil {
		known, err = d.Keys()
	}
	if err == nil {
		p.current, err = d.Current()
	}
	if err == nil {
		p.running, err = d.release(p.current)
	}
	if err != nil {
		return p, fmt.Errorf("read update directory: %w", err)
	}
	if t.State == Trying || t.State == GoingBack {
		return p, refuse(TrialRuns, "version %s (number %d) is on trial; wait until it is committed or has gone back", t.Version, t.Number)
	}
	if p.keysNote, p.releaseNote, err = ReadNotes(s); err != nil {
		return p, err
	}
	var keys Keys
	keys, p.release, p.payload, err = Check(p.keysNote, p.releaseNote, known, p.floor, p.running.Number, dev)
	p.newKeys = keys.Version > known.Version
	return p, err
}

// room asks for the new program's place. What an earlier unpacking left beside it
// is written over.
func (d *Dir) room(p plan) error {
	free, err := d.fs.Free()
	if err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	if left, err := d.fs.Size(slotPath(other(p.current), program+".new")); err == nil {
		free += left
	}
	if need := p.payload.Size + reserve; free < need {
		return refuse(NoSpace, "%.1f MiB free, %.1f needed; free some space and try again", float64(free)/(1<<20), float64(need)/(1<<20))
	}
	return nil
}

// unpackInto leaves the new program, synced, beside its place in a slot. A
// patch is tried first where one starts from what is here; whatever is wrong
// with it, the whole program is there too.
func (d *Dir) unpackInto(ctx context.Context, slot string, s Source, p plan, o Options) error {
	err := errNoPatch
	if base, patch, ok := d.patchFor(p); ok {
		err = d.write(ctx, slot, s, p, o, patch.Packed, base)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		err = d.write(ctx, slot, s, p, o, p.payload.Packed, nil)
	}
	if err != nil || o.Try == nil {
		return err
	}
	if err := o.Try(ctx, slotPath(slot, program+".new"), p.release); err != nil {
		return refuse(NoRun, "version %s does not start here: %v", p.release.Version, err)
	}
	return nil
}

var errNoPatch = errors.New("no patch fits")

// patchFor finds a patch whose base is the program that runs.
func (d *Dir) patchFor(p plan) (base []byte, patch Patch, ok bool) {
	if len(p.payload.Patch) == 0 {
		return nil, Patch{}, false
	}
	f, err := d.fs.Open(slotPath(p.current, program))
	if err != nil {
		return nil, Patch{}, false
	}
	base, err = io.ReadAll(io.LimitReader(f, MaxPayloadBytes+1))
	if errors.Join(err, f.Close()) != nil || len(base) > MaxPayloadBytes {
		return nil, Patch{}, false
	}
	hash := textHash(string(base))
	i := slices.IndexFunc(p.payload.Patch, func(q Patch) bool { return q.Base == hash })
	if i < 0 {
		return nil, Patch{}, false
	}
	return base, p.payload.Patch[i], true
}

func (d *Dir) write(ctx context.Context, slot string, s Source, p plan, o Options, packed File, base []byte) error {
	in, err := s.Open(packed.Name)
	if err != nil {
		return sourceError(packed.Name, err)
	}
	defer in.Close()
	f, err := d.fs.Create(slotPath(slot, program+".new"), 0o755)
	if err != nil {
		return fmt.Errorf("fill slot %s: %w", slot, err)
	}
	err = unpack(&progress{w: f, ctx: ctx, of: p.payload.Size, tell: o.Progress}, in, packed, p.payload, base)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

type progress struct {
	w        io.Writer
	ctx      context.Context
	done, of int64
	tell     func(done, of int64)
}

func (p *progress) Write(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := p.w.Write(b)
	p.done += int64(n)
	if p.tell != nil {
		p.tell(p.done, p.of)
	}
	return n, err
}

// clean removes what a failed unpacking left.
func (d *Dir) clean(slot string) error {
	err := d.fs.Remove(slotPath(slot, program+".new"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
