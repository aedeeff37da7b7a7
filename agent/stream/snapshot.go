package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/stream/decoder"
)

// Formats of a Snapshot.
const (
	SnapshotJPEG = "jpeg"
	SnapshotMP4  = "mp4" // the keyframe as it came, where there is no decoder
)

// Snapshot is one picture of a camera, with its privacy masks burnt in.
type Snapshot struct {
	Format        string // SnapshotJPEG, SnapshotMP4
	Bytes         []byte
	Width, Height int       // pixels
	TakenAt       time.Time // wall clock
}

// SnapshotLimits bound what leaves.
type SnapshotLimits struct {
	Width   int // pixels at most; 0 is 1280
	Quality int // of JPEG, 1 to 100; 0 is 75. Less when the picture is too large
	Bytes   int // at most; 0 is 256 KiB
}

// Bounds of the making of a snapshot.
const (
	snapshotTimeout = 60 * time.Second // the wait for a keyframe is most of it
	snapshotKeyWait = 25 * time.Second
	leastQuality    = 20
	leastWidth      = 160
)

func (l SnapshotLimits) filled() SnapshotLimits {
	if l.Width == 0 {
		l.Width = 1280
	}
	if l.Quality == 0 {
		l.Quality = 75
	}
	if l.Bytes == 0 {
		l.Bytes = 256 << 10
	}
	l.Bytes = min(l.Bytes, report.MaxSnapshotBytes)
	return l
}

// Errors of Snapshot.
var (
	ErrNoPicture = errors.New("this stream's pictures are not for snapshots")
	ErrPrivacy   = errors.New("privacy masks are configured and nothing here can decode the picture to burn them in; install ffmpeg")
)

// Snapshot takes the camera's next keyframe as a JPEG, no larger than the
// configuration allows, with its privacy masks painted over on the pixels.
// Where nothing can decode it, it is the keyframe as it is in an MP4, but never
// with privacy masks configured. It may be called from any goroutine while Run
// runs; it takes up to a minute where keyframes are rare.
func (w *Watcher) Snapshot(ctx context.Context) (Snapshot, error) {
	if w.eye == nil {
		return Snapshot{}, ErrNoPicture
	}
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	s := w.eye.playing()
	if s == nil {
		return Snapshot{}, errNotPlaying
	}
	codec := decoderCodec[s.found.codec]
	can := w.eye.cfg.Eye.dec.Can(codec)
	switch {
	case !can && w.eye.cfg.SnapshotURL != "":
		return w.eye.fetchSnapshot(ctx)
	case !can && len(w.eye.cfg.Privacy) > 0:
		return Snapshot{}, ErrPrivacy
	}
	k, err := s.tap.next(ctx, snapshotKeyWait)
	if err != nil {
		return Snapshot{}, err
	}
	defer w.eye.room().give(k.cap)
	if can {
		return w.eye.still(ctx, decoder.Keyframe{Camera: w.cfg.Name, Codec: codec, Unit: k.unit, Width: k.size.Width, Height: k.size.Height})
	}
	return w.eye.asItIs(s, k)
}

func (l *looker) fetchSnapshot(ctx context.Context) (Snapshot, error) {
	k, err := l.fetched(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	return l.still(ctx, k)
}

// still decodes a keyframe at the size in which it leaves, paints the masks
// over and makes a JPEG of it.
func (l *looker) still(ctx context.Context, k decoder.Keyframe) (Snapshot, error) {
	at := l.w.cfg.Now().UTC()
	if k.Codec == decoder.JPEG {
		c, err := jpeg.DecodeConfig(bytes.NewReader(k.Unit))
		if err != nil {
			return Snapshot{}, fmt.Errorf("take picture: %w", err)
		}
		k.Width, k.Height = c.Width, c.Height
	}
	if k.Width <= 0 || k.Height <= 0 {
		return Snapshot{}, errors.New("take picture: the camera's parameter set does not say how large its picture is")
	}
	width, quality := l.cfg.Limits.Width, l.cfg.Limits.Quality
	w, h := fit(k.Width, k.Height, width)
	img, err := l.cfg.Eye.dec.Still(ctx, k, w, h)
	if err != nil {
		return Snapshot{}, fmt.Errorf("take picture: %w", err)
	}
	burn(img, l.cfg.Privacy)
	for {
		var out bytes.Buffer
		if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: quality}); err != nil {
			return Snapshot{}, fmt.Errorf("take picture: %w", err)
		}
		if out.Len() <= l.cfg.Limits.Bytes {
			return Snapshot{Format: SnapshotJPEG, Bytes: out.Bytes(), Width: img.Rect.Dx(), Height: img.Rect.Dy(), TakenAt: at}, nil
		}
		switch {
		case quality > leastQuality:
			quality = max(quality*3/4, leastQuality)
		case img.Rect.Dx() > leastWidth:
			img = halve(img)
			burn(img, l.cfg.Privacy) // its masks lie on whole blocks again
			quality = l.cfg.Limits.Quality
		default:
			return Snapshot{}, fmt.Errorf("take picture: %d bytes at its smallest, more than the %d that are allowed", out.Len(), l.cfg.Limits.Bytes)
		}
	}
}

// fit is the size of a picture that is at most so wide; both are even.
func fit(w, h, most int) (int, int) {
	if w > most {
		w, h = most, max(h*most/w, 2)
	}
	return max(w&^1, 2), max(h&^1, 2)
}

// halve is the picture at half its size.
func halve(img *image.YCbCr) *image.YCbCr {
	w, h := fit(img.Rect.Dx(), img.Rect.Dy(), img.Rect.Dx()/2)
	return decoder.Scale(img, w, h)
}

// asItIs puts the keyframe into a file that every player opens.
func (l *looker) asItIs(s *session, k keyframe) (Snapshot, error) {
	if len(l.cfg.Privacy) > 0 {
		return Snapshot{}, ErrPrivacy
	}
	file, err := keyframeMP4(s.found.codec, k)
	if err != nil {
		return Snapshot{}, fmt.Errorf("take picture: %w", err)
	}
	if len(file) > l.cfg.Limits.Bytes {
		return Snapshot{}, fmt.Errorf("take picture: the keyframe has %d bytes, more than the %d that are allowed, and nothing here can make it smaller", len(file), l.cfg.Limits.Bytes)
	}
	return Snapshot{Format: SnapshotMP4, Bytes: file, Width: k.size.Width, Height: k.size.Height, TakenAt: l.w.cfg.Now().UTC()}, nil
}
