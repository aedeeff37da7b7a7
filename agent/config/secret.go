package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// maxSecretBytes bounds a password file: passwords are short, and a wrong path
// may name anything.
const maxSecretBytes = 4096

// hidden stands where a secret would be printed.
const hidden = "xxxxx"

// credentialPrefix begins the name of a credential that systemd hands over
// (LoadCredential= and its like, systemd.exec(5)).
const credentialPrefix = "credential:"

var credentialForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`)

func checkCredential(name string) error {
	if !credentialForm.MatchString(name) {
		return fmt.Errorf("%s can't be a credential's name; write credential:NAME as in the unit's LoadCredential=NAME:FILE", show(name))
	}
	return nil
}

// Secret is a password, or the file that holds it. It prints as xxxxx: the
// text is behind a pointer so that even fmt's look into unexported fields finds
// an address only.
type Secret struct {
	inline *string
	file   string
}

// IsSet tells whether there is a secret at all.
func (s Secret) IsSet() bool { return s.inline != nil || s.file != "" }

// outside tells whether the secret stands in a file or a credential.
func (s Secret) outside() bool { return s.file != "" }

// File returns the file that holds the secret, "" if none does. Without
// credentials it is where one would be.
func (s Secret) File() string {
	file, err := s.place()
	if err != nil {
		return "$CREDENTIALS_DIRECTORY/" + strings.TrimPrefix(s.file, credentialPrefix)
	}
	return file
}

// place is where the secret's file is.
func (s Secret) place() (string, error) {
	name, ok := strings.CutPrefix(s.file, credentialPrefix)
	if !ok {
		return s.file, nil
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", fmt.Errorf("no credentials were handed over; the unit needs LoadCredential=%s:FILE", name)
	}
	return filepath.Join(dir, name), nil
}

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
	data, err := s.read()
	if err != nil {
		return "", fmt.Errorf("read password file %s: %w", s.file, err)
	}
	return data, nil
}

// read reads what stands outside.
func (s Secret) read() (string, error) {
	file, err := s.place()
	if err != nil {
		return "", err
	}
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
