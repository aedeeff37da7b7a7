package tpm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Constants of part 2, with its names.
const (
	tagNoSessions = 0x8001 // TPM_ST_NO_SESSIONS
	tagSessions   = 0x8002 // TPM_ST_SESSIONS
	tagHashcheck  = 0x8024 // TPM_ST_HASHCHECK

	ccCreatePrimary = 0x131
	ccCreate        = 0x153
	ccLoad          = 0x157
	ccSign          = 0x15d
	ccFlushContext  = 0x165

	handleOwner    = 0x40000001 // TPM_RH_OWNER
	handleNull     = 0x40000007 // TPM_RH_NULL
	handlePassword = 0x40000009 // TPM_RS_PW

	algAES    = 0x06
	algSHA256 = 0x0b
	algNull   = 0x10
	algECDSA  = 0x18
	algECC    = 0x23
	algCFB    = 0x43
	curveP256 = 0x03

	attrSign       = 1 << 18
	attrRestricted = 1 << 16
	// fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA: made here,
	// stays here, used without a password, and wrong ones don't lock it.
	attrOurs = 1<<1 | 1<<4 | 1<<5 | 1<<6 | 1<<10

	coordinate = 32 // bytes, P-256
)

// order is big-endian, as all of a TPM's numbers.
var order = binary.BigEndian

func sized(b []byte) []byte { return append(order.AppendUint16(nil, uint16(len(b))), b...) }

// storageTemplate is TPMT_PUBLIC of the owner's storage key. Every byte of it
// makes the key that a TPM derives, so it never changes.
func storageTemplate() []byte {
	b := publicHead(attrOurs | attrRestricted | 1<<17) // decrypt
	for _, v := range []uint16{algAES, 128, algCFB, algNull, curveP256, algNull, 0, 0} {
		b = order.AppendUint16(b, v)
	}
	return b
}

// signingTemplate is TPMT_PUBLIC of a key that signs what its user gives.
func signingTemplate() []byte {
	b := publicHead(attrOurs | attrSign)
	for _, v := range []uint16{algNull, algNull, curveP256, algNull, 0, 0} {
		b = order.AppendUint16(b, v)
	}
	return b
}

func publicHead(attributes uint32) []byte {
	b := order.AppendUint16(nil, algECC)
	b = order.AppendUint16(b, algSHA256)
	b = order.AppendUint32(b, attributes)
	return order.AppendUint16(b, 0) // no policy
}

// encode makes a command. With a session, its handle is used with an empty
// password.
func encode(cc, handle uint32, params []byte) []byte {
	tag := uint16(tagSessions)
	if cc == ccFlushContext {
		tag = tagNoSessions
	}
	b := order.AppendUint16(nil, tag)
	b = order.AppendUint32(b, 0) // size, below
	b = order.AppendUint32(b, cc)
	b = order.AppendUint32(b, handle)
	if tag == tagSessions {
		b = order.AppendUint32(b, 9)
		b = order.AppendUint32(b, handlePassword)
		b = append(b, 0, 0, 0, 0, 0) // no nonce, no attributes, no password
	}
	b = append(b, params...)
	order.PutUint32(b[2:], uint32(len(b)))
	return b
}

// link is an open TPM.
type link struct{ rw io.ReadWriter }

const (
	tries      = 20
	retryAfter = 50 * time.Millisecond
)

// run sends a command and reads its answer; again, when the TPM says that it was
// busy with itself.
func (l link) run(cc, handle uint32, params []byte, withHandle bool) (made uint32, answer *fields, err error) {
	command := encode(cc, handle, params)
	for try := 1; ; try++ {
		if _, err := l.rw.Write(command); err != nil {
			return 0, nil, err
		}
		text, err := l.read()
		if err != nil {
			return 0, nil, err
		}
		made, answer, err = parseAnswer(text, withHandle)
		if !passes(err) || try == tries {
			return made, answer, err
		}
		time.Sleep(retryAfter)
	}
}

// read reads one answer. A device gives it whole to the first read; a socket may
// give it in pieces.
func (l link) read() ([]byte, error) {
	b := make([]byte, maxAnswer)
	for n, want := 0, headerBytes; ; {
		m, err := l.rw.Read(b[n:])
		n += m
		if n >= headerBytes {
			size := order.Uint32(b[2:])
			if size < headerBytes || size > maxAnswer {
				return nil, fmt.Errorf("the TPM's answer says that it has %d bytes", size)
			}
			want = int(size)
		}
		switch {
		case n >= headerBytes && n >= want:
			return b[:n], nil
		case errors.Is(err, io.EOF):
			return nil, errShort
		case err != nil:
			return nil, err
		}
	}
}

// storage makes the owner's storage key anew, the same each time.
func (l link) storage() (uint32, error) {
	params := order.AppendUint16(nil, 4)
	params = append(params, 0, 0, 0, 0) // TPMS_SENSITIVE_CREATE: no password, no data
	params = append(params, sized(storageTemplate())...)
	params = append(params, 0, 0, 0, 0, 0, 0) // no outside info, no PCRs
	h, _, err := l.run(ccCreatePrimary, handleOwner, params, true)
	return h, err
}

// create makes a signing key beneath its parent.
func (l link) create(parent uint32) (private, public []byte, err error) {
	params := order.AppendUint16(nil, 4)
	params = append(params, 0, 0, 0, 0)
	params = append(params, sized(signingTemplate())...)
	params = append(params, 0, 0, 0, 0, 0, 0)
	_, answer, err := l.run(ccCreate, parent, params, false)
	if err != nil {
		return nil, nil, err
	}
	return parseCreated(answer)
}

func (l link) load(parent uint32, private, public []byte) (uint32, error) {
	h, _, err := l.run(ccLoad, parent, append(sized(private), sized(public)...), true)
	if errors.Is(err, codeIntegrity) {
		err = ErrOther
	}
	return h, err
}

// sign signs a hash of SHA-256 with ECDSA.
func (l link) sign(key uint32, digest []byte) (r, s []byte, err error) {
	params := sized(digest)
	for _, v := range []uint16{algECDSA, algSHA256, tagHashcheck} {
		params = order.AppendUint16(params, v)
	}
	params = order.AppendUint32(params, handleNull) // the hash was not made by the TPM
	params = append(params, 0, 0)
	_, answer, err := l.run(ccSign, key, params, false)
	if err != nil {
		return nil, nil, err
	}
	return parseSignature(answer)
}

// flush gives the place of a loaded key back.
func (l link) flush(handle uint32) error {
	_, _, err := l.run(ccFlushContext, handle, nil, false)
	return err
}
