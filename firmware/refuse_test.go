package firmware

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// TestRefused: each way in which an update must not be taken is refused with
// its own reason, and nothing on the board changes.
func TestRefused(t *testing.T) {
	p, stranger := newPublisher(t), newPublisher(t)
	good := p.bundle(t, 5, "five")
	keys2 := p.keys
	keys2.Version = 2
	keys2Note := sign(t, keys2.Text(), p.root[0], p.root[1])
	resigned := func(change func(*Keys), by ...key) files {
		k := keys2
		change(&k)
		f := maps.Clone(good)
		f[KeysName] = sign(t, k.Text(), by...)
		return f
	}
	edit := func(name string, change func([]byte) []byte) files {
		f := maps.Clone(good)
		f[name] = change(bytes.Clone(f[name]))
		return f
	}
	packed := "kentongan-5.zst"
	tests := map[string]struct {
		source files
		board  func(t *testing.T, m *memFS, d *Dir)
		device Device
		want   Code
	}{
		"release edited":           {source: edit(ReleaseName, func(b []byte) []byte { return bytes.Replace(b, []byte("number 5"), []byte("number 6"), 1) }), want: Tampered},
		"release signature cut":    {source: edit(ReleaseName, func(b []byte) []byte { return b[:len(b)-20] }), want: Tampered},
		"release is no note":       {source: edit(ReleaseName, func([]byte) []byte { return []byte("hello") }), want: Tampered},
		"release of 100 kB":        {source: edit(ReleaseName, func([]byte) []byte { return bytes.Repeat([]byte("x"), 100_000) }), want: Tampered},
		"release missing":          {source: without(good, ReleaseName), want: Unavailable},
		"release by a stranger":    {source: stranger.bundle(t, 5, "five"), want: FewRoots},
		"release key of another":   {source: withFile(good, ReleaseName, stranger.bundle(t, 5, "five")[ReleaseName]), want: UnknownKey},
		"release with a new line":  {source: withFile(good, ReleaseName, sign(t, text(t, good[ReleaseName])+"only-on full-moon\n", p.release)), want: Tampered},
		"keys signed by one root":  {source: resigned(func(*Keys) {}, p.root[0]), want: FewRoots},
		"keys signed by strangers": {source: resigned(func(*Keys) {}, stranger.root[0], stranger.root[1]), want: FewRoots},
		"keys of a lower version": {source: good, board: func(t *testing.T, m *memFS, d *Dir) {
			must(t, save(m, keysFile, 0o644, keys2Note))
		}, want: OldKeys},
		"another key list of the same version": {source: resigned(func(k *Keys) { k.Version = 1; k.Release = []string{stranger.release.public} }, p.root[0], p.root[1]), want: Tampered},
		"new roots that did not sign":          {source: resigned(func(k *Keys) { k.Root = []string{stranger.root[0].public, stranger.root[1].public} }, p.root[0], p.root[1]), want: FewRoots},
		"release key revoked":                  {source: resigned(func(k *Keys) { k.Release = []string{stranger.release.public} }, p.root[0], p.root[1]), want: UnknownKey},
		"release wants newer keys":             {source: p.bundle(t, 5, "five", func(r *Release) { r.Keys = 2 }), want: OldKeys},
		"older than what runs": {source: p.bundle(t, 1, "nil"), board: func(t *testing.T, _ *memFS, d *Dir) {
			install(t, d, p.bundle(t, 2, "two"), 2)
		}, want: Older},
		"what runs": {source: p.bundle(t, 1, "one"), want: Older},
		"an old release again": {source: p.bundle(t, 3, "three"), board: func(t *testing.T, _ *memFS, d *Dir) {
			install(t, d, p.bundle(t, 4, "four"), 4)
			if _, err := d.Undo(); err != nil {
				t.Fatal(err)
			}
		}, want: Older},
		"another release of a number that was here": {source: p.bundle(t, 4, "other"), board: func(t *testing.T, _ *memFS, d *Dir) {
			install(t, d, p.bundle(t, 4, "four"), 4)
			if _, err := d.Undo(); err != nil {
				t.Fatal(err)
			}
		}, want: Replayed},
		"failed here before": {source: good, board: func(t *testing.T, _ *memFS, d *Dir) {
			apply(t, d, good)
			if _, err := d.Back("not well"); err != nil {
				t.Fatal(err)
			}
		}, want: FailedHere},
		"another on trial":      {source: p.bundle(t, 6, "six"), board: func(t *testing.T, _ *memFS, d *Dir) { apply(t, d, good) }, want: TrialRuns},
		"too far ahead":         {source: p.bundle(t, 5, "five", func(r *Release) { r.From = 4 }), want: TooFar},
		"expired":               {source: p.bundle(t, 5, "five", func(r *Release) { r.Expires = time.Unix(1_800_000_000, 0) }), device: Device{Platform: here, Now: time.Unix(1_800_000_000, 0)}, want: Expired},
		"other architecture":    {source: good, device: Device{Platform: "linux/amd64"}, want: Platforms},
		"older instruction set": {source: p.bundle(t, 5, "five", func(r *Release) { r.Payload[0].Platform = "linux/arm/7" }), want: Platforms},
		"other board":           {source: p.bundle(t, 5, "five", func(r *Release) { r.Payload[0].Boards = []string{"radxa,zero"} }), device: Device{Platform: here, Boards: []string{"raspberrypi,model-zero"}}, want: Board},
		"disk too full":         {source: good, board: func(_ *testing.T, m *memFS, _ *Dir) { m.free = reserve }, want: NoSpace},
		"payload missing":       {source: without(good, packed), want: Unavailable},
		"payload truncated":     {source: edit(packed, func(b []byte) []byte { return b[:len(b)/2] }), want: Truncated},
		"payload empty":         {source: edit(packed, func([]byte) []byte { return nil }), want: Truncated},
		"payload flipped":       {source: edit(packed, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }), want: Mixed},
		"payload of another":    {source: withFile(good, packed, p.bundle(t, 6, "six")["kentongan-6.zst"]), want: Mixed},
		"payload with a tail":   {source: edit(packed, func(b []byte) []byte { return append(b, "tail"...) }), want: Mixed},
		"payload that swells":   {source: p.bundle(t, 5, "five", func(r *Release) { r.Payload[0].Size-- }), want: Mixed},
		"program is another":    {source: p.bundle(t, 5, "five", func(r *Release) { r.Payload[0].SHA256 = sum(nil) }), want: Mixed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMemFS()
			d := p.board(t, m)
			if tt.board != nil {
				tt.board(t, m, d)
			}
			device := tt.device
			if device.Platform == "" {
				device.Platform = here
			}
			before := look(m)
			_, err := d.Apply(context.Background(), tt.source, Options{Device: device})
			if CodeOf(err) != tt.want {
				t.Errorf("got %v, want a refusal %q", err, tt.want)
			}
			delete(before, keysFile)
			after := look(m)
			delete(after, keysFile) // a good newer key list is kept, whatever becomes of the release
			if !maps.Equal(before, after) {
				t.Errorf("the board changed:\n%v\nwas\n%v", after, before)
			}
		})
	}
}

