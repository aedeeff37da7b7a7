package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// check looks at what the table can't see: values that don't go together. A
// value that is wrong by itself is not looked at again.
func (d *decoder) check(c *Config) {
	d.checkSite()
	d.checkSpool(c)
	d.checkUplink(&c.Uplink)
	for i := range c.Streams {
		d.checkStream(&c.Streams[i], fmt.Sprintf("streams[%d]", i))
		d.checkSub(c, i)
	}
	d.once("streams[%d].name", len(c.Streams), func(i int) string { return c.Streams[i].Name })
	d.checkGroups(c)
	d.checkApps(c.Apps)
	d.checkBoard(c)
	d.checkKiosk(&c.Kiosk)
	d.checkSensors(c)
	d.checkRelays(c)
}

// given tells whether a value is there, good and not the empty text, which
// stands for none.
func (d *decoder) given(path string) bool { return d.there(path) && !d.bad[path] }

// there tells whether a value is there, be it good or not.
func (d *decoder) there(path string) bool {
	_, ok := d.marks[path]
	return ok && !d.empty[path]
}

// at is the place of a value, or of the section that it is missing from.
func (d *decoder) at(path string) mark { return closest(d.marks, path) }

func closest(marks map[string]mark, path string) mark {
	for path != "" {
		if m, ok := marks[path]; ok {
			return m
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return mark{1, 1}
}

// together sees to it that both of two keys are there or none; one with a wrong
// value is there.
func (d *decoder) together(path, a, b string) {
	if !d.there(join(path, a)) {
		a, b = b, a
	}
	if _, both := d.marks[join(path, b)]; d.there(join(path, a)) && !both {
		d.addf(d.at(join(path, a)), join(path, a), "there is no %s; %s and %s come together", b, a, b)
	}
}

// once finds a value that stands twice. form makes the path of the i-th.
func (d *decoder) once(form string, n int, value func(int) string) {
	first := map[string]string{}
	for i := range n {
		path := fmt.Sprintf(form, i)
		v := value(i)
		if v == "" || d.bad[path] {
			continue
		}
		if before, ok := first[v]; ok {
			d.addf(d.at(path), path, "the same as %s in line %d; each needs its own", before, d.at(before).line)
			continue
		}
		first[v] = path
	}
}

func (d *decoder) checkSite() { d.together("site", "lat", "lon") }

func (d *decoder) checkSpool(c *Config) {
	m := c.Spool.Mirror
	if m == "" || !d.given("spool.mirror") || d.bad["data"] {
		return
	}
	if within(m, c.Data) || within(c.Data, m) {
		d.addf(d.at("spool.mirror"), "spool.mirror", "%s and data %s lie in one another; name a directory of its own, best on a second storage", show(m), show(c.Data))
	}
}

func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

func (d *decoder) checkUplink(u *Uplink) {
	for i := range u.Brokers {
		d.checkBroker(&u.Brokers[i], fmt.Sprintf("uplink.brokers[%d]", i))
	}
	d.once("uplink.brokers[%d].url", len(u.Brokers), func(i int) string {
		b := u.Brokers[i]
		if b.URL == "" {
			return ""
		}
		return mqttURL.same(b.URL) + " " + b.Interface
	})
	const key = "uplink.centre_key"
	if _, ok := d.marks["uplink"]; !ok || d.bad["uplink"] || d.bad["uplink.acknowledge"] || d.bad[key] {
		return
	}
	if u.Acknowledge == ByCentre && u.CentreKey == "" {
		d.addf(d.at(key), key, "missing; write what `kentongan-centre key` prints, or acknowledge: broker where no centre of ours is behind the broker")
	}
}

func (d *decoder) checkBroker(b *Broker, path string) {
	d.credentials(path, &b.Username, &b.Password, b.inURL)
	d.together(path, "cert", "key")
	if strings.HasPrefix(b.URL, "mqtt://") {
		d.onlyWith(path, "mqtts://", "ca", "cert", "key", "server_name")
	}
}

func (d *decoder) checkStream(s *Stream, path string) {
	d.credentials(path, &s.Username, &s.Password, s.inURL)
	d.checkRects(join(path, "picture.masks"), s.Picture.Masks)
	d.checkRects(join(path, "privacy_masks"), s.PrivacyMasks)
	if strings.HasPrefix(s.URL, "rtsp://") {
		d.onlyWith(path, "rtsps://", "ca", "fingerprint")
	}
	if d.given(join(path, "ca")) && d.given(join(path, "fingerprint")) && s.CA != "" && s.Fingerprint != "" {
		d.addf(d.at(join(path, "fingerprint")), join(path, "fingerprint"), "there is a ca too; write one of the two")
	}
}

// onlyWith names TLS keys beside a URL without TLS: who wrote them believes in
// an encryption that there is not.
func (d *decoder) onlyWith(path, scheme string, keys ...string) {
	for _, k := range keys {
		if at := join(path, k); d.given(at) {
			d.addf(d.at(at), at, "means nothing without TLS; write %s in url or remove it", scheme)
		}
	}
}

// credentials joins the ways to give a user name and password; there may be
// one of each.
func (d *decoder) credentials(path string, username *string, password *Secret, u userinfo) {
	hasUser, url := d.given(join(path, "username")), join(path, "url")
	hasInline, hasFile := d.given(join(path, "password")), d.given(join(path, "password_file"))
	if hasInline && hasFile {
		d.addf(d.at(join(path, "password")), join(path, "password"), "there is a password_file too; write one of the two")
	}
	if u.given {
		if hasUser {
			d.addf(d.at(url), url, "holds a user name, and there is username too; remove the one in url")
		}
		if u.password != nil && (hasInline || hasFile) {
			d.addf(d.at(url), url, "holds a password, and there is another below; remove the one in url")
		}
		*username = u.username
		if u.password != nil {
			password.inline = u.password
		}
	}
	if *username == "" && password.IsSet() && !d.bad[join(path, "username")] {
		key := "password"
		if hasFile {
			key = "password_file"
		}
		if u.password != nil {
			key = "url"
		}
		d.addf(d.at(join(path, key)), join(path, key), "a password without a user name; write username too")
	}
}

// maxSocketPath is what sun_path of unix(7) holds, without the zero at its end.
const maxSocketPath = 107

func (d *decoder) checkBoard(c *Config) {
	b := c.Board
	if d.bad["board.driver"] || d.bad["board"] {
		return
	}
	if b.Driver == DriverSim && b.Socket == "" && !d.bad["board.socket"] {
		d.addf(d.at("board.socket"), "board.socket", "missing; driver sim needs the path of its control socket, as socket: board.sock")
	}
	if len(b.Socket) > maxSocketPath && d.given("board.socket") {
		d.addf(d.at("board.socket"), "board.socket", "the path has %d bytes; a socket's has at most %d", len(b.Socket), maxSocketPath)
	}
	if b.Driver != DriverNone {
		return
	}
	d.checkBoardless(&c.Kiosk)
}

// wire is one use of a line.
type wire struct{ path, chip, line string }

var offsetForm = regexp.MustCompile(`^[0-9]+$`)

// same tells whether two uses mean one line. "" is any chip, so it may be the
// other's.
func (w wire) same(o wire) bool {
	return w.line == o.line && (w.chip == o.chip || w.chip == "" || o.chip == "")
}

func (d *decoder) checkLines(lines []wire) { d.checkLinesBeside(nil, lines) }

// checkLinesBeside looks at lines, beside others that were looked at before.
func (d *decoder) checkLinesBeside(others, lines []wire) {
	for i, w := range lines {
		if w.line == "" || d.bad[w.path] {
			continue
		}
		if offsetForm.MatchString(w.line) && w.chip == "" {
			d.addf(d.at(w.path), w.path, "%s is a line's number, which needs its chip; write chip: gpiochip0 too, or the line's name, as GPIO%s", w.line, w.line)
		}
		for _, o := range slices.Concat(others, lines[:i]) {
			if w.same(o) && !d.bad[o.path] {
				d.addf(d.at(w.path), w.path, "line %s is used by %s already, in line %d of this file; each needs its own", show(w.line), strings.TrimSuffix(o.path, ".line"), d.at(o.path).line)
				break
			}
		}
	}
}
