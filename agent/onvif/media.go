package onvif

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Profile is one of a camera's streams.
type Profile struct {
	Token       string  `json:"token"`
	Name        string  `json:"name,omitempty"`
	Source      string  `json:"source,omitempty"` // token of the lens or channel that it comes from
	Codec       string  `json:"codec,omitempty"`  // H264, H265, MJPEG, or the camera's word
	Width       int     `json:"width,omitempty"`  // pixels
	Height      int     `json:"height,omitempty"`
	FPS         float64 `json:"fps,omitempty"`     // limit that is set
	KbitPerS    int     `json:"bitrate,omitempty"` // limit that is set
	GOP         int     `json:"gop,omitempty"`     // frames from keyframe to keyframe
	StreamURI   string  `json:"stream_uri,omitempty"`
	SnapshotURI string  `json:"snapshot_uri,omitempty"`
}

// maxProfiles bounds what is asked for: an NVR of 64 channels has 128.
const maxProfiles = 128

// Profiles asks for the profiles and where their streams are. Media2 knows
// H.265 and is preferred where it is offered; media1 is asked when it fails.
func (d *Device) Profiles(ctx context.Context) ([]Profile, error) {
	s, err := d.services(ctx)
	if err != nil {
		return nil, err
	}
	if s.media2 != nil {
		m := mediaService{d, s.media2, nsMedia2}
		list, err := m.profiles(ctx)
		if len(list) > 0 || errors.Is(err, ErrNotAuthorized) || s.media == nil {
			return list, err
		}
		d.note("media2 gives no profiles, media was asked: %v", err)
	}
	if s.media == nil {
		return nil, errors.New("the camera offers no media service")
	}
	m := mediaService{d, s.media, nsMedia}
	return m.profiles(ctx)
}

// mediaService is media (ver10) or media2 (ver20).
type mediaService struct {
	*Device
	at *url.URL
	ns string
}

func (m mediaService) profiles(ctx context.Context) ([]Profile, error) {
	r := request{ns: m.ns, name: "GetProfiles"}
	if m.ns == nsMedia2 {
		r.body = "<Type>VideoSource</Type><Type>VideoEncoder</Type>"
	}
	n, err := m.call(ctx, m.at, r)
	if err != nil {
		return nil, err
	}
	var list []Profile
	for _, p := range n.all("Profiles", maxProfiles) {
		profile := m.profile(p)
		if profile.Token == "" || profile.Codec == "" {
			continue // no video
		}
		if err := m.uris(ctx, &profile); err != nil {
			return list, fmt.Errorf("profile %s: %w", profile.Token, err)
		}
		list = append(list, profile)
	}
	return list, nil
}

// profile reads one of either service: they differ in where the encoder stands
// and how its keyframe interval is written.
func (m mediaService) profile(n *node) Profile {
	p := Profile{Token: clip(n.attrs["token"]), Name: n.text("Name")}
	source, encoder := n.at("VideoSourceConfiguration"), n.at("VideoEncoderConfiguration")
	if m.ns == nsMedia2 {
		source, encoder = n.at("Configurations", "VideoSource"), n.at("Configurations", "VideoEncoder")
	}
	p.Source = source.text("SourceToken")
	if encoder == nil {
		return p
	}
	p.Codec = codecName(encoder.text("Encoding"))
	p.Width, p.Height = encoder.number("Resolution", "Width"), encoder.number("Resolution", "Height")
	p.FPS = encoder.decimal("RateControl", "FrameRateLimit")
	p.KbitPerS = encoder.number("RateControl", "BitrateLimit")
	p.GOP = encoder.number("H264", "GovLength")
	if m.ns == nsMedia2 {
		p.GOP = atoi(encoder.attrs["GovLength"])
	}
	return p
}

// codecName is the configuration's word for a codec.
func codecName(s string) string {
	switch up := strings.ToUpper(s); up {
	case "JPEG", "VIDEO/JPEG":
		return "MJPEG"
	case "HEVC":
		return "H265"
	default:
		return up
	}
}

// uris asks where a profile's stream and snapshot are. Many cameras give no
// snapshot; that is no fault.
func (m mediaService) uris(ctx context.Context, p *Profile) error {
	token := "<ProfileToken>" + escaped(p.Token) + "</ProfileToken>"
	r := request{ns: m.ns, name: "GetStreamUri"}
	r.body = `<StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport><tt:Protocol>RTSP</tt:Protocol></tt:Transport></StreamSetup>` + token
	if m.ns == nsMedia2 {
		r.body = "<Protocol>RTSP</Protocol>" + token
	}
	n, err := m.call(ctx, m.at, r)
	if err != nil {
		return err
	}
	if p.StreamURI, err = m.streamURI(uriOf(n)); err != nil {
		return err
	}
	n, err = m.call(ctx, m.at, request{ns: m.ns, name: "GetSnapshotUri", body: token})
	if err != nil {
		return ctx.Err()
	}
	if u, err := m.own(uriOf(n), "the snapshot"); err == nil {
		p.SnapshotURI = u.String()
	}
	return nil
}

// uriOf is where media and media2 write an address. It is longer than what is
// shown of other texts.
func uriOf(n *node) string {
	if media := n.at("MediaUri"); media != nil {
		n = media
	}
	if n = n.at("Uri"); n == nil {
		return ""
	}
	return n.value
}

// bracketed is a host as it stands in a URL.
func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// streamURI checks where a stream is said to be: at the camera's own host, for
// who watches it sends its password there.
func (m mediaService) streamURI(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "rtsp" && u.Scheme != "rtsps" || u.Hostname() == "" || clip(raw) != raw {
		return "", fmt.Errorf("GetStreamUri: %q is no RTSP address", clip(raw))
	}
	u.User, u.Fragment = nil, "" // some cameras write their own password there
	if !sameHost(u.Hostname(), m.url.Hostname()) {
		m.note("a stream is said to be at %s, which is another host; the camera's own address was put in", u.Host)
		host := bracketed(m.url.Hostname())
		if port := u.Port(); port != "" {
			host += ":" + port
		}
		u.Host = host
	}
	return u.String(), nil
}
