package config

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// Update says how new versions come; no Dir is none.
type Update struct {
	Dir            string // update directory, of root
	Healthy        string // file where a version on trial says that it is well
	URL            string // of the directory with the release; "" is only by order
	Every          time.Duration
	Hold           time.Duration
	Hours          string // 01:00-05:00 local time; "" is any time
	BytesPerSecond int64
	StaleAfter     time.Duration // 0 is never
}

func (u *Update) fields(dir string) []field {
	return []field{
		path("dir", &u.Dir, dir).like("/var/lib/kentongan-firmware").
			says("The update directory, made by the package or by `kentongan install`. Without it, the one in which the running program lies; a program that lies in none takes no new version by itself."),
		path("healthy", &u.Healthy, dir).defaults("/run/kentongan/healthy").
			says("File in which a version on trial says that it is well. The service's unit names the same."),
		text("url", &u.URL, checkUpdateURL).like("https://centre.example/firmware/stable").
			says("Directory on a web server with the release to run. Without it a release comes only by an order of the centre, or on a stick."),
		duration("every", &u.Every, 10*time.Minute, 30*24*time.Hour).defaults("24h").
			says("Time between two looks at url, give or take half: a province's devices must not all come at once."),
		text("hours", &u.Hours, checkHours).matching(hoursForm.String()).like("01:00-05:00").
			says("Hours, by the device's local time, in which the version may be changed. Without it, or while the clock is not set, any."),
		duration("hold", &u.Hold, 5*time.Second, 8*time.Minute).defaults("1m").
			says("How long a new version has to be well without a break before it stays. It has 10 minutes in all; then the one before comes back."),
		size("bytes_per_second", &u.BytesPerSecond, 0, gib).defaults("0B").
			says("Most that a download takes of the link; 0B is all of it."),
		duration("stale_after", &u.StaleAfter, 0, 10*365*24*time.Hour).defaults("1080h").
			says("When nothing new was seen at url in so much time that the device was on, it is an alarm: somebody may keep it from the device. 0s is never."),
	}
}

// setOwnDir names the update directory in which this program lies, so that a
// service that was installed updates itself without a word in its configuration.
func (u *Update) setOwnDir() {
	if program, err := os.Executable(); err == nil {
		u.Dir = updateDirOf(program)
	}
}

// updateDirOf is DIR of DIR/slots/a/kentongan, "" where the program lies elsewhere.
func updateDirOf(program string) string {
	slot := filepath.Dir(program)
	slots := filepath.Dir(slot)
	if n := filepath.Base(slot); filepath.Base(slots) != "slots" || n != "a" && n != "b" {
		return ""
	}
	return filepath.Dir(slots)
}

func checkUpdateURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return errors.New("is no address of a directory; write https://HOST/PATH")
	}
	return nil
}

var hoursForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$`)

func checkHours(s string) error {
	if !hoursForm.MatchString(s) || s[:5] == s[6:] {
		return errors.New("are no hours; write 01:00-05:00")
	}
	return nil
}
