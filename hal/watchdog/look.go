package watchdog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Facts are what the driver tells of a watchdog without its being opened, which
// would start it.
type Facts struct {
	Device     string
	Identity   string
	Running    bool          // somebody feeds it
	Timeout    time.Duration // 0 is not told
	Left       time.Duration // until it bites, while it runs; 0 is not told
	NoWayOut   bool          // once started it can't be stopped
	CausedBoot bool
}

// bitten is WDIOF_CARDRESET in bootstatus (include/uapi/linux/watchdog.h).
const bitten = 0x20

// Look reads what sysfs has of a watchdog (Documentation/ABI/testing/sysfs-class-watchdog).
func (m Machine) Look(device string) (Facts, error) {
	dir := filepath.Join(m.class(), nameOf(device))
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return Facts{}, fmt.Errorf("watchdog %s: the kernel knows none of that name; there is %s", device, m.there())
	} else if err != nil {
		return Facts{}, fmt.Errorf("watchdog %s: %w", device, err)
	}
	read := func(file string) string {
		text, _ := os.ReadFile(filepath.Join(dir, file)) // not each driver has each
		return strings.TrimSpace(string(text))
	}
	seconds := func(file string) time.Duration {
		n, _ := strconv.ParseInt(read(file), 10, 32) // "" is not told
		return time.Duration(n) * time.Second
	}
	cause, _ := strconv.ParseInt(read("bootstatus"), 0, 64)
	return Facts{
		Device: device, Identity: read("identity"), Running: read("state") == "active",
		Timeout: seconds("timeout"), Left: seconds("timeleft"),
		NoWayOut: m.noWayOut(device), CausedBoot: cause&bitten != 0,
	}, nil
}

func (m Machine) there() string {
	all, _ := filepath.Glob(filepath.Join(m.class(), "watchdog*")) // the pattern is well formed
	if len(all) == 0 {
		return "none: switch it on in the firmware or load its driver, as dtparam=watchdog=on on a Raspberry Pi"
	}
	for i, a := range all {
		all[i] = "/dev/" + filepath.Base(a)
	}
	return strings.Join(all, ", ")
}
