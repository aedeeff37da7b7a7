package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxSecretBytes bounds a password file: passwords are short, and a wrong path
// may name anything.
const maxSecretBytes = 4096

// hidden stands where a secret would be printed.
const hidden = "xxxxx"

// Secret is a password, or the file that holds it. It prints as xxxxx: the
// text is behind a pointer so that even fmt's look into unexported fields finds
// an address only.
type Secret struct {
	inline *string
	file   string
}

// IsSet tells whether there is a secret at all.
func (s Secret) IsSet() bool { return s.inline != nil || s.file != "" }

// File returns the file that holds the secret, "" if none does.
func (s Secret) File() string { return s.file }

// Value returns the secret. It reads the file each time, so that a changed
// password counts at the next connection; one line end at its end is not part
// of it. Without a secret it is "".
func (s Secret) Value() (string, error) {
	if s.file == "" {
		if s.inline == nil {
			return "", nil
		}
		return *s.inline, nil
	}
	data, err := readSecret(s.file)
	if err != nil {
		return "", fmt.Errorf("read password file %s: %w", s.file, err)
	}
	return data, nil
}

func readSecret(file string) (string, error) {
	f, err := openRegular(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretBytes+1))
	if err != nil {
		return "", errors.New(plain(err))
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	switch {
	case len(data) > maxSecretBytes:
		return "", fmt.Errorf("more than %d bytes; it must hold the password alone", maxSecretBytes)
	case len(data) == 0:
		return "", errors.New("empty; write the password into it")
	case bytes.ContainsAny(data, "\n\x00"):
		return "", errors.New("more than one line; it must hold the password alone")
	}
	return string(data), nil
}

// openRegular opens a file that is one: opening a pipe would wait for its
// other end.
func openRegular(file string) (*os.File, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, wrapPlain(err)
	}
	if info.IsDir() {
		return nil, errors.New("is a directory; name a file in it")
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, wrapPlain(err)
	}
	return f, nil
}

// String implements fmt.Stringer; it never shows the secret.
func (s Secret) String() string {
	switch {
	case s.file != "":
		return "file " + s.file
	case s.inline != nil:
		return hidden
	}
	return ""
}

// GoString implements fmt.GoStringer; it never shows the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalText implements encoding.TextMarshaler; it never shows the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