// TestProgramThatDoesNotStart is refused before anything points to it.
func TestProgramThatDoesNotStart(t *testing.T) {
	p := newPublisher(t)
	d := p.board(t, newMemFS())
	_, err := d.Apply(context.Background(), p.bundle(t, 2, "two"), Options{Device: dev, Try: func(_ context.Context, program string, r Release) error {
		if program != "slots/b/kentongan.new" || r.Number != 2 {
			t.Errorf("asked to try %s of %d", program, r.Number)
		}
		return fmt.Errorf("exec format error")
	}})
	if CodeOf(err) != NoRun || !strings.Contains(err.Error(), "exec format error") {
		t.Errorf("got %v, want %q", err, NoRun)
	}
}

// TestKeysFollowEachOther: release keys and roots are replaced, each list
// signed by enough of the roots before it.
func TestKeysFollowEachOther(t *testing.T) {
	p, next := newPublisher(t), newPublisher(t)
	d := p.board(t, newMemFS())
	k := p.keys
	k.Version, k.Root, k.Release = 2, next.keys.Root, next.keys.Release
	next.note = sign(t, k.Text(), p.root[1], p.root[2], next.root[0], next.root[1])
	install(t, d, next.bundle(t, 2, "two"), 2)
	got, err := d.Keys()
	if err != nil || got.Version != 2 {
		t.Fatalf("key list %d, %v", got.Version, err)
	}
	// The old publisher, whose keys may be stolen by now, has no say any more.
	if _, err := d.Apply(context.Background(), p.bundle(t, 3, "three"), Options{Device: dev}); CodeOf(err) != FewRoots {
		t.Errorf("the old key list: %v", err)
	}
	forged := p.bundle(t, 3, "three")
	forged[KeysName] = next.note
	if _, err := d.Apply(context.Background(), forged, Options{Device: dev}); CodeOf(err) != UnknownKey {
		t.Errorf("the old release key: %v", err)
	}
}

