package longrun

import (
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// broker is a fake of a broker that keeps what a persistent session has not
// acknowledged, and what is retained, over its own restarts.
type broker struct {
	mu       sync.Mutex
	sessions map[string]*session
	retained map[string][]byte
	refuse   byte // a CONNACK code for who comes
	took     int  // connections that another one took over
	done     sync.WaitGroup
}

// session is a client's, connected or not. The broker's mutex guards it.
type session struct {
	id     string
	clean  bool
	subs   map[string]byte
	queue  []message // not sent yet
	flying []message // sent, not acknowledged
	last   uint16
	link   *link // nil while it is not connected
}

type message struct {
	id      uint16
	topic   string
	payload []byte
	sent    bool // before
}

// link is a connection of a session.
type link struct {
	conn net.Conn
	out  chan packets.ControlPacket
	over chan struct{}
	end  func()
}

// inFlight is how many messages without an acknowledgement a session has.
const inFlight = 20

func newBroker() *broker {
	return &broker{sessions: map[string]*session{}, retained: map[string][]byte{}}
}

// serve takes connections until the host is closed, and then waits for all.
func (b *broker) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			b.done.Wait()
			return
		}
		b.done.Go(func() { b.talk(c) })
	}
}

// talk is one connection.
func (b *broker) talk(c net.Conn) {
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	first, err := packets.ReadPacket(c)
	if err != nil {
		return
	}
	hello, ok := first.(*packets.ConnectPacket)
	if !ok {
		return
	}
	l := &link{conn: c, out: make(chan packets.ControlPacket, 1024), over: make(chan struct{})}
	l.end = sync.OnceFunc(func() { close(l.over); c.Close() })
	defer l.end()
	s := b.connect(hello, l)
	if s == nil {
		return
	}
	var writer sync.WaitGroup
	writer.Go(func() { l.write() })
	orderly := b.read(s, l, hello.Keepalive)
	l.end()
	writer.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.link == l {
		s.link = nil
		if s.clean {
			delete(b.sessions, s.id)
		}
		s.queue = append(s.flying, s.queue...)
		s.flying = nil
	}
	if !orderly && hello.WillFlag {
		b.routeLocked(hello.WillTopic, hello.WillMessage, hello.WillQos, hello.WillRetain)
	}
}

func (l *link) write() {
	for {
		select {
		case <-l.over:
			return
		case p := <-l.out:
			_ = l.conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
			if p.Write(l.conn) != nil {
				l.end()
				return
			}
		}
	}
}

// send gives up a connection that takes nothing more.
func (l *link) send(p packets.ControlPacket) {
	select {
	case l.out <- p:
	default:
		l.end()
	}
}

// connect begins a session, or goes on with one.
func (b *broker) connect(p *packets.ConnectPacket, l *link) *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	answer := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
	if answer.ReturnCode = b.refuse; b.refuse != 0 {
		_ = answer.Write(l.conn)
		return nil
	}
	s := b.sessions[p.ClientIdentifier]
	if s != nil && s.link != nil {
		b.took++
		s.link.end()
	}
	if s == nil || p.CleanSession {
		s = &session{id: p.ClientIdentifier, clean: p.CleanSession, subs: map[string]byte{}}
		b.sessions[s.id] = s
	} else {
		answer.SessionPresent = true
		s.queue = append(s.flying, s.queue...)
		s.flying = nil
	}
	s.link = l
	l.send(answer)
	s.pumpLocked()
	return s
}

// read reads until the connection ends, and tells whether it was in order.
func (b *broker) read(s *session, l *link, keepAlive uint16) (orderly bool) {
	for {
		if keepAlive > 0 {
			_ = l.conn.SetReadDeadline(time.Now().Add(time.Duration(keepAlive) * 1500 * time.Millisecond))
		}
		p, err := packets.ReadPacket(l.conn)
		if err != nil {
			return false
		}
		switch p := p.(type) {
		case *packets.PublishPacket:
			b.mu.Lock()
			b.routeLocked(p.TopicName, p.Payload, p.Qos, p.Retain)
			b.mu.Unlock()
			if p.Qos > 0 {
				ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
				ack.MessageID = p.MessageID
				l.send(ack)
			}
		case *packets.PubackPacket:
			b.mu.Lock()
			s.flying = slices.DeleteFunc(s.flying, func(m message) bool { return m.id == p.MessageID })
			s.pumpLocked()
			b.mu.Unlock()
		case *packets.SubscribePacket:
			b.subscribe(s, l, p)
		case *packets.PingreqPacket:
			l.send(packets.NewControlPacket(packets.Pingresp))
		case *packets.DisconnectPacket:
			return true
		}
	}
}

func (b *broker) subscribe(s *session, l *link, p *packets.SubscribePacket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
	ack.MessageID = p.MessageID
	ack.ReturnCodes = p.Qoss
	l.send(ack)
	for i, filter := range p.Topics {
		s.subs[filter] = p.Qoss[i]
		for topic, payload := range b.retained {
			if matches(filter, topic) {
				s.giveLocked(topic, payload, p.Qoss[i])
			}
		}
	}
}

func (b *broker) routeLocked(topic string, payload []byte, qos byte, retain bool) {
	if retain {
		if b.retained[topic] = payload; len(payload) == 0 {
			delete(b.retained, topic)
		}
	}
	for _, s := range b.sessions {
		for filter, most := range s.subs {
			if matches(filter, topic) {
				s.giveLocked(topic, payload, min(qos, most))
				break
			}
		}
	}
}

func (s *session) giveLocked(topic string, payload []byte, qos byte) {
	m := message{topic: topic, payload: payload}
	if qos > 0 {
		s.queue = append(s.queue, m)
		s.pumpLocked()
	} else if s.link != nil {
		s.link.send(m.packet(0))
	}
}

func (s *session) pumpLocked() {
	for s.link != nil && len(s.queue) > 0 && len(s.flying) < inFlight {
		m := s.queue[0]
		s.queue = s.queue[1:]
		if s.last++; s.last == 0 {
			s.last = 1
		}
		m.id = s.last
		s.link.send(m.packet(1))
		m.sent = true
		s.flying = append(s.flying, m)
	}
}

func (m message) packet(qos byte) packets.ControlPacket {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload, p.Qos, p.MessageID, p.Dup = m.topic, m.payload, qos, m.id, m.sent
	return p
}

// matches tells whether a filter of MQTT takes a topic.
func matches(filter, topic string) bool {
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	for i, level := range f {
		switch {
		case level == "#":
			return true
		case i >= len(t) || level != "+" && level != t[i]:
			return false
		}
	}
	return len(f) == len(t)
}

// say publishes as nobody in particular.
func (b *broker) say(topic string, payload []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.routeLocked(topic, payload, 1, false)
}

// kept is what is retained on a topic.
func (b *broker) kept(topic string) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.retained[topic]
}

func (b *broker) refuses(code byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = code
}
