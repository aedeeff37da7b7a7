package onviftest

import (
	"encoding/xml"
	"fmt"
	"net"
	"strings"
)

const (
	discoveryNS  = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
	addressingNS = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
	networkNS    = "http://www.onvif.org/ver10/network/wsdl"
	discoveryTo  = "urn:schemas-xmlsoap-org:ws:2005:04:discovery"
)

// probe is WS-Discovery's Probe, as its section 5.2 has it.
type probe struct {
	XMLName xml.Name `xml:"http://www.w3.org/2003/05/soap-envelope Envelope"`
	Header  struct {
		Action    headValue `xml:"http://schemas.xmlsoap.org/ws/2004/08/addressing Action"`
		To        headValue `xml:"http://schemas.xmlsoap.org/ws/2004/08/addressing To"`
		MessageID string    `xml:"http://schemas.xmlsoap.org/ws/2004/08/addressing MessageID"`
	} `xml:"http://www.w3.org/2003/05/soap-envelope Header"`
	Types *struct {
		Attrs []xml.Attr `xml:",any,attr"`
		Value string     `xml:",chardata"`
	} `xml:"http://www.w3.org/2003/05/soap-envelope Body>Probe>Types"`
}

type headValue struct {
	MustUnderstand string `xml:"http://www.w3.org/2003/05/soap-envelope mustUnderstand,attr"`
	Value          string `xml:",chardata"`
}

// AnswerMulticast joins the group on an interface and answers probes to it.
func (c *Camera) AnswerMulticast(i *net.Interface, port int) error {
	s, err := net.ListenMulticastUDP("udp4", i, &net.UDPAddr{IP: net.IPv4(239, 255, 255, 250), Port: port})
	if err != nil {
		return fmt.Errorf("join the discovery group on %s: %w", i.Name, err)
	}
	// Answers come from the camera's own address, not from the group's.
	out, err := net.ListenPacket("udp4", net.JoinHostPort(hostOf(c.Host()), "0"))
	if err != nil {
		return fmt.Errorf("answer probes: %w", err)
	}
	c.answer(s, out)
	return nil
}

// AnswerUnicast answers probes that are sent to one address.
func (c *Camera) AnswerUnicast(address string) (port int, err error) {
	s, err := net.ListenPacket("udp", address)
	if err != nil {
		return 0, fmt.Errorf("answer probes: %w", err)
	}
	c.answer(s, s)
	return s.LocalAddr().(*net.UDPAddr).Port, nil
}

func hostOf(hostport string) string {
	h, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return hostport
	}
	return h
}

// answer reads probes from one socket and sends answers by another.
func (c *Camera) answer(in, out net.PacketConn) {
	c.mu.Lock()
	c.sockets = append(c.sockets, in)
	if in != out {
		c.sockets = append(c.sockets, out)
	}
	c.mu.Unlock()
	c.wg.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, from, err := in.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := c.match(buf[:n]); answer != "" {
				_, _ = out.WriteTo([]byte(answer), from)
			}
		}
	})
}

// match is the ProbeMatches for a probe that is meant for us; "" is silence, as
// the specification wants it.
func (c *Camera) match(data []byte) string {
	var p probe
	if err := xml.Unmarshal(data, &p); err != nil {
		c.violatef("probe: %v: %s", err, data)
		return ""
	}
	h := p.Header
	switch {
	case h.Action.Value != discoveryNS+"/Probe":
		c.violatef("probe with action %q", h.Action.Value)
		return ""
	case h.To.Value != discoveryTo:
		c.violatef("probe to %q", h.To.Value)
		return ""
	case !strings.HasPrefix(h.MessageID, "urn:uuid:"):
		c.violatef("probe with message id %q", h.MessageID)
		return ""
	case h.Action.MustUnderstand != "1" || h.To.MustUnderstand != "1":
		c.violatef("probe whose headers need not be understood")
	}
	if !c.meant(p) {
		return ""
	}
	return c.matches(h.MessageID)
}

// meant resolves the probe's type by its own prefix.
func (c *Camera) meant(p probe) bool {
	if p.Types == nil {
		return true
	}
	prefix, name, ok := strings.Cut(strings.TrimSpace(p.Types.Value), ":")
	if !ok {
		c.violatef("probe for type %q, which has no namespace", p.Types.Value)
		return false
	}
	for _, a := range p.Types.Attrs {
		if a.Name.Space == "xmlns" && a.Name.Local == prefix {
			return a.Value == networkNS && name == "NetworkVideoTransmitter" || a.Value == deviceNS && name == "Device"
		}
	}
	c.violatef("probe whose prefix %q is bound to nothing", prefix)
	return false
}

func (c *Camera) matches(id string) string {
	at := c.o.XAddr
	if at == "" {
		at = c.URL()
	}
	scopes := c.o.Scopes
	if scopes == nil {
		scopes = []string{"onvif://www.onvif.org/type/video_encoder", "onvif://www.onvif.org/hardware/HW-1", "onvif://www.onvif.org/name/Gerbang%20Utara", "onvif://www.onvif.org/location/Serang"}
	}
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="%s" xmlns:w="%s" xmlns:d="%s" xmlns:dn="%s"><e:Header>`+
		`<w:MessageID>urn:uuid:11111111-1111-4111-8111-111111111111</w:MessageID><w:RelatesTo>%s</w:RelatesTo><w:To>%s/role/anonymous</w:To><w:Action>%s/ProbeMatches</w:Action>`+
		`<d:AppSequence InstanceId="1" MessageNumber="1"/></e:Header><e:Body><d:ProbeMatches><d:ProbeMatch><w:EndpointReference><w:Address>%s</w:Address></w:EndpointReference>`+
		`<d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>%s</d:Scopes><d:XAddrs>%s</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>`,
		soapNS, addressingNS, discoveryNS, networkNS, text(id), addressingNS, discoveryNS, text(c.o.Endpoint), text(strings.Join(scopes, " ")), text(at))
}
