package tpm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// An answer, as the TPM sends it; big-endian:
//
//	tag (2) size of all (4) code (4) [handle (4)] [size of parameters (4)] parameters [sessions]

const (
	headerBytes = 10
	// maxAnswer is the most that a TPM of the kernel's sends.
	maxAnswer = 4096
)

// ErrOther is a key that this TPM did not make, or made before it was cleared.
var ErrOther = errors.New("this TPM does not know the key: it is another one, or it was cleared; enrol again with a new token")

var errShort = errors.New("the TPM's answer is too short")

// codeError is a TPM's refusal (part 2, 6.6.3).
type codeError uint32

// Codes that are told in words; those of format one without the number of what
// they are about.
const (
	codeInitialize codeError = 0x100
	codeYielded    codeError = 0x908
	codeTesting    codeError = 0x90a
	codeLockout    codeError = 0x921
	codeRetry      codeError = 0x922

	codeHierarchy codeError = 0x85
	codeAuthFail  codeError = 0x8e
	codeIntegrity codeError = 0x9f
	codeBadAuth   codeError = 0xa2
)

func (c codeError) Error() string {
	words := "it refuses"
	switch c.kind() {
	case codeInitialize:
		words = "it was not started by the firmware"
	case codeLockout:
		words = "it is locked after wrong passwords"
	case codeHierarchy:
		words = "its owner's keys are switched off; look at the TPM in the firmware's settings"
	case codeAuthFail, codeBadAuth:
		words = "its owner has set a password; this works without one only"
	}
	return fmt.Sprintf("%s (code %#x)", words, uint32(c))
}

// kind leaves out which handle or parameter a code of format one is about.
func (c codeError) kind() codeError {
	if c&0x80 != 0 {
		return c & 0xbf
	}
	return c
}

// Is compares kinds.
func (c codeError) Is(target error) bool {
	t, ok := target.(codeError)
	return ok && c.kind() == t
}

// passes tells whether the same command works a moment later.
func passes(err error) bool {
	return errors.Is(err, codeRetry) || errors.Is(err, codeYielded) || errors.Is(err, codeTesting)
}

// parseAnswer checks an answer's header, and returns the handle, where one is
// expected, and the parameters.
func parseAnswer(b []byte, withHandle bool) (handle uint32, params *fields, err error) {
	f := &fields{rest: b}
	tag, size, code := f.u16(), f.u32(), f.u32()
	switch {
	case f.bad:
		return 0, nil, errShort
	case uint64(size) != uint64(len(b)):
		return 0, nil, fmt.Errorf("the TPM's answer has %d bytes and says %d", len(b), size)
	case code != 0:
		return 0, nil, codeError(code)
	case tag != tagSessions && tag != tagNoSessions:
		return 0, nil, fmt.Errorf("the TPM's answer has the unknown tag %#x", tag)
	}
	if withHandle {
		handle = f.u32()
	}
	if tag == tagSessions {
		f.rest = f.take(int64(f.u32()))
	}
	if f.bad {
		return 0, nil, errShort
	}
	return handle, f, nil
}

// fields reads one value after the other. After one that is not whole, bad is set
// and everything is empty.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) take(n int64) []byte {
	if f.bad || n < 0 || n > int64(len(f.rest)) {
		f.bad, f.rest = true, nil
		return nil
	}
	out := f.rest[:n]
	f.rest = f.rest[n:]
	return out
}

func (f *fields) u16() uint16 {
	if b := f.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (f *fields) u32() uint32 {
	if b := f.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// sized reads a TPM2B: its size (2) and so many bytes.
func (f *fields) sized() []byte { return f.take(int64(f.u16())) }

// parseCreated reads Create's parameters.
func parseCreated(p *fields) (private, public []byte, err error) {
	private, public = p.sized(), p.sized()
	if p.bad || len(private) == 0 {
		return nil, nil, errShort
	}
	return private, public, nil
}

// parseSignature reads Sign's parameters: TPMT_SIGNATURE.
func parseSignature(p *fields) (r, s []byte, err error) {
	alg, hash := p.u16(), p.u16()
	r, s = p.sized(), p.sized()
	switch {
	case p.bad:
		return nil, nil, errShort
	case alg != algECDSA || hash != algSHA256:
		return nil, nil, fmt.Errorf("the TPM signed with the algorithms %#x and %#x, not ECDSA with SHA-256", alg, hash)
	}
	return r, s, nil
}

// parsePublic reads the point of a key of ours (TPMT_PUBLIC, as our template with
// its point): uncompressed, as SEC 1 has it.
func parsePublic(public []byte) ([]byte, error) {
	template := signingTemplate()
	rest, ok := bytes.CutPrefix(public, template[:len(template)-4]) // up to the point
	if !ok {
		return nil, errors.New("not a key that signs with ECDSA on P-256 and is made as ours")
	}
	p := &fields{rest: rest}
	x, y := p.sized(), p.sized()
	if p.bad || len(p.rest) > 0 || len(x) > coordinate || len(y) > coordinate {
		return nil, errors.New("the public part is damaged")
	}
	point := make([]byte, 1+2*coordinate)
	point[0] = 4
	copy(point[1+coordinate-len(x):], x) // some leave zeros out
	copy(point[1+2*coordinate-len(y):], y)
	return point, nil
}
