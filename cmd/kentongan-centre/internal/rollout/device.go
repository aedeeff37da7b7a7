package rollout

import (
	"fmt"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

const (
	// mostTries is how often a device is ordered in all. What the device refuses is
	// not tried again; what did not come about is, in the next hours.
	mostTries = 3
	// answerAfter is how long after an order has expired its answer may come.
	answerAfter = 2 * time.Minute
	// fetchAfter is how long after its order has expired a release may be fetched
	// without word of it.
	fetchAfter = 30 * time.Minute
	// lostAfter is how long nothing may be heard of a device that has a release and
	// starts it: a trial takes ten minutes, and the launcher ends it.
	lostAfter = 2 * time.Hour
)

// Why a device failed, beside the codes of the devices' own refusals.
const (
	whyUnanswered = "unanswered" // nothing came back
	whyOrder      = "order"      // the device refused the order, or could not look at the release
	whySlow       = "slow"       // it was not fetched in time
	whySilent     = "silent"     // not heard of since
	whyLeft       = "left"       // it was proven, and now an older one runs
	whyMoved      = "moved"      // another agency has the device now
)

// again are refusals that say nothing of the release.
var again = map[string]bool{"window": true, "trial-runs": true, "unavailable": true}

// next says where a device stands, by what is known of it. It changes the state,
// the code, the detail and the time, and leaves the rest; what it returns is the
// same when nothing has happened.
func next(d store.RolloutDevice, number uint64, now time.Time) store.RolloutDevice {
	to := func(state, code, detail string) store.RolloutDevice {
		if state == d.State && code == d.Code {
			return d
		}
		d.State, d.Code, d.Detail, d.Changed = state, code, detail, now
		return d
	}
	retry := func(code, detail string) store.RolloutDevice {
		if d.Tries >= mostTries {
			return to(store.DeviceFailed, code, detail)
		}
		return to(store.DeviceWaiting, code, detail)
	}
	group := store.RolloutGroup(d.State)
	if group == "missed" {
		return d
	}
	if group == "proven" {
		if d.RunsAt > d.Changed.UnixMilli() && d.Runs < number {
			return to(store.DeviceWentBack, whyLeft, fmt.Sprintf("release %d runs there again", d.Runs))
		}
		return d
	}
	if runs(d.Runs, d.Trial, number) {
		if d.Tries == 0 {
			return to(store.DeviceAlready, "", "")
		}
		return to(store.DeviceCommitted, "", "")
	}
	if d.Ordered == nil || d.Code == whyLeft { // of which the events are from before
		return d
	}
	switch step, code, detail := newest(d); step {
	case report.UpdateCommitted:
		return to(store.DeviceCommitted, "", "")
	case report.UpdateWentBack:
		return to(store.DeviceWentBack, "", detail)
	case report.UpdateRefused:
		switch {
		case group != "underway":
			return d
		case again[code]:
			return retry(code, detail)
		}
		return to(store.DeviceRefused, code, detail)
	case report.UpdateFetched, report.UpdateTrying:
		state := map[string]string{report.UpdateFetched: store.DeviceFetched, report.UpdateTrying: store.DeviceTrying}[step]
		if group == "failed" {
			return d // it says too late that it is on its way
		}
		if d.State == state {
			break
		}
		return to(state, "", "")
	}
	late := func(after time.Duration) bool { return now.After(d.Expires.Add(after)) }
	switch d.State {
	case store.DeviceOrdered:
		switch {
		case d.OrderState == report.CommandSucceeded:
			return to(store.DeviceFetching, "", "")
		case d.OrderState == report.CommandFailed, d.OrderState == report.CommandRejected:
			return retry(whyOrder, strings.TrimLeft(d.OrderReason+": "+d.OrderDetail, ": "))
		case late(answerAfter):
			return retry(whyUnanswered, "")
		}
	case store.DeviceFetching:
		if late(fetchAfter) {
			return retry(whySlow, "")
		}
	case store.DeviceFetched, store.DeviceTrying:
		if now.After(d.Changed.Add(lostAfter)) {
			return to(store.DeviceLost, whySilent, "")
		}
	}
	return d
}

// runs tells whether a device that says this of itself runs a release for good.
func runs(have uint64, trial string, number uint64) bool {
	return have >= number && trial != report.UpdateTrying && trial != "going-back"
}

// newest is the newest event since the order, of this release or of one whose
// number the device could not tell.
func newest(d store.RolloutDevice) (step, code, detail string) {
	since := d.Ordered.UnixMilli()
	if d.StepAt >= since && d.StepAt >= d.BareAt {
		return d.Step, d.StepCode, d.StepDetail
	}
	if d.BareAt >= since {
		return d.Bare, d.BareCode, d.BareDetail
	}
	return "", "", ""
}
