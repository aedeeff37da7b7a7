package firmware

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Lock opens an update directory for changing it, and waits while somebody else
// does. The returned function lets go; so does the end of the process.
func Lock(dir string) (*Dir, func(), error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("open update directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open update directory: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("lock update directory: %w", err), lock.Close())
	}
	disk, err := OpenDisk(dir)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open update directory: %w", err), lock.Close())
	}
	return NewDir(disk), func() { disk.Close(); lock.Close() }, nil
}
