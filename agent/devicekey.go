package agent

import (
	"crypto/tls"
	"errors"

	"kentongan/agent/enrol"
	"kentongan/hal/tpm"
)

// deviceKeys are the TLS keys of a device: in its TPM, or in files without one.
type deviceKeys struct {
	tpm    func() *tpm.TPM
	inside bool // a key that is read must be where new ones are made
}

// Keys are those of the TPM at a path, or files without one.
func Keys(path string) enrol.Keys {
	return &deviceKeys{tpm: func() *tpm.TPM { return tpm.At(path) }}
}

// currentKeys are those of the TPM that the newest configuration names: a device
// moves into its TPM when its certificate is renewed.
func (a *Agent) currentKeys() enrol.Keys {
	return &deviceKeys{tpm: func() *tpm.TPM { return tpm.At(a.current().Uplink.TPM) }}
}

func (d *deviceKeys) Make() (enrol.Key, error) {
	t := d.tpm()
	if t == nil {
		return enrol.Files{}.Make()
	}
	return keyOf(t.Make())
}

func (d *deviceKeys) Read(text []byte) (enrol.Key, error) {
	t := d.tpm()
	if tpm.IsKey(text) {
		return keyOf(t.Read(text))
	}
	if d.inside && t != nil {
		return enrol.Key{}, errors.New("an enrolment that was not finished made its key in a file, not in the TPM")
	}
	return enrol.Files{}.Read(text)
}

func keyOf(k *tpm.Key, err error) (enrol.Key, error) {
	if err != nil {
		return enrol.Key{}, err
	}
	text, err := k.PEM()
	return enrol.Key{Signer: k, PEM: text}, err
}

func (d *deviceKeys) Pair(text []byte) (tls.Certificate, error) {
	return d.tpm().X509KeyPair(text, text)
}
