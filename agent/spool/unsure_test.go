package spool

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// sick is a disk that lists or reads the complaint lane no more.
type sick struct {
	FS
	list, read bool
}

var errSick = errors.New("input/output error")

func (s sick) List(dir string) ([]FileInfo, error) {
	if s.list && filepath.Base(dir) == string(report.Complaint) {
		return nil, errSick
	}
	return s.FS.List(dir)
}

func (s sick) Open(name string, write bool) (File, error) {
	f, err := s.FS.Open(name, write)
	if err == nil && s.read && strings.Contains(name, string(report.Complaint)) {
		return sickFile{f}, nil
	}
	return f, err
}

type sickFile struct{ File }

func (f sickFile) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > headerSize {
		return 0, errSick
	}
	return f.File.ReadAt(b, off)
}

// A view says when it may not have seen all.
func TestViewIsUnsure(t *testing.T) {
	tests := map[string]struct {
		do func(d *memdisk.Disk) FS
		no bool
	}{
		"a whole spool":             {func(d *memdisk.Disk) FS { return d }, false},
		"a lane that is not listed": {func(d *memdisk.Disk) FS { return sick{d, true, false} }, true},
		"a lane that is not read":   {func(d *memdisk.Disk) FS { return sick{d, false, true} }, true},
		"a move under way": {func(d *memdisk.Disk) FS {
			gen, c, _, err := readCursors(d, "/s")
			if err != nil {
				t.Fatal(err)
			}
			was := c.Epoch
			c.Renew = &renewal{Epoch: was, Lanes: c.Lanes}
			c.Epoch, c.Lanes = was+1, map[report.Lane]*laneCursor{}
			for _, lane := range report.Lanes() {
				c.Lanes[lane] = &laneCursor{First: 1000, Next: 1000, ID: 9, Reserved: 1000}
			}
			cf := cursorFile{fs: d, dir: "/s", gen: gen}
			cf.open()
			defer cf.close()
			if _, err := cf.save(c, true); err != nil {
				t.Fatal(err)
			}
			return d
		}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := memdisk.New()
			s := mustOpen(t, "/s", small(d))
			mustAppend(t, s, report.Complaint, "a promise")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			v, err := openView(tt.do(d), "/s")
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Unsure(report.Complaint); (err != nil) != tt.no {
				t.Errorf("it says %v of %+v", err, v.Head(report.Complaint))
			}
		})
	}
}
