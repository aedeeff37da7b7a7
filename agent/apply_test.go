package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/report"
)

// own is an address of this machine that no other process of these tests uses, nor
// another one of them.
func own(test int) string {
	return fmt.Sprintf("127.%d.%d.%d", 44+test, os.Getpid()>>8&0xff, os.Getpid()&0xff)
}

// whole is a configuration with one of each unit, which listen at own. Its camera
// and its application are nowhere, which is no fault of the configuration.
func whole(own string) string {
	return liveHead + strings.ReplaceAll(`board: {driver: sim, socket: board.sock}
kiosk:
  number: 7
  buttons: [{name: road, line: GPIO17, debounce: 1ms, service_code: x, category: y, label: {id: a, en: b}}]
  lamps: {saved: {line: GPIO22}}
  screen: {listen: "OWN:8070"}
lines: [{name: door, kind: door, line: GPIO6}]
apps: [{name: bansos, url: "http://127.0.0.1:9/", label: {id: a, en: b}}]
metrics: {listen: "OWN:8071"}
page: {listen: "OWN:8072"}
checkpoints: {every: 1h}
stats_every: 1m
streams:
  - {name: gate, url: "rtsp://127.0.0.1:9/"}
`, "OWN", own)
}

// unitsOf are the units that run, by name.
func unitsOf(a *Agent) map[string]*unit {
	all := map[string]*unit{}
	for _, u := range a.crew.all() {
		all[u.name] = u
	}
	return all
}

// pressed counts the presses in records.
func (l *live) pressed() (n int) {
	for _, r := range records(l.t, l.a.spool, report.Complaint) {
		var p report.Press
		if err := json.Unmarshal(r.Body, &p); err != nil {
			l.t.Fatal(err)
		}
		n += p.Presses
	}
	return n
}

// hasItsLine waits until the kiosk has opened the line of its first button: a press
// before that is nobody's.
func (l *live) hasItsLine() {
	l.t.Helper()
	await(l.t, func() bool {
		k := l.a.kiosk.Load()
		return k != nil && k.Status().Buttons[0].State == "ok"
	})
}

// press presses a button for longer than it is debounced.
func (l *live) press() {
	for _, active := range []bool{true, false} {
		order(l.t, l.socket, fmt.Sprintf(`{"op":"set","line":"GPIO17","active":%v}`, active))
		<-time.After(2 * time.Millisecond)
	}
}

