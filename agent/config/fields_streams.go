package config

import (
	"errors"
	"fmt"
	"strings"

	"kentongan/agent/report"
)

// Values of Stream.Watch: which of a camera's two streams is watched.
const (
	WatchMain = "main" // url
	WatchSub  = "sub"  // sub_url
	WatchBoth = "both"
)

// SubSuffix makes the name of the second stream where both are watched.
const SubSuffix = "_sub"

// Expect is what a stream should be; what is 0 or "" is not checked.
type Expect struct {
	Codec         string // H264, H265, MJPEG
	Profile       string
	Width, Height int64 // pixels
	FPS           float64
	Bitrate       int64 // kbit/s
	GOP           int64 // frames
}

func (e *Expect) fields() []field {
	return []field{
		oneOf("codec", &e.Codec, "H264", "H265", "MJPEG").says("Codec of the video."),
		oneOf("profile", &e.Profile, "baseline", "main", "extended", "high", "high10", "high422", "high444", "main10", "mainstill", "rext").
			says("Profile of the codec."),
		zeroIsNone(integer("width", &e.Width, 1, 16384)).like("1920").says("Width of the picture in pixels. width and height come together."),
		zeroIsNone(integer("height", &e.Height, 1, 16384)).like("1080").says("Height of the picture in pixels."),
		zeroIsNone(number("fps", &e.FPS, 0.1, 240)).like("25").says("Pictures a second. Found after 60 s below 0.8 or above 1.5 of it."),
		zeroIsNone(integer("bitrate", &e.Bitrate, 1, 1_000_000)).like("4096").says("Bit rate in kbit/s, as cameras' own pages give it. Found when the mean of 5 min is outside 0.3 to 1.5 of it."),
		zeroIsNone(integer("gop", &e.GOP, 1, 100_000)).like("50").says("Frames from one keyframe to the next. Found after 60 s above twice of it."),
	}
}

// zeroIsNone is a field whose 0 stands for nothing and is not printed.
func zeroIsNone(f field) field {
	get := f.get
	f.get = func() string {
		if s := get(); s != "0" && s != "0s" {
			return s
		}
		return ""
	}
	return f
}

// checkSub looks at a camera's second stream. Where both are watched, the
// second is a stream to all others, with a name of its own.
func (d *decoder) checkSub(c *Config, i int) {
	s, path := &c.Streams[i], fmt.Sprintf("streams[%d]", i)
	d.together(join(path, "expect"), "width", "height")
	d.together(join(path, "sub_expect"), "width", "height")
	watch := join(path, "watch")
	if s.Watch == "" && !d.bad[watch] {
		s.Watch = WatchMain
		if s.SubURL != "" {
			s.Watch = WatchSub
		}
	}
	if s.SubURL == "" {
		if s.Watch != WatchMain && !d.bad[watch] && !d.bad[join(path, "sub_url")] {
			d.addf(d.at(watch), watch, "%s is watched, and there is no sub_url; write it, or watch: main", s.Watch)
		}
		return
	}
	if strings.HasPrefix(s.URL, "rtsps://") != strings.HasPrefix(s.SubURL, "rtsps://") && !d.bad[join(path, "url")] {
		d.addf(d.at(join(path, "sub_url")), join(path, "sub_url"), "one of url and sub_url is rtsps, the other rtsp; a camera has one way to be asked")
	}
	if s.Watch != WatchBoth || d.bad[join(path, "name")] {
		return
	}
	if name := s.Name + SubSuffix; !report.ValidName(name) {
		d.addf(d.at(join(path, "name")), join(path, "name"), "%s is too long to have a second stream, which is called NAME%s; shorten it to %d", show(s.Name), SubSuffix, maxName-len(SubSuffix))
	} else {
		for j := range c.Streams {
			if c.Streams[j].Name == name {
				d.addf(d.at(join(path, "name")), join(path, "name"), "its second stream is called %s, as streams[%d] is; rename one", name, j)
			}
		}
	}
}

// maxName is the length of a name: report.ValidName.
const maxName = 40

// WatchedStreams are the names of what is watched, in the order of the file.
func (c *Config) WatchedStreams() (all []string) {
	for _, s := range c.Streams {
		all = append(all, s.Watched()...)
	}
	return all
}

// Watched are the names under which a camera is watched, one or two.
func (s Stream) Watched() []string {
	if s.Watch == WatchBoth {
		return []string{s.Name, s.Name + SubSuffix}
	}
	return []string{s.Name}
}

// subStreams warns of a contract that nobody looks at.
func (w *warner) subStreams() {
	for i, s := range w.c.Streams {
		path := fmt.Sprintf("streams[%d]", i)
		if s.Watch == WatchSub && s.Expect != (Expect{}) {
			w.addf(path+".expect", "is about url, and only sub_url is watched; write sub_expect, or watch: both")
		}
		if s.Watch == WatchMain && s.SubExpect != (Expect{}) {
			w.addf(path+".sub_expect", "is about sub_url, and only url is watched")
		}
	}
}

// sameUser is another address of a camera: the stream's own user name goes there
// too, since a second one would not be the same camera.
func sameUser(key string, to *string, kind urlKind) field {
	var user userinfo
	f := address(key, to, &user, kind)
	set := f.set
	f.set = func(s string) error {
		user = userinfo{}
		if err := set(s); err != nil {
			return err
		}
		if user.given {
			*to = ""
			return errors.New("holds a user name; the stream's username and password are used here too, so take them out of this one")
		}
		return nil
	}
	return f
}
