package config

import (
	"fmt"
	"os"
	"strings"
)

// Warnings says what is allowed and yet seldom meant, in the order of the
// lines. It looks at the mode of files, at nothing else outside.
func (c *Config) Warnings() Problems {
	w := warner{c: c}
	w.uplink()
	w.streams()
	w.subStreams()
	w.apps()
	w.kiosk()
	if c.Board.Socket != "" && c.Board.Driver != DriverSim {
		w.addf("board.socket", "means nothing with driver %s", c.Board.Driver)
	}
	if len(c.Streams)+len(c.Apps)+len(c.Kiosk.Buttons)+len(c.Sensors)+len(c.Lines) == 0 {
		w.addf("device", "no streams, no apps, no buttons, no sensors and no lines: the device only says that it is alive")
	}
	return w.all.sorted()
}

// warner collects warnings.
type warner struct {
	c      *Config
	all    Problems
	inline bool // one about the mode of the file is enough
}

func (w *warner) addf(path, format string, args ...any) {
	at := closest(w.c.marks, path)
	w.all = append(w.all, Problem{File: w.c.File, Line: at.line, Column: at.column, Path: path, Text: fmt.Sprintf(format, args...)})
}

func (w *warner) uplink() {
	u := w.c.Uplink
	if u.Acknowledge == ByBroker {
		w.addf("uplink.acknowledge", "records leave the disk when the broker has them; a broker that drops or loses one loses it for good")
	}
	metered := false
	for i, b := range u.Brokers {
		path := fmt.Sprintf("uplink.brokers[%d]", i)
		metered = metered || b.Metered
		w.credentials(path, b.inURL, b.Password)
		if strings.HasPrefix(b.URL, "mqtt://") && !loopback(b.URL) {
			w.addf(path+".url", "not encrypted: everybody on the way can read complaints and the password; write mqtts://")
		}
	}
	if u.MegabytesPerDay > 0 && !metered {
		w.addf("uplink.megabytes_per_day", "no broker is metered, so it limits nothing; write metered: true at the broker that it is for")
	}
}

func (w *warner) streams() {
	first := map[string]int{}
	for i, s := range w.c.Streams {
		path := fmt.Sprintf("streams[%d]", i)
		w.credentials(path, s.inURL, s.Password)
		same := rtspURL.same(s.URL)
		if before, ok := first[same]; ok {
			w.addf(path+".url", "the same camera as streams[%d]; it is asked for its stream twice", before)
			continue
		}
		first[same] = i
	}
}

// credentials warns of passwords that stand in the file itself.
func (w *warner) credentials(path string, u userinfo, s Secret) {
	if u.password != nil {
		w.addf(path+".url", "holds a password; it is safer in a file named by password_file")
	}
	if s.inline == nil || w.inline {
		return
	}
	info, err := os.Stat(w.c.File)
	if err != nil || info.Mode().Perm()&0o004 == 0 {
		return // parsed from elsewhere, or kept to its owner and group
	}
	w.inline = true
	key := path + ".password"
	if u.password != nil {
		key = path + ".url"
	}
	w.addf(key, "a password in a file that every user of this machine can read; chmod 640 it, or use password_file")
}
