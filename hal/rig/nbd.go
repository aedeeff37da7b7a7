package rig

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// From the protocol's doc/proto.md (github.com/NetworkBlockDevice/nbd).
const (
	nbdMagic      = "NBDMAGICIHAVEOPT"
	nbdFixed      = 1 << 0 // and no zeroes, 1 << 1
	nbdReplyMagic = 0x3e889045565a9
	nbdAck        = 1
	nbdInfo       = 3
	nbdUnknown    = 1<<31 | 1

	optExport, optAbort, optInfo, optGo = 1, 2, 6, 7

	transmission = 1<<0 | 1<<2 | 1<<3 // has flags, sends flush, sends FUA

	cmdRead, cmdWrite, cmdDisc, cmdFlush = 0, 1, 2, 3
	flagFUA                              = 1 << 0

	requestMagic = 0x25609513
	answerMagic  = 0x67446698
	maxTransfer  = 32 << 20
	errIO        = 5
	errInvalid   = 22
)

var errPowerOff = errors.New("the power is off")

// session is one machine's connection.
type session struct {
	d   *Disk
	in  *bufio.Reader
	out *bufio.Writer
	err error // the first of writing
}

func newSession(d *Disk, c net.Conn) *session {
	return &session{d: d, in: bufio.NewReaderSize(c, 1<<18), out: bufio.NewWriterSize(c, 1<<16)}
}

func (s *session) put(values ...any) {
	for _, v := range values {
		if s.err == nil {
			s.err = binary.Write(s.out, binary.BigEndian, v)
		}
	}
}

func (s *session) get(v any) error { return binary.Read(s.in, binary.BigEndian, v) }

func (s *session) run() error {
	s.put([]byte(nbdMagic), uint16(nbdFixed|nbdFixed<<1))
	if err := errors.Join(s.err, s.out.Flush()); err != nil {
		return err
	}
	var client uint32
	if err := s.get(&client); err != nil {
		return err
	}
	for going := false; !going; {
		var err error
		if going, err = s.option(client); err != nil {
			return err
		}
	}
	for {
		if err := s.request(); err != nil {
			return err
		}
	}
}

// option answers one option of the handshake; going is true when it is over.
func (s *session) option(client uint32) (going bool, err error) {
	var o struct {
		Magic          [8]byte
		Option, Length uint32
	}
	if err := s.get(&o); err != nil {
		return false, err
	}
	if o.Length > 4096 {
		return false, fmt.Errorf("option of %d bytes", o.Length)
	}
	if _, err := io.CopyN(io.Discard, s.in, int64(o.Length)); err != nil {
		return false, err
	}
	size := uint64(len(s.d.now))
	reply := func(kind uint32, data ...any) {
		length := uint32(0)
		for _, v := range data {
			length += uint32(binary.Size(v))
		}
		s.put(uint64(nbdReplyMagic), o.Option, kind, length)
		s.put(data...)
	}
	switch o.Option {
	case optExport:
		s.put(size, uint16(transmission))
		if client&(nbdFixed<<1) == 0 {
			s.put(make([]byte, 124))
		}
		going = true
	case optInfo, optGo:
		reply(nbdInfo, uint16(0), size, uint16(transmission))
		reply(nbdAck)
		going = o.Option == optGo
	case optAbort:
		reply(nbdAck)
		err = io.EOF
	default:
		reply(nbdUnknown)
	}
	return going, errors.Join(err, s.err, s.out.Flush())
}

// request carries out one request.
func (s *session) request() error {
	var q struct {
		Magic          uint32
		Flags, Command uint16
		Handle, Offset uint64
		Length         uint32
	}
	if err := s.get(&q); err != nil {
		return err
	}
	if q.Magic != requestMagic || q.Length > maxTransfer {
		return fmt.Errorf("request %+v", q)
	}
	var data []byte
	switch q.Command {
	case cmdWrite:
		data = make([]byte, q.Length)
		if _, err := io.ReadFull(s.in, data); err != nil {
			return err
		}
	case cmdDisc:
		return io.EOF
	}
	answer, failed, err := s.d.do(q.Command, q.Flags, int64(q.Offset), int(q.Length), data)
	if err != nil {
		return err
	}
	s.put(uint32(answerMagic), failed, q.Handle, answer)
	return errors.Join(s.err, s.out.Flush())
}
