package firmware

import (
	"bytes"
	"testing"
)

// TestInitFrom: a package brings its first version as a release, and is held to
// the same rules as an update.
func TestInitFrom(t *testing.T) {
	p := newPublisher(t)
	good := p.bundle(t, 7, "seven")
	stranger := newPublisher(t)
	dev := Device{Platform: here}
	for name, tt := range map[string]struct {
		from files
		dev  Device
		want Code
	}{
		"good":          {good, dev, ""},
		"other board":   {good, Device{Platform: "linux/amd64"}, Platforms},
		"no payload":    {without(good, "kentongan-7.zst"), dev, Unavailable},
		"other payload": {withFile(good, "kentongan-7.zst", stranger.bundle(t, 7, "other")["kentongan-7.zst"]), dev, Mixed},
		"cut payload":   {withFile(good, "kentongan-7.zst", good["kentongan-7.zst"][:50]), dev, Truncated},
		"no key list":   {without(good, KeysName), dev, Unavailable},
		"unknown key":   {withFile(good, ReleaseName, stranger.bundle(t, 7, "seven")[ReleaseName]), dev, UnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDir(newMemFS())
			err := d.InitFrom(tt.from, tt.dev)
			if CodeOf(err) != tt.want || (err == nil) != (tt.want == "") {
				t.Fatalf("InitFrom: %v, want %q", err, tt.want)
			}
			if err != nil {
				if _, err := d.Current(); err == nil {
					t.Error("refused, and something runs")
				}
				return
			}
			if got := content(t, d, "a"); !bytes.Equal(got, elf("seven")) {
				t.Errorf("slot a holds %d other bytes", len(got))
			}
			if r, err := d.release("a"); err != nil || r.Number != 7 {
				t.Errorf("its release: %+v, %v", r, err)
			}
			// Done again it changes nothing, and the next release is an update.
			must(t, d.InitFrom(p.bundle(t, 8, "eight"), dev))
			if got := content(t, d, "a"); !bytes.Equal(got, elf("seven")) {
				t.Error("done again, it put another program in")
			}
			apply(t, d, p.bundle(t, 9, "nine"))
		})
	}
}

// TestKeysThatEndAlike: base64 has a + of its own, and two keys that end in one
// were taken for the same key.
func TestKeysThatEndAlike(t *testing.T) {
	const root = "root-c+3ae0de82+AWuIX1fAV2Vq1u0lQ4bBT8YKwsXJARpyNDX3DuMa55q+"
	const release = "release-2026+e9b3eca0+Ab/CDNgrN2XY64KWDU3YqeDBlxRbD24MSiCwOmeEsNj+"
	if _, err := ParseKeys(Keys{Version: 1, Threshold: 1, Root: []string{root}, Release: []string{release}}.Text()); err != nil {
		t.Error(err)
	}
}
