package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
)

// Root is what the centre had at a moment, signed by it and kept in a file
// outside the database: whoever sets the database back, or takes a device out of
// it, would have to take the file back as well, or wherever a copy of it lies. A
// root names the lanes that have moved since the one before it, and its hash, so
// none can be taken out of the middle.
//
// The text that is signed, as a note (c2sp.org/signed-note); the file holds one
// such note a line, as a JSON string:
//
//	kentongan/v1/centre/root
//	number 17
//	prev <hash of the text of root 16; of 32 zero bytes at number 1>
//	time 2026-11-26T10:00:00Z
//	key kiosk-7 kentongan/v1/kiosk-7+1a2b3c4d+…
//	head kiosk-7 complaint 0f3a9c1d2e4b5a67 seq 31 hash <hash> records 31 checkpoint 28
//
// seq is the highest number that is held, hash that record's, records how many
// are held, and checkpoint the newest that is, 0 for none. A key line names the
// record key that a device has from then on.
type Root struct {
	Number uint64
	Prev   report.Hash
	Time   time.Time // whole seconds
	Keys   []RootKey
	Heads  []RootHead
}

// RootKey is the record key of a device.
type RootKey struct{ Device, Key string }

// RootHead is what was held of one lane.
type RootHead struct {
	Device, Lane, Epoch      string
	Seq, Records, Checkpoint uint64
	Hash                     report.Hash
}

func (h RootHead) lane() laneName { return laneName{h.Device, h.Epoch, h.Lane} }

const rootTitle = report.Root + "/centre/root"

// ErrRoot is a line of the log that is no root of this centre.
var ErrRoot = errors.New("not a valid root")

// text is what is signed.
func (r Root) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nnumber %d\nprev %s\ntime %s\n", rootTitle, r.Number, r.Prev, r.Time.UTC().Format(time.RFC3339))
	for _, k := range r.Keys {
		fmt.Fprintf(&b, "key %s %s\n", k.Device, k.Key)
	}
	for _, h := range r.Heads {
		fmt.Fprintf(&b, "head %s %s %s seq %d hash %s records %d checkpoint %d\n", h.Device, h.Lane, h.Epoch, h.Seq, h.Hash, h.Records, h.Checkpoint)
	}
	return b.String()
}

// Hash names the root in the next one.
func (r Root) Hash() report.Hash { return report.HashLine([]byte(r.text())) }

// line is the root as it stands in the file, with its line end.
func (r Root) line(s note.Signer) ([]byte, error) {
	msg, err := note.Sign(&note.Note{Text: r.text()}, s)
	if err != nil {
		return nil, fmt.Errorf("sign root %d: %w", r.Number, err)
	}
	out, err := json.Marshal(string(msg))
	if err != nil {
		return nil, fmt.Errorf("encode root %d: %w", r.Number, err)
	}
	return append(out, '\n'), nil
}

// openRoot verifies one line of the file.
func openRoot(line []byte, v note.Verifiers) (Root, error) {
	var msg string
	if err := json.Unmarshal(line, &msg); err != nil {
		return Root{}, fmt.Errorf("%w: %v", ErrRoot, err)
	}
	n, err := note.Open([]byte(msg), v)
	if err != nil {
		return Root{}, fmt.Errorf("%w: %v", ErrRoot, err)
	}
	var r Root
	for i, line := range strings.Split(strings.TrimSuffix(n.Text, "\n"), "\n") {
		if i == 0 {
			if line != rootTitle {
				return Root{}, fmt.Errorf("%w: it begins with %.80q", ErrRoot, line)
			}
			continue
		}
		if err := r.set(line); err != nil {
			return Root{}, fmt.Errorf("%w: line %.100q: %v", ErrRoot, line, err)
		}
	}
	if r.text() != n.Text {
		return Root{}, fmt.Errorf("%w: it says more than this program understands", ErrRoot)
	}
	return r, nil
}

