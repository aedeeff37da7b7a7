package onviftest

import (
	"fmt"
	"strings"
	"time"
)

var deviceOps = map[string]op{
	"GetSystemDateAndTime": {deviceNS, true, (*Camera).dateAndTime},
	"GetServices":          {deviceNS, true, (*Camera).services},
	"GetCapabilities":      {deviceNS, true, (*Camera).capabilities},
	"GetDeviceInformation": {deviceNS, false, (*Camera).information},
	"SystemReboot":         {deviceNS, false, (*Camera).reboot},
}

var mediaOps = map[string]op{
	"GetProfiles":    {mediaNS, false, (*Camera).profiles},
	"GetStreamUri":   {mediaNS, false, (*Camera).streamURI},
	"GetSnapshotUri": {mediaNS, false, (*Camera).snapshotURI},
}

var media2Ops = map[string]op{
	"GetProfiles":    {media2NS, false, (*Camera).profiles2},
	"GetStreamUri":   {media2NS, false, (*Camera).streamURI},
	"GetSnapshotUri": {media2NS, false, (*Camera).snapshotURI},
}

func (c *Camera) dateAndTime(operation) (string, *fault) {
	t := time.Now().Add(c.o.Clock).UTC()
	return fmt.Sprintf(`<r:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime>`+
		`<tt:Time><tt:Hour>%d</tt:Hour><tt:Minute>%d</tt:Minute><tt:Second>%d</tt:Second></tt:Time><tt:Date><tt:Year>%d</tt:Year><tt:Month>%d</tt:Month><tt:Day>%d</tt:Day></tt:Date>`+
		`</tt:UTCDateTime></r:SystemDateAndTime>`, t.Hour(), t.Minute(), t.Second(), t.Year(), t.Month(), t.Day()), nil
}

func (c *Camera) mediaAt(path string) string {
	if c.o.MediaXAddr != "" {
		return c.o.MediaXAddr
	}
	return "http://" + c.Host() + path
}

func (c *Camera) services(q operation) (string, *fault) {
	if q.IncludeCapability == nil {
		c.violatef("GetServices without IncludeCapability")
	}
	service := func(ns, at string) string {
		return fmt.Sprintf(`<r:Service><r:Namespace>%s</r:Namespace><r:XAddr>%s</r:XAddr><r:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></r:Version></r:Service>`, ns, text(at))
	}
	s := service(deviceNS, c.URL()) + service("http://www.onvif.org/ver10/events/wsdl", "http://"+c.Host()+"/onvif/events") + service(mediaNS, c.mediaAt("/onvif/media"))
	if c.o.Media2 {
		s += service(media2NS, "http://"+c.Host()+"/onvif/media2")
	}
	return s, nil
}

func (c *Camera) capabilities(q operation) (string, *fault) {
	if len(q.Category) != 1 || q.Category[0] != "All" && q.Category[0] != "Media" {
		c.violatef("GetCapabilities with category %q", q.Category)
	}
	return fmt.Sprintf(`<r:Capabilities><tt:Device><tt:XAddr>%s</tt:XAddr></tt:Device><tt:Media><tt:XAddr>%s</tt:XAddr></tt:Media></r:Capabilities>`,
		c.URL(), text(c.mediaAt("/onvif/media"))), nil
}

func (c *Camera) information(operation) (string, *fault) {
	return fmt.Sprintf(`<r:Manufacturer>%s</r:Manufacturer><r:Model>%s</r:Model><r:FirmwareVersion>%s</r:FirmwareVersion><r:SerialNumber>SN-1</r:SerialNumber><r:HardwareId>HW-1</r:HardwareId>`,
		text(c.o.Maker), text(c.o.Model), text(c.o.Firmware)), nil
}

func (c *Camera) reboot(operation) (string, *fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reboots++
	return "<r:Message>Rebooting in 1 s</r:Message>", nil
}