// TestPartsRefuse: a valid configuration that a part can't work with is not taken,
// by any part; all parts of the old one are the ones of before, and an event and the
// status say why. What was missing may come.
func TestPartsRefuse(t *testing.T) {
	t.Parallel()
	own := own(0)
	whole := whole(own)
	l := goLive(t, whole)
	await(t, func() bool { return order(t, l.socket, `{"op":"lines"}`) })
	taken, err := net.Listen("tcp", own+":8079")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	missing := filepath.Join(t.TempDir(), "not-there")
	garbage := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(garbage, []byte("no certificate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, version := unitsOf(l.a), l.a.ConfigStatus().Version
	edit := func(old, now string) string {
		if !strings.Contains(whole, old) {
			t.Fatalf("no %q", old)
		}
		// With a change of another part, which must not be begun either.
		return strings.Replace(strings.Replace(whole, old, now, 1), "checkpoints: {every: 1h}", "checkpoints: {every: 2h}", 1)
	}
	busy := fmt.Sprintf("listen: %q", taken.Addr())
	tests := []struct{ name, text, why, path string }{
		{"metrics", edit(`metrics: {listen: "`+own+`:8071"`, "metrics: {"+busy), "metrics: listen tcp " + taken.Addr().String(), ""},
		{"page", edit(`page: {listen: "`+own+`:8072"`, "page: {"+busy), "page: listen tcp " + taken.Addr().String(), ""},
		{"screen", edit(`screen: {listen: "`+own+`:8070"`, "screen: {"+busy), "kiosk: listen tcp " + taken.Addr().String(), ""},
		{"pictures", edit(`ffmpeg: "off"`, fmt.Sprintf("ffmpeg: %q", missing)), "not-there", "pictures.ffmpeg"},
		{"password of a camera", edit(`url: "rtsp://127.0.0.1:9/"`, fmt.Sprintf(`url: "rtsp://127.0.0.1:9/", username: a, password_file: %q`, missing)), "not-there", "streams[0].password_file"},
		{"authority of a camera", edit(`url: "rtsp://127.0.0.1:9/"`, fmt.Sprintf(`url: "rtsps://127.0.0.1:9/", ca: %q`, garbage)), "ca.pem", "streams[0].ca"},
		{"authority of an application", edit(`url: "http://127.0.0.1:9/"`, fmt.Sprintf(`url: "https://127.0.0.1:9/", ca: %q`, garbage)), "ca.pem", "apps[0].ca"},
		{"authority of the broker", edit(`url: "mqtt://127.0.0.1:9"`, fmt.Sprintf(`url: "mqtts://127.0.0.1:9", ca: %q`, garbage)), "ca.pem", "uplink.brokers[0].ca"},
	}
	for n, tt := range tests {
		l.save(tt.text)
		await(t, func() bool { return len(l.told()) == n+1 })
		s, told := l.a.ConfigStatus(), l.told()[n]
		if s.Version != version || s.RefusedAt == nil || len(s.Problems) == 0 || !strings.Contains(s.Problems[0].Text, tt.why) || s.Problems[0].Path != tt.path {
			t.Errorf("%s: status %+v, want %q at %q", tt.name, s, tt.why, tt.path)
		}
		if told.State != report.ConfigRefused || !strings.Contains(told.Detail, tt.why) || tt.path != "" && told.Line == 0 {
			t.Errorf("%s: told %+v", tt.name, told)
		}
		if page := (onPage{l.a}).Status().Config; len(page.Wrong) == 0 {
			t.Errorf("%s: the page says nothing: %+v", tt.name, page)
		}
		for name, u := range unitsOf(l.a) {
			if before[name] != u {
				t.Errorf("%s: unit %s is another", tt.name, name)
			}
		}
		if len(unitsOf(l.a)) != len(before) || l.a.current().Checkpoints.Every != time.Hour {
			t.Errorf("%s: runs with\n%s", tt.name, l.a.current())
		}
	}
	l.press()
	await(t, func() bool { return l.pressed() == 1 })

	// A secret that comes counts by itself; for all else somebody asks again.
	l.save(tests[4].text)
	await(t, func() bool { return len(l.told()) == len(tests)+1 })
	if err := os.WriteFile(missing, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return l.a.ConfigStatus().Version == config.VersionOf(tests[4].text) })
	l.save(tests[0].text)
	await(t, func() bool { return l.a.ConfigStatus().RefusedAt != nil })
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	l.again <- struct{}{}
	await(t, func() bool { return l.a.ConfigStatus().Version == config.VersionOf(tests[0].text) })
}

// TestUnmadeUnit: a unit that can't be made though it was tried, any of them, and
// the whole old configuration runs again.
func TestUnmadeUnit(t *testing.T) {
	t.Parallel()
	whole := whole(own(1))
	l := goLive(t, whole)
	await(t, func() bool { return order(t, l.socket, `{"op":"lines"}`) })
	keys := map[string]string{}
	for name, u := range unitsOf(l.a) {
		keys[name] = u.key
	}
	other := whole
	for _, each := range [][2]string{
		{"label: {id: a, en: b}}]\n  lamps", "label: {id: c, en: d}}]\n  lamps"}, {"GPIO6", "GPIO7"}, {`{name: bansos, url: "http://127.0.0.1:9/"`, `{name: bansos, url: "http://127.0.0.1:10/"`},
		{"every: 1h", "every: 2h"}, {"stats_every: 1m", "stats_every: 2m"}, {"rtsp://127.0.0.1:9/", "rtsp://127.0.0.1:10/"},
		{`ffmpeg: "off"`, "ffmpeg: auto"}, {":8071", ":8073"}, {":8072", ":8074"},
	} {
		if !strings.Contains(other, each[0]) {
			t.Fatalf("no %q", each[0])
		}
		other = strings.Replace(other, each[0], each[1], 1)
	}
	other += "  - {name: yard, url: \"rtsp://127.0.0.1:11/\"}\n"
	c, err := config.Parse(l.file, []byte(other))
	if err != nil {
		t.Fatal(err)
	}
	version := l.a.ConfigStatus().Version
	broken := errors.New("can't be made")
	names := len(l.a.plan(l.a.keeping(c)))
	if names != len(keys)+1 {
		t.Fatalf("%d units, %d planned", len(keys), names)
	}
	for i := range names {
		live := l.a.keeping(c)
		plan := l.a.plan(live)
		if k, ok := keys[plan[i].name]; ok && k == plan[i].key {
			t.Fatalf("unit %s is not another", plan[i].name)
		}
		plan[i].make = func() (*unit, error) { return nil, broken }
		plan[i].try, plan[i].listens = nil, ""
		if err := l.a.applyPlan(l.a.living, c, live, plan); err != nil {
			t.Fatalf("%s: %v", plan[i].name, err)
		}
		units := unitsOf(l.a)
		for name, key := range keys {
			if units[name] == nil || units[name].key != key {
				t.Errorf("%s: unit %s is not as before", plan[i].name, name)
			}
		}
		if len(units) != len(keys) || l.a.watcher("yard") != nil {
			t.Errorf("%s: %d units, want %d", plan[i].name, len(units), len(keys))
		}
		if s := l.a.ConfigStatus(); s.Version != version || s.RefusedAt == nil || !strings.Contains(s.Problems[0].Text, plan[i].name+": can't be made") {
			t.Errorf("%s: status %+v", plan[i].name, s)
		}
		await(t, func() bool { return len(l.told()) == i+1 })
		if told := l.told()[i]; told.State != report.ConfigRefused || !strings.Contains(told.Detail, "can't be made") {
			t.Errorf("%s: told %+v", plan[i].name, told)
		}
		if l.a.current().StatsEvery != time.Minute {
			t.Errorf("%s: runs with\n%s", plan[i].name, l.a.current())
		}
		l.press()
		await(t, func() bool { return l.pressed() == i+1 })
		await(t, func() bool { return l.a.kiosk.Load().Troubles() == "" }) // its lamp's line, too
	}
}

// TestHammeredKiosk: presses go on while the kiosk is changed, in all ways that keep
// its line: each is held once.
func TestHammeredKiosk(t *testing.T) {
	t.Parallel()
	text := func(label, more string) string {
		return strings.Replace(liveHead, "complaint: 1MiB", "complaint: 4MiB", 1) + fmt.Sprintf(`board: {driver: sim, socket: board.sock}
kiosk:
  number: 7
  cooldown: 200ms
  buttons:
    - {name: road, line: GPIO17, debounce: 1ms, service_code: x, category: y, label: {id: %s, en: b}}
%s`, label, more)
	}
	l := goLive(t, text("a", ""))
	l.hasItsLine()
	const water = "    - {name: water, line: GPIO18, service_code: x, category: y, label: {id: a, en: b}}\n"
	texts := []string{text("b", ""), text("a", water), text("c", water+"  lamps: {saved: {line: GPIO22}}\n"), text("d", "  lamps: {saved: {line: GPIO23}}\n"), text("e", "")}
	stop, presses := make(chan struct{}), make(chan int, 1)
	go func() {
		n := 0
		defer func() { presses <- n }() // also if a press could not be asked for
		for ; ; n++ {
			// The simulated line keeps 1024 edges: a disk that stalls must not lose some.
			for n%50 == 0 && l.pressed() < n-200 {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
			select {
			case <-stop:
				return
			default:
				l.press()
			}
		}
	}()
	kiosks := []any{l.a.kiosk.Load()}
	for _, text := range texts {
		l.take(text)
		if k := l.a.kiosk.Load(); !slices.Contains(kiosks, any(k)) {
			kiosks = append(kiosks, k)
		}
	}
	close(stop)
	n := <-presses
	if len(kiosks) != 1+len(texts) {
		t.Errorf("%d kiosks", len(kiosks))
	}
	await(t, func() bool { return l.pressed() >= n })
	<-time.After(500 * time.Millisecond) // more than a cool-down: one too many would come now
	if got := l.pressed(); got != n {
		t.Errorf("%d presses held of %d", got, n)
	}
	tickets := map[string]bool{}
	for _, r := range records(t, l.a.spool, report.Complaint) {
		var p report.Press
		if err := json.Unmarshal(r.Body, &p); err != nil || tickets[p.Ticket] {
			t.Errorf("ticket %s twice, or %v", p.Ticket, err)
		}
		tickets[p.Ticket] = true
	}
	t.Logf("%d presses in %d records by %d kiosks", n, len(tickets), len(kiosks))
}
