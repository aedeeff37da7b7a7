package config

import (
	"fmt"
	"path/filepath"
	"time"

	"kentongan/agent/report"
)

// Values of Pictures.FFmpeg that are no path.
const (
	FFmpegAuto = "auto" // the one in PATH, if there is one
	FFmpegOff  = "off"
)

// Pictures is how cameras' pictures are looked at.
type Pictures struct {
	Every    time.Duration // between two looks at one camera
	FFmpeg   string        // FFmpegAuto, FFmpegOff, or a path
	Snapshot SnapshotLimits
}

// SnapshotLimits bound a snapshot that leaves the device.
type SnapshotLimits struct {
	Width   int64 // pixels, at most
	Quality int64 // of JPEG, 1 to 100, at most
	Bytes   int64 // at most
}

// Picture is how one camera's picture is looked at.
type Picture struct {
	Check bool
	Every time.Duration // 0 is Pictures.Every
	Masks []Rect        // what moves and is no picture, such as the clock; not looked at
}

// Rect is a part of a picture, in thousandths of its width and height.
type Rect struct{ X, Y, W, H int64 }

func (p *Pictures) fields() []field {
	return []field{
		duration("every", &p.Every, time.Second, time.Hour).defaults("5s").
			says("Time between two looks at a camera's picture. Each look decodes one keyframe."),
		text("ffmpeg", &p.FFmpeg, checkFFmpeg).matching("^(auto|off|/.*)$").defaults(FFmpegAuto).
			says("The program that decodes H.264 and H.265: auto finds it, off does without, else its absolute path. Without it, pictures are not checked, and each state says so."),
		mapping("snapshot", []field{
			integer("width", &p.Snapshot.Width, 64, 4096).defaults("1280").says("Greatest width in pixels of a snapshot."),
			integer("quality", &p.Snapshot.Quality, 10, 95).defaults("75").says("JPEG quality; it is lowered when the snapshot is too large."),
			size("bytes", &p.Snapshot.Bytes, 4*kib, report.MaxSnapshotBytes).defaults("256KiB").says("Greatest size of a snapshot."),
		}).says("Limits of the pictures that the centre orders."),
	}
}

func (p *Picture) fields() []field {
	return []field{
		boolean("check", &p.Check).defaults("true").says("Whether the picture is looked at."),
		zeroIsNone(duration("every", &p.Every, time.Second, time.Hour)).like("30s").says("As pictures.every, for this camera."),
		list("masks", &p.Masks, (*Rect).fields).
			says("Parts of the picture that are not looked at, such as the camera's own clock. They hide nothing in a snapshot; see privacy_masks."),
	}
}

func (r *Rect) fields() []field {
	return []field{
		integer("x", &r.X, 0, 999).must().like("0").says("Left edge, in thousandths of the width."),
		integer("y", &r.Y, 0, 999).must().like("0").says("Upper edge, in thousandths of the height."),
		integer("w", &r.W, 1, 1000).must().like("400").says("Width, in thousandths."),
		integer("h", &r.H, 1, 1000).must().like("80").says("Height, in thousandths."),
	}
}

func checkFFmpeg(s string) error {
	if s == FFmpegAuto || s == FFmpegOff || filepath.IsAbs(s) {
		return nil
	}
	return fmt.Errorf("%s is no absolute path; write auto, off or a path, as /usr/bin/ffmpeg", show(s))
}

var snapshotURL = urlKind{[]string{"http", "https"}, map[string]string{"http": "80", "https": "443"}, "http://HOST/PATH", false}

// checkRects sees to it that masks lie in the picture.
func (d *decoder) checkRects(path string, rects []Rect) {
	for i, r := range rects {
		at := fmt.Sprintf("%s[%d]", path, i)
		if r.X+r.W > 1000 && !d.bad[at+".x"] && !d.bad[at+".w"] {
			d.addf(d.at(at+".w"), at+".w", "x %d and w %d go beyond the right edge; together they are at most 1000", r.X, r.W)
		}
		if r.Y+r.H > 1000 && !d.bad[at+".y"] && !d.bad[at+".h"] {
			d.addf(d.at(at+".h"), at+".h", "y %d and h %d go beyond the lower edge; together they are at most 1000", r.Y, r.H)
		}
	}
}
