package firmware

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Dir is the update directory of a board:
//
//	current -> slots/a     what runs; switched by one rename
//	slots/a/kentongan      a program, and the release that it came from
//	slots/a/release
//	slots/b/...            the other one
//	keys                   the key list that is believed
//	floor                  the highest number seen, what failed here
//	trial                  the newest switch, and how it went
//
// It belongs to root; the agent, which is another user, only reads.
type Dir struct{ fs FS }

// NewDir is the directory behind d.
func NewDir(d FS) *Dir { return &Dir{fs: d} }

// Init makes an empty directory ready: a key list to believe and a first
// program in slot a. What is there already stays, so it can be done again, and
// a power cut in the middle is mended by doing it again. releaseNote may be nil
// where the program came from no release.
func (d *Dir) Init(keysNote []byte, first io.Reader, releaseNote []byte) error {
	if _, err := FirstKeys(keysNote); err != nil {
		return err
	}
	for _, name := range []string{slotsDir, slotsDir + "/a", slotsDir + "/b"} {
		if err := d.fs.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make update directory: %w", err)
		}
	}
	if err := errors.Join(d.fs.SyncDir(slotsDir), d.fs.SyncDir(".")); err != nil {
		return fmt.Errorf("make update directory: %w", err)
	}
	if old, err := load(d.fs, keysFile); err != nil {
		return err
	} else if old == nil {
		if err := save(d.fs, keysFile, 0o644, keysNote); err != nil {
			return err
		}
	}
	if _, err := d.Current(); err == nil {
		return nil
	}
	if err := d.fill("a", first, releaseNote); err != nil {
		return err
	}
	return d.point("a")
}

// InitFrom is Init with the key list, the program and the release of a source,
// which must be signed as an update must. It is how a package brings the first
// version.
func (d *Dir) InitFrom(s Source, dev Device) error {
	keysNote, releaseNote, err := ReadNotes(s)
	if err != nil {
		return err
	}
	keys, err := FirstKeys(keysNote)
	if err != nil {
		return err
	}
	_, _, p, err := Check(keysNote, releaseNote, keys, Floor{}, 0, dev)
	if err != nil {
		return err
	}
	packed, err := s.Open(p.Packed.Name)
	if err != nil {
		return sourceError(p.Packed.Name, err)
	}
	var program bytes.Buffer // MaxPayloadBytes at most
	err = unpack(&program, packed, p.Packed, p, nil)
	if err = errors.Join(err, packed.Close()); err != nil {
		return err
	}
	return d.Init(keysNote, &program, releaseNote)
}

// Current is the slot that runs, a or b.
func (d *Dir) Current() (string, error) {
	target, err := d.fs.Readlink(currentLink)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", currentLink, err)
	}
	slot, ok := strings.CutPrefix(target, slotsDir+"/")
	if !ok || slot != "a" && slot != "b" {
		return "", fmt.Errorf("%s points to %q, want %s/a or %s/b", currentLink, target, slotsDir, slotsDir)
	}
	return slot, nil
}

func other(slot string) string {
	if slot == "a" {
		return "b"
	}
	return "a"
}

// point makes slot the one that runs. At every moment current is the old or the
// new one.
func (d *Dir) point(slot string) error {
	err := func() error {
		tmp := currentLink + ".new"
		if err := d.fs.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := d.fs.Symlink(slotsDir+"/"+slot, tmp); err != nil {
			return err
		}
		if err := d.fs.Rename(tmp, currentLink); err != nil {
			return err
		}
		return d.fs.SyncDir(".")
	}()
	if err != nil {
		return fmt.Errorf("switch to slot %s: %w", slot, err)
	}
	return nil
}

// fill writes a program and its release into a slot that does not run.
func (d *Dir) fill(slot string, from io.Reader, releaseNote []byte) error {
	f, err := d.fs.Create(slotPath(slot, program+".new"), 0o755)
	if err != nil {
		return fmt.Errorf("fill slot %s: %w", slot, err)
	}
	_, err = io.Copy(f, from)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("fill slot %s: %w", slot, err)
	}
	return d.settle(slot, releaseNote)
}

// settle gives a program that lies synced beside its place that place, together
// with the release. Without the first step a cut would leave the new program
// under the old release.
func (d *Dir) settle(slot string, releaseNote []byte) error {
	if err := d.fs.Remove(slotPath(slot, releaseFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("fill slot %s: %w", slot, err)
	}
	dir := slotPath(slot, "")
	if err := d.fs.SyncDir(dir); err != nil {
		return fmt.Errorf("fill slot %s: %w", slot, err)
	}
	if err := d.fs.Rename(slotPath(slot, program+".new"), slotPath(slot, program)); err != nil {
		return fmt.Errorf("fill slot %s: %w", slot, err)
	}
	if err := d.fs.SyncDir(dir); err != nil || releaseNote == nil {
		return err
	}
	return save(d.fs, slotPath(slot, releaseFile), 0o644, releaseNote)
}

func slotPath(slot, name string) string { return path.Join(slotsDir, slot, name) }

// release is what a slot holds; the zero Release where it came from none.
func (d *Dir) release(slot string) (Release, error) {
	msg, err := load(d.fs, slotPath(slot, releaseFile))
	if err != nil || msg == nil {
		return Release{}, err
	}
	text, err := unsigned(msg)
	if err != nil {
		return Release{}, fmt.Errorf("slot %s: release: %w: %w", slot, errDamaged, err)
	}
	r, err := ParseRelease(text)
	if err != nil {
		return Release{}, fmt.Errorf("slot %s: %w: %w", slot, errDamaged, err)
	}
	return r, nil
}

// Keys is the key list that this board believes.
func (d *Dir) Keys() (Keys, error) {
	msg, err := load(d.fs, keysFile)
	if err != nil {
		return Keys{}, err
	}
	if msg == nil {
		return Keys{}, fmt.Errorf("no key list in the update directory; install one with `kentongan install`")
	}
	return FirstKeys(msg)
}

// runnable tells whether a slot holds something that can be started: a program
// as the kernel knows it, and not the empty file that an unfinished write
// leaves.
func (d *Dir) runnable(slot string) error {
	name := slotPath(slot, program)
	f, err := d.fs.Open(name)
	if err != nil {
		return err
	}
	head := make([]byte, 4)
	_, err = io.ReadFull(f, head)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !bytes.Equal(head, []byte("\x7fELF")) && !bytes.HasPrefix(head, []byte("#!")) {
		return fmt.Errorf("%s is no program", name)
	}
	return nil
}
