package onvif

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
)

const (
	nsAddressing  = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
	nsDiscovery   = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
	discoveryURN  = "urn:schemas-xmlsoap-org:ws:2005:04:discovery"
	maxMatches    = 16 // of one answer
	maxXAddrs     = 8  // of one device
	maxScopes     = 32
	maxEndpoint   = 200 // bytes
	unknownPrefix = "at:"
)

// newID is a message id: urn:uuid and a random UUID (version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// probe is WS-Discovery's Probe.
func probe(id, types string) []byte {
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="%s" xmlns:a="%s" xmlns:d="%s"><s:Header>`+
		`<a:Action s:mustUnderstand="1">%s/Probe</a:Action><a:MessageID>%s</a:MessageID>`+
		`<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>`+
		`<a:To s:mustUnderstand="1">%s</a:To></s:Header><s:Body><d:Probe>%s</d:Probe></s:Body></s:Envelope>`,
		nsSOAP, nsAddressing, nsDiscovery, nsDiscovery, id, discoveryURN, types)
}

// match is one device of an answer.
type match struct {
	endpoint string
	xaddrs   []string
	scopes   []string
}

// parseMatches reads a ProbeMatches. related is the id of the probe that it
// answers.
func parseMatches(data []byte) (related string, list []match, err error) {
	if len(data) > maxDatagram {
		return "", nil, fmt.Errorf("more than %d bytes", maxDatagram)
	}
	root, err := parse(data)
	if err != nil {
		return "", nil, err
	}
	answers := root.at("Body", "ProbeMatches")
	if root.name != "Envelope" || answers == nil {
		return "", nil, errors.New("no ProbeMatches")
	}
	for _, n := range answers.all("ProbeMatch", maxMatches) {
		m := match{endpoint: n.text("EndpointReference", "Address"), xaddrs: words(n.at("XAddrs"), maxXAddrs), scopes: words(n.at("Scopes"), maxScopes)}
		if m.endpoint == "" || len(m.endpoint) > maxEndpoint {
			m.endpoint = unknownPrefix + strings.Join(m.xaddrs, " ")
		}
		list = append(list, m)
	}
	return root.text("Header", "RelatesTo"), list, nil
}

// words are the values of a list that spaces separate.
func words(n *node, most int) []string {
	if n == nil {
		return nil
	}
	w := strings.Fields(n.value)
	return w[:min(len(w), most)]
}
