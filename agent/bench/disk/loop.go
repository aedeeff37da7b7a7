// Package disk makes a disk to measure on: an ext4 file system on a loop device
// of its own, so that the block layer's counters count nothing but the
// contestant.
package disk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Disk is a directory to measure in, and the device below it where it has one
// of its own.
type Disk struct {
	Dir   string // mount point, or a plain temporary directory
	Why   string // why there are no counters; empty when there are
	image string
	loop  string // /dev/loopN
}

// Loop makes a file system of that many bytes on a loop device. Without the
// rights to do so it returns a plain directory whose Why says what to do, and
// whose counters are not available. The caller calls Remove.
func Loop(parent string, bytes int64) (*Disk, error) {
	base, err := os.MkdirTemp(parent, "kentongan-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a directory to measure in: %w", err)
	}
	d := &Disk{Dir: filepath.Join(base, "disk"), image: filepath.Join(base, "image")}
	if err := os.Mkdir(d.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a directory to measure in: %w", err)
	}
	if os.Getuid() != 0 {
		d.Why = "not root: no loop device of its own, so bytes and flushes are not measured; run as root for them"
		return d, nil
	}
	if err := d.mount(bytes); err != nil {
		d.Why = fmt.Sprintf("no loop device of its own, so bytes and flushes are not measured: %v", err)
	}
	return d, nil
}

// mount fills the image with zeros first, so that the file system below
// allocates nothing while we measure.
func (d *Disk) mount(bytes int64) error {
	if err := fill(d.image, bytes); err != nil {
		return err
	}
	// Direct I/O: a flush of the loop device then has no page cache to empty.
	out, err := run("losetup", "--find", "--show", "--direct-io=on", d.image)
	if err != nil {
		return err
	}
	d.loop = out
	// Nothing may be left for ext4 to initialise in the background, and who makes
	// a file for each record needs inodes.
	if _, err := run("mkfs.ext4", "-q", "-i", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", d.loop); err != nil {
		return errors.Join(err, d.detach())
	}
	if _, err := run("mount", "-o", "noatime", d.loop, d.Dir); err != nil {
		return errors.Join(err, d.detach())
	}
	return nil
}

func (d *Disk) detach() error {
	_, err := run("losetup", "--detach", d.loop)
	d.loop = ""
	return err
}

// Remove unmounts the file system and deletes everything.
func (d *Disk) Remove() error {
	var errs []error
	if d.loop != "" {
		if _, err := run("umount", d.Dir); err != nil {
			return err // deleting now would delete what is mounted
		}
		errs = append(errs, d.detach())
	}
	return errors.Join(append(errs, os.RemoveAll(filepath.Dir(d.Dir)))...)
}

// Sync writes out everything that the file system of dir holds back.
func Sync(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync file system: %w", err)
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("sync file system of %s: %w", dir, err)
	}
	return nil
}

// fill writes zeros and syncs them.
func fill(file string, bytes int64) error {
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("make disk image: %w", err)
	}
	zero := make([]byte, 1<<20)
	for at := int64(0); at < bytes && err == nil; at += int64(len(zero)) {
		_, err = f.Write(zero)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("make disk image of %d bytes: %w", bytes, err)
	}
	return nil
}

func run(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, text)
	}
	return text, nil
}