func (c *Camera) profiles(operation) (string, *fault) {
	var b strings.Builder
	for _, p := range c.o.Profiles {
		if p.Encoding == "H265" {
			continue // media knows no H.265
		}
		codec := ""
		if p.Encoding == "H264" {
			codec = fmt.Sprintf("<tt:H264><tt:GovLength>%d</tt:GovLength><tt:H264Profile>High</tt:H264Profile></tt:H264>", p.GOP)
		}
		fmt.Fprintf(&b, `<r:Profiles token="%s" fixed="true"><tt:Name>%s</tt:Name><tt:VideoSourceConfiguration token="vsc"><tt:Name>v</tt:Name><tt:UseCount>1</tt:UseCount><tt:SourceToken>%s</tt:SourceToken></tt:VideoSourceConfiguration>`+
			`<tt:VideoEncoderConfiguration token="vec"><tt:Name>e</tt:Name><tt:Encoding>%s</tt:Encoding><tt:Resolution><tt:Width>%d</tt:Width><tt:Height>%d</tt:Height></tt:Resolution>`+
			`<tt:RateControl><tt:FrameRateLimit>%d</tt:FrameRateLimit><tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>%d</tt:BitrateLimit></tt:RateControl>%s</tt:VideoEncoderConfiguration></r:Profiles>`,
			text(p.Token), text(p.Name), text(p.Source), p.Encoding, p.Width, p.Height, p.FPS, p.Kbit, codec)
	}
	b.WriteString(`<r:Profiles token="audio"><tt:Name>sound only</tt:Name></r:Profiles>`)
	return b.String(), nil
}

func (c *Camera) profiles2(q operation) (string, *fault) {
	if c.o.Media2Broken {
		return "", &fault{"s:Receiver", "ter:Action", "internal"}
	}
	if len(q.Types) == 0 {
		c.violatef("GetProfiles of media2 without a Type gives no configurations")
	}
	var b strings.Builder
	for _, p := range c.o.Profiles {
		fmt.Fprintf(&b, `<r:Profiles token="%s" fixed="true"><r:Name>%s</r:Name><r:Configurations><r:VideoSource token="vsc"><tt:SourceToken>%s</tt:SourceToken></r:VideoSource>`+
			`<r:VideoEncoder token="vec" GovLength="%d" Profile="Main"><tt:Name>e</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>%s</tt:Encoding><tt:Resolution><tt:Width>%d</tt:Width><tt:Height>%d</tt:Height></tt:Resolution>`+
			`<tt:RateControl ConstantBitRate="false"><tt:FrameRateLimit>%d.0</tt:FrameRateLimit><tt:BitrateLimit>%d</tt:BitrateLimit></tt:RateControl></r:VideoEncoder></r:Configurations></r:Profiles>`,
			text(p.Token), text(p.Name), text(p.Source), p.GOP, p.Encoding, p.Width, p.Height, p.FPS, p.Kbit)
	}
	return b.String(), nil
}

func (c *Camera) profile(q operation) (*Profile, *fault) {
	for i := range c.o.Profiles {
		if c.o.Profiles[i].Token == q.Token+q.Token2 {
			return &c.o.Profiles[i], nil
		}
	}
	c.violatef("%s of profile %q", q.XMLName.Local, q.Token+q.Token2)
	return nil, &fault{"s:Sender", "ter:InvalidArgVal", "no such profile"}
}

func (c *Camera) streamURI(q operation) (string, *fault) {
	p, f := c.profile(q)
	if f != nil {
		return "", f
	}
	if q.XMLName.Space == media2NS {
		if q.Protocol2 != "RTSP" && q.Protocol2 != "RtspUnicast" {
			c.violatef("GetStreamUri of media2 with protocol %q", q.Protocol2)
		}
		return "<r:Uri>" + text(p.StreamURI) + "</r:Uri>", nil
	}
	if q.Setup == nil || q.Setup.Stream != "RTP-Unicast" || q.Setup.Protocol != "RTSP" {
		c.violatef("GetStreamUri with setup %+v", q.Setup)
	}
	return mediaURI(p.StreamURI), nil
}

func (c *Camera) snapshotURI(q operation) (string, *fault) {
	p, f := c.profile(q)
	switch {
	case f != nil:
		return "", f
	case p.SnapshotURI == "":
		return "", &fault{"s:Receiver", "ter:ActionNotSupported", "no snapshots"}
	case q.XMLName.Space == media2NS:
		return "<r:Uri>" + text(p.SnapshotURI) + "</r:Uri>", nil
	}
	return mediaURI(p.SnapshotURI), nil
}

func mediaURI(uri string) string {
	return "<r:MediaUri><tt:Uri>" + text(uri) + "</tt:Uri><tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout></r:MediaUri>"
}
