package firmware

import (
	"errors"
	"path"
)

// errDamaged is a file of the update directory that was read and is not what we
// write. Our own writing leaves none; a card that fails does.
var errDamaged = errors.New("damaged")

// mend removes what is damaged of the files that say how things went: one that
// can't be understood would keep every later update out, and somebody would have to
// come. Without them the number that runs still keeps older releases out. The key
// list is left as it is: what is believed is not for a damaged card to change.
func (d *Dir) mend(slot string) error {
	var t Trial
	var f Floor
	_, rerr := d.release(slot)
	var errs []error
	for name, err := range map[string]error{
		trialFile: loadJSON(d.fs, trialFile, &t), floorFile: loadJSON(d.fs, floorFile, &f), slotPath(slot, releaseFile): rerr,
	} {
		if errors.Is(err, errDamaged) {
			errs = append(errs, err, d.fs.Remove(name), d.fs.SyncDir(path.Dir(name)))
		}
	}
	return errors.Join(errs...)
}
