package agent

import (
	"path/filepath"

	"kentongan/agent/config"
	"kentongan/agent/stream"
	"kentongan/agent/stream/decoder"
)

// makeEye makes what the streams share to look at their pictures.
func (a *Agent) makeEye(c *config.Config) func() (*unit, error) {
	return func() (*unit, error) {
		program := c.Pictures.FFmpeg
		switch program {
		case config.FFmpegAuto:
			program = decoder.Find()
		case config.FFmpegOff:
			program = ""
		}
		if program == "" {
			a.o.Log.Warn("no ffmpeg", "part", "agent", "pictures", "those of H.264 and H.265 are not checked", "configured", c.Pictures.FFmpeg)
		}
		a.eye = stream.NewEye(program, a.o.Log)
		return &unit{parts: []part{{"pictures", a.eye.Run}}}, nil
	}
}

// pictureConfig is how the pictures of one watched stream of a camera are
// looked at. Where both of its streams are watched, that is the smaller one's:
// they show the same, and it costs less. Snapshots are taken of either.
func (a *Agent) pictureConfig(whole *config.Config, c config.Stream, s stream.Config) stream.PictureConfig {
	p, limits := whole.Pictures, whole.Pictures.Snapshot
	out := stream.PictureConfig{
		Eye: a.eye, Off: !c.Picture.Check || c.Watch == config.WatchBoth && !s.Sub, Every: p.Every,
		Masks: rects(c.Picture.Masks), Privacy: rects(c.PrivacyMasks), SnapshotURL: c.SnapshotURL,
		Memory: learnedFile(filepath.Join(a.cfg.Data, "picture-"+s.Name+".learned")),
		Limits: stream.SnapshotLimits{Width: int(limits.Width), Quality: int(limits.Quality), Bytes: int(limits.Bytes)},
	}
	if c.Picture.Every > 0 {
		out.Every = c.Picture.Every
	}
	return out
}

func rects(all []config.Rect) (out []stream.Rect) {
	for _, r := range all {
		out = append(out, stream.Rect{X: int(r.X), Y: int(r.Y), W: int(r.W), H: int(r.H)})
	}
	return out
}

// learnedFile is a stream.PictureMemory in a file. Losing it costs some days of
// learning.
type learnedFile string

// maxLearned is the most that is read of one.
const maxLearned = 1 << 20

func (f learnedFile) Load() ([]byte, error) { return loadFile(string(f), maxLearned) }
func (f learnedFile) Save(b []byte) error   { return saveFile(string(f), b) }

// SetAside keeps the newest damaged one for who wants to know.
func (f learnedFile) SetAside() error {
	_, err := putAside(string(f))
	return err
}
