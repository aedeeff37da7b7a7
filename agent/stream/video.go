package stream

import (
	"strings"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
)

// found is what a session description offers.
type found struct {
	media  *description.Media
	format format.Format
	codec  Codec
	sps    []byte // declared; nil when it is not
	audio  string // codec of the first sound; "" is none
	quirks []string
}

// findVideo chooses the video to watch: the first with a codec that we can
// measure.
func findVideo(d *description.Session) (found, error) {
	var out found
	var other []string
	for _, m := range d.Medias {
		switch m.Type {
		case description.MediaTypeAudio:
			if out.audio == "" && !m.IsBackChannel && len(m.Formats) > 0 {
				out.audio = m.Formats[0].Codec()
			}
		case description.MediaTypeVideo:
			if out.media != nil {
				continue
			}
			for _, f := range m.Formats {
				codec, sps := codecOf(f)
				if codec == "" {
					other = append(other, f.Codec())
					continue
				}
				out.media, out.format, out.codec, out.sps = m, f, codec, sps
				break
			}
		}
	}
	switch {
	case out.media == nil && len(other) > 0:
		return found{}, failf(ClassCodec, "the camera sends %s; set it to H264, H265 or MJPEG", strings.Join(other, ", "))
	case out.media == nil:
		return found{}, failf(ClassNoMedia, "the camera offers no video")
	}
	if out.media.IsBackChannel {
		// "sendonly" seen from the camera; the library takes it for a
		// loudspeaker and refuses to set it up.
		out.media.IsBackChannel = false
		out.quirks = append(out.quirks, "marks its video as sendonly")
	}
	return out, nil
}

func codecOf(f format.Format) (Codec, []byte) {
	switch f := f.(type) {
	case *format.H264:
		sps, _ := f.SafeParams()
		return H264, sps
	case *format.H265:
		_, sps, _ := f.SafeParams()
		return H265, sps
	case *format.MJPEG:
		return MJPEG, nil
	}
	return "", nil
}
