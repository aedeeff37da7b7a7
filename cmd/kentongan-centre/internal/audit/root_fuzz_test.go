package audit

import "testing"

// FuzzRootLine: a line of a root that is understood is written as it stood.
func FuzzRootLine(f *testing.F) {
	f.Add("number 7")
	f.Add("prev AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	f.Add("time 2026-11-26T10:00:00Z")
	f.Add("lane kiosk-7 1122334455667788 event 12 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	f.Add("key kiosk-7 kiosk-7+61e56f25+AfU4RW2bYdR+PG1TlLwNxy+SZ0Peu/XKJoxKDsHWPAJV")
	f.Fuzz(func(t *testing.T, line string) {
		var r, again Root
		if r.set(line) == nil && again.set(line) == nil && r.text() != again.text() {
			t.Errorf("%q is %q and %q", line, r.text(), again.text())
		}
	})
}
