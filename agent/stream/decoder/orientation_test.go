package decoder

import (
	"bytes"
	"image"
	"slices"
	"testing"
	"time"
)

// orientation is an H.265 SEI unit that says that the picture is to be shown
// turned by 90 degrees, and all after it (H.265, D.2.17). ffmpeg's decoder
// remembers it over parameter sets and keyframes.
var orientation = []byte{0, 0, 0, 1, 0x4e, 0x01, 0x2f, 0x03, 0x08, 0x00, 0x18, 0x80}

// TestOrientationTurnsNobody: a camera that says how its picture is to be
// turned gets it as it is, and so does the next.
func TestOrientationTurnsNobody(t *testing.T) {
	d := run(t, Options{FFmpeg: ffmpeg(t), Deadline: 20 * time.Second})
	unit := keyframe(t, H265, grid(7, "640x360"))
	slice := firstSlice(unit)
	if slice < 0 {
		t.Fatal("no slice in the keyframe")
	}
	turned := slices.Concat(unit[:slice], orientation, unit[slice:])
	for _, k := range []struct {
		camera string
		unit   []byte
	}{{"plain", unit}, {"turned", turned}, {"plain", unit}} {
		a, err := look(t, d, Keyframe{Camera: k.camera, Codec: H265, Unit: k.unit})
		if err != nil || a.Errors > 0 {
			t.Fatalf("%s: %v, %d errors: %s", k.camera, err, a.Errors, a.Detail)
		}
		if got := which(&a.Picture); got != 7 {
			t.Errorf("%s is not as it was sent: picture %d", k.camera, got)
		}
	}
}

// firstSlice is where the start code of the first slice of a random access
// picture begins, -1 for nowhere.
func firstSlice(unit []byte) int {
	for from := 0; ; {
		i := bytes.Index(unit[from:], []byte{0, 0, 1})
		if i < 0 || from+i+3 >= len(unit) {
			return -1
		}
		at := from + i
		if t := unit[at+3] >> 1 & 63; t >= 16 && t <= 21 {
			return at
		}
		from = at + 3
	}
}

// TestOrientationTurnsNoStill: privacy masks are painted where the camera's own
// picture has what they hide, so a snapshot must not come out turned.
func TestOrientationTurnsNoStill(t *testing.T) {
	d := run(t, Options{FFmpeg: ffmpeg(t), Deadline: 20 * time.Second})
	unit := keyframe(t, H265, grid(7, "640x360"))
	slice := firstSlice(unit)
	if slice < 0 {
		t.Fatal("no slice in the keyframe")
	}
	still := func(unit []byte) *image.YCbCr {
		img, err := d.Still(t.Context(), Keyframe{Camera: "a", Codec: H265, Unit: unit, Width: 640, Height: 360}, 640, 360)
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	plain, turned := still(unit), still(slices.Concat(unit[:slice], orientation, unit[slice:]))
	if !bytes.Equal(plain.Y, turned.Y) {
		t.Error("the still is another one with the camera's word about its orientation")
	}
}
