package rig

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
)

// usbDevice is a USB device that has control transfers only. A transfer that it
// does not know is a stall.
type usbDevice interface {
	// descriptors are the device's own and its only configuration.
	descriptors() (device, configuration []byte)
	// control carries out one transfer of a vendor's own kind. For one that
	// reads, the answer has n bytes at most.
	control(request uint8, value, index uint16, data []byte, n int) (answer []byte, ok bool)
}

// usbPort plugs a usbDevice into the machine, over the network protocol of the
// emulator's device usb-redir (usbredir 0.7, usb-redirection-protocol.txt): we
// are the side that has the device.
type usbPort struct {
	listener net.Listener
	device   usbDevice
	serving  sync.WaitGroup

	mu   sync.Mutex // guards conn
	conn net.Conn   // nil while no machine is there
}

// newUSBPort listens on a unix socket for one machine at a time, until Close.
func newUSBPort(d usbDevice, socket string) (*usbPort, error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	p := &usbPort{listener: l, device: d}
	p.serving.Go(p.serve)
	return p, nil
}

func (p *usbPort) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	if p.conn != nil {
		_ = p.conn.Close()
	}
	p.mu.Unlock()
	p.serving.Wait()
	return err
}

func (p *usbPort) serve() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conn = c
		p.mu.Unlock()
		_ = p.session(c) // ends when the machine does
		p.mu.Lock()
		p.conn = nil
		p.mu.Unlock()
		_ = c.Close()
	}
}

// Types of the protocol's packets, as far as this device meets them.
const (
	usbHello               = 0
	usbConnect             = 1
	usbReset               = 3
	usbInterfaces          = 4
	usbEndpoints           = 5
	usbSetConfiguration    = 6
	usbGetConfiguration    = 7
	usbConfigurationStatus = 8
	usbSetAlternate        = 9
	usbGetAlternate        = 10
	usbAlternateStatus     = 11
	usbControl             = 100
)

const (
	// A device's version, the endpoints' packet sizes, ids of 64 bits, lengths of
	// 32: the emulator's xHCI asks for all but the first.
	usbCapabilities = 1<<1 | 1<<4 | 1<<5 | 1<<6
	usbFullSpeed    = 1
	usbStall        = 4
	usbMostData     = 1 << 16 // of a packet; more is no packet of a device without endpoints
	usbNoEndpoint   = 255
)

func (p *usbPort) session(c net.Conn) error {
	in := bufio.NewReader(c)
	for i, first := range p.plugIn() {
		if err := usbSend(c, first, i == 0); err != nil {
			return err
		}
	}
	for first := true; ; first = false {
		packet, err := usbReceive(in, first)
		if err != nil {
			return err
		}
		answer := usbPacket{id: packet.id}
		if answer.kind, answer.body = p.answer(packet.kind, packet.body); answer.body == nil {
			continue
		}
		if err := usbSend(c, answer, false); err != nil {
			return err
		}
	}
}

// usbPacket is one of the protocol. Only the first of each side, its hello, has
// an id of 32 bits.
type usbPacket struct {
	kind uint32
	id   uint64
	body []byte
}

func usbSend(c io.Writer, p usbPacket, first bool) error {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, p.kind)
	b = le.AppendUint32(b, uint32(len(p.body)))
	if first {
		b = le.AppendUint32(b, uint32(p.id))
	} else {
		b = le.AppendUint64(b, p.id)
	}
	_, err := c.Write(append(b, p.body...))
	return err
}

func usbReceive(in io.Reader, first bool) (usbPacket, error) {
	head := make([]byte, 16)
	if first {
		head = head[:12]
	}
	if _, err := io.ReadFull(in, head); err != nil {
		return usbPacket{}, err
	}
	le := binary.LittleEndian
	p := usbPacket{kind: le.Uint32(head), id: uint64(le.Uint32(head[8:]))}
	if !first {
		p.id = le.Uint64(head[8:])
	}
	n := le.Uint32(head[4:])
	if n > usbMostData {
		return usbPacket{}, fmt.Errorf("usb: a packet of %d bytes", n)
	}
	p.body = make([]byte, n)
	_, err := io.ReadFull(in, p.body)
	return p, err
}

// plugIn is what this side says first: itself, and a device of one interface
// that has no endpoint but the control one.
func (p *usbPort) plugIn() []usbPacket {
	hello := append(make([]byte, 64), usbCapabilities, 0, 0, 0)
	copy(hello, "kentongan rig")
	interfaces := make([]byte, 4+4*32)
	interfaces[0] = 1
	interfaces[4+32] = 0xff // a vendor's own class
	endpoints := make([]byte, 3*32+2*32)
	for i := range 32 {
		endpoints[i] = usbNoEndpoint
	}
	for _, control := range []int{0, 16} { // out and in
		endpoints[control] = 0
		endpoints[3*32+2*control] = 64
	}
	d, _ := p.device.descriptors()
	connect := append([]byte{usbFullSpeed}, d[4:7]...)
	connect = append(connect, d[8:14]...) // vendor, product, version
	return []usbPacket{{kind: usbHello, body: hello}, {kind: usbInterfaces, body: interfaces}, {kind: usbEndpoints, body: endpoints}, {kind: usbConnect, body: connect}}
}

// answer returns nil where there is none.
func (p *usbPort) answer(kind uint32, body []byte) (uint32, []byte) {
	switch kind {
	case usbSetConfiguration, usbGetConfiguration:
		return usbConfigurationStatus, []byte{0, 1}
	case usbSetAlternate, usbGetAlternate:
		return usbAlternateStatus, []byte{0, 0, 0}
	case usbControl:
		return usbControl, p.transfer(body)
	}
	return 0, nil // its hello, resets, filters
}

// transfer answers a control packet: endpoint, request, type, status, value,
// index, length, data.
func (p *usbPort) transfer(body []byte) []byte {
	const header = 10
	if len(body) < header {
		return nil
	}
	le := binary.LittleEndian
	request, kind := body[1], body[2]
	value, index, n := le.Uint16(body[4:]), le.Uint16(body[6:]), int(le.Uint16(body[8:]))
	reads := kind&0x80 != 0
	var answer []byte
	ok := true
	switch {
	case kind == 0x80 && request == 6: // a descriptor
		device, configuration := p.device.descriptors()
		answer = map[uint16][]byte{1: device, 2: configuration}[value>>8]
		ok = answer != nil
	case kind == 0x80 && request == 0: // its state
		answer = []byte{0, 0}
	case kind&0x60 == 0x40:
		answer, ok = p.device.control(request, value, index, body[header:], n)
	default:
		ok = false
	}
	head := append([]byte(nil), body[:header]...)
	head[3] = 0
	if !ok {
		head[3], n, answer = usbStall, 0, nil
	}
	if reads {
		answer = answer[:min(n, len(answer))]
		n = len(answer)
	}
	le.PutUint16(head[8:], uint16(n))
	return append(head, answer...)
}
