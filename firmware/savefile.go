package firmware

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// SaveFile writes a small file whole or not at all, in a directory that is there:
// when it returns, the new content is on the disk, and until then a power cut
// leaves the old one.
func SaveFile(file string, perm fs.FileMode, text []byte) error {
	disk, err := OpenDisk(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(save(disk, filepath.Base(file), perm, text), disk.Close())
}
