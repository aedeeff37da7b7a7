package store

import (
	"fmt"
	"math"
	"time"

	"kentongan/agent/report"
)

// firmware takes what a birth says of the device's versions.
func (w *writer) firmware(device string, f *report.Firmware) error {
	w.out.Versions = true
	if f == nil {
		return w.exec(deleteFirmware, device)
	}
	var issued int64
	// Whatever else a device says is no time of a release.
	if f.Issued != nil && f.Issued.After(time.Unix(0, 0)) && f.Issued.Before(time.Unix(1<<33, 0)) {
		issued = f.Issued.UnixMilli()
	}
	if err := w.exec(upsertFirmware, device, int64(min(f.Number, math.MaxInt64)), issued, report.Clip(f.Trial, 40), w.now); err != nil {
		return fmt.Errorf("write versions of %s: %w", device, err)
	}
	return nil
}

// update takes a step of a release.
func (w *writer) update(r report.Received) error {
	var u report.Update
	if !w.body(r, &u) {
		return nil
	}
	w.out.Versions, w.out.State = true, true
	err := w.exec(upsertUpdate, r.Device, int64(min(u.Number, math.MaxInt64)), report.Clip(u.State, 32), report.Clip(u.Version, 64), report.Clip(u.Code, 32), report.Clip(u.Detail, 400),
		r.Epoch.String(), int64(r.Seq), w.now)
	if err != nil {
		return fmt.Errorf("write release of %s: %w", r.Device, err)
	}
	return nil
}