// TestClockDoesNotStop: without a clock an expiry says nothing, and in 2099 only
// the release that has one is refused.
func TestClockDoesNotStop(t *testing.T) {
	p := newPublisher(t)
	expires := func(r *Release) { r.Expires = time.Unix(1_800_000_000, 0) }
	for _, tt := range []struct {
		name   string
		now    time.Time
		change func(*Release)
		want   Code
	}{
		{"no clock", time.Time{}, expires, ""},
		{"1970", time.Unix(5, 0), expires, ""},
		{"2099", time.Unix(4_070_908_800, 0), expires, Expired},
		{"2099, no expiry", time.Unix(4_070_908_800, 0), func(*Release) {}, ""},
	} {
		d := p.board(t, newMemFS())
		_, err := d.Apply(context.Background(), p.bundle(t, 2, "two", tt.change), Options{Device: Device{Platform: here, Now: tt.now}})
		if CodeOf(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestPatch(t *testing.T) {
	p := newPublisher(t)
	base, next := elf("one"), elf("two")
	patch := pack(t, next, base)
	whole := p.bundle(t, 2, "two")["kentongan-2.zst"]
	with := func(from string, stored []byte) files {
		f := p.bundle(t, 2, "two", func(r *Release) {
			r.Payload[0].Patch = []Patch{{Base: from, Packed: File{"p.zst", int64(len(patch)), sum(patch)}}}
		})
		f["p.zst"] = stored
		return f
	}
	t.Logf("patch %d bytes, whole %d", len(patch), len(whole))
	for _, tt := range []struct {
		name   string
		source files
		opens  string
	}{
		{"fits", without(with(sum(base), patch), "kentongan-2.zst"), "p.zst"},
		{"of another base", with(sum(next), patch), "kentongan-2.zst"},
		{"damaged", with(sum(base), append([]byte("x"), patch[1:]...)), "kentongan-2.zst"},
		{"missing", without(with(sum(base), patch), "p.zst"), "kentongan-2.zst"},
	} {
		d := p.board(t, newMemFS())
		apply(t, d, tt.source)
		if slot, err := d.Current(); err != nil || !bytes.Equal(content(t, d, slot), next) {
			t.Errorf("%s: slot %s does not hold the new program (%v)", tt.name, slot, err)
		}
	}
}

func text(t *testing.T, msg []byte) string {
	t.Helper()
	s, err := unsigned(msg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func without(f files, name string) files {
	f = maps.Clone(f)
	delete(f, name)
	return f
}

func withFile(f files, name string, b []byte) files {
	f = maps.Clone(f)
	f[name] = b
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func apply(t *testing.T, d *Dir, f files) {
	t.Helper()
	_, err := d.Apply(context.Background(), f, Options{Device: dev})
	must(t, err)
}

func install(t *testing.T, d *Dir, f files, number uint64) {
	t.Helper()
	apply(t, d, f)
	_, _, err := d.Start("b")
	must(t, err)
	_, err = d.Commit(number)
	must(t, err)
}

// look is what lies on a disk, by name.
func look(m *memFS) map[string]string {
	out := map[string]string{}
	for name, n := range m.now {
		out[name] = n.link + string(n.data)
	}
	return out
}
