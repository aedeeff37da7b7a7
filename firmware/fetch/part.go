package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"kentongan/firmware"
)

// part is a file that is not whole yet, and the server's mark of what it is a
// part of.
type part struct {
	*os.File
	have int64
	mark string
	buf  []byte
}

// bufSize is small, so that a limited rate is an even one.
const bufSize = 16 << 10

func openPart(file string, want firmware.File) (*part, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	p := &part{File: f, buf: make([]byte, bufSize)}
	info, err := f.Stat()
	if err == nil {
		p.have = info.Size()
		// Without its mark nobody knows what the part belongs to.
		mark, merr := os.ReadFile(p.markFile())
		p.mark = string(mark)
		if merr != nil || p.mark == "" || p.have > want.Size {
			err = p.empty()
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

func (p *part) markFile() string { return p.Name() + ".mark" }

func (p *part) empty() error {
	p.have = 0
	return p.Truncate(0)
}

// begin looks at what the server sends: the rest of what we have, or all of it
// from the beginning.
func (p *part) begin(res *http.Response) error {
	switch res.StatusCode {
	case http.StatusPartialContent:
		if got, want := res.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", p.have); !strings.HasPrefix(got, want) {
			return fmt.Errorf("asked for byte %d on, the server sends %q", p.have, got)
		}
		return nil
	case http.StatusOK, http.StatusRequestedRangeNotSatisfiable:
		if err := p.empty(); err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return errors.New("the server has less than the part that is here; begun again")
		}
		mark := res.Header.Get("ETag")
		if strings.HasPrefix(mark, "W/") { // weak: the bytes may differ
			mark = ""
		}
		if mark == "" {
			mark = res.Header.Get("Last-Modified")
		}
		p.mark = mark
		return os.WriteFile(p.markFile(), []byte(mark), 0o644)
	}
	return fmt.Errorf("the server says %s", res.Status)
}