func (r *Root) set(line string) (err error) {
	f := strings.Split(line, " ")
	switch {
	case f[0] == "number" && len(f) == 2:
		r.Number, err = strconv.ParseUint(f[1], 10, 64)
	case f[0] == "prev" && len(f) == 2:
		err = r.Prev.UnmarshalText([]byte(f[1]))
	case f[0] == "time" && len(f) == 2:
		r.Time, err = time.Parse(time.RFC3339, f[1])
	case f[0] == "key" && len(f) == 3:
		r.Keys = append(r.Keys, RootKey{f[1], f[2]})
	case f[0] == "head" && len(f) == 12:
		h := RootHead{Device: f[1], Lane: f[2], Epoch: f[3]}
		var errs [4]error
		h.Seq, errs[0] = strconv.ParseUint(f[5], 10, 64)
		errs[1] = h.Hash.UnmarshalText([]byte(f[7]))
		h.Records, errs[2] = strconv.ParseUint(f[9], 10, 64)
		h.Checkpoint, errs[3] = strconv.ParseUint(f[11], 10, 64)
		r.Heads, err = append(r.Heads, h), errors.Join(errs[:]...)
	default:
		err = errors.New("unknown")
	}
	return err
}

// rootLog is what a file of roots says, put together.
type rootLog struct {
	last  Root // of it only number, time and hash
	hash  report.Hash
	heads map[laneName]rooted
	lanes map[string][]laneName // those of heads, by device
	keys  map[string]string     // device → record key
	end   int64                 // bytes that make sense, from the start
	torn  bool                  // a last line that was not finished
}

// rooted is the highest of a lane that any root has named, and the root.
type rooted struct {
	RootHead
	by uint64
}

// maxRootLine is the longest line that is read: a hundred thousand lanes that
// moved in an hour make 20 MB.
const maxRootLine = 256 << 20

// readRoots reads a file of roots. What is wrong with it goes to bad, with the
// number of the root, and reading goes on where it can. A file that is not there
// is an empty log.
func readRoots(file string, v note.Verifiers, bad func(number uint64, why string)) (*rootLog, error) {
	l := &rootLog{heads: map[laneName]rooted{}, lanes: map[string][]laneName{}, keys: map[string]string{}}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read roots: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	in := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) {
			l.torn = len(line) > 0 // the power went while it was written; nobody was told of it
			return l, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read roots %s: line %d: %w", file, n, err)
		}
		l.end += int64(len(line))
		r, err := openRoot(bytes.TrimSuffix(line, []byte("\n")), v)
		if err != nil {
			bad(l.last.Number+1, fmt.Sprintf("line %d of the log of roots: %v", n, err))
			continue
		}
		l.add(r, bad)
	}
}

func readLine(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxRootLine {
			return nil, fmt.Errorf("more than %d bytes", maxRootLine)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// add takes the next root.
func (l *rootLog) add(r Root, bad func(uint64, string)) {
	if r.Number != l.last.Number+1 || r.Prev != l.hash {
		bad(r.Number, fmt.Sprintf("root %d follows root %d, and names another one before it: roots were taken out of the log, or it was begun anew", r.Number, l.last.Number))
	}
	l.last, l.hash = Root{Number: r.Number, Time: r.Time}, r.Hash()
	for _, k := range r.Keys {
		l.keys[k.Device] = k.Key
	}
	for _, h := range r.Heads {
		old, known := l.heads[h.lane()]
		if known && (h.Seq < old.Seq || h.Records < old.Records) {
			bad(r.Number, fmt.Sprintf("root %d has %s/%s of epoch %s up to %d (%d records), root %d had it up to %d (%d records): the database was set back between them",
				r.Number, h.Device, h.Lane, h.Epoch, h.Seq, h.Records, old.by, old.Seq, old.Records))
			continue // what was held once is what has to be there
		}
		l.heads[h.lane()] = rooted{h, r.Number}
		if !known {
			l.lanes[h.lane().device] = append(l.lanes[h.lane().device], h.lane())
		}
	}
}
