package firmware

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// MaxPayloadBytes is the largest program that a release may bring.
const MaxPayloadBytes = 64 << 20

// Release says what a version consists of. A release key signs its text:
//
//	kentongan/firmware/release
//	number 41
//	version v1.4.0
//	issued 2026-11-26T10:00:00Z
//	keys 3
//	from 30
//	payload linux/arm/6 12194816 <sha256> kentongan-41-linux-arm-6.zst 3504112 <sha256>
//	patch linux/arm/6 <sha256 of the base> kentongan-41-linux-arm-6-from-40.zst 51200 <sha256>
//	board linux/arm/6 raspberrypi,model-b
type Release struct {
	Number  uint64 // rises with each release, for ever
	Version string // for people
	Issued  time.Time
	Keys    uint64    // the oldest key list under which it may be believed
	From    uint64    // the oldest number that may go there at once; 0 = any
	Expires time.Time // refuse it from then on; zero = never
	Payload []Payload
}

// Payload is the program for one platform.
type Payload struct {
	Platform Platform
	Size     int64
	SHA256   string // hex, of the program itself
	Packed   File   // the program, zstd
	Patch    []Patch
	Boards   []string // devicetree "compatible" names; none = every board
}

// Patch makes the payload out of a program that is there: zstd with that
// program as its dictionary.
type Patch struct {
	Base   string // hex SHA-256 of the program that it starts from
	Packed File
}

// File is one file beside the release.
type File struct {
	Name   string
	Size   int64
	SHA256 string // hex
}

var (
	fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$`)
	version  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]{0,63}$`)
	board    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9,._-]{0,63}$`)
)

// Text is what the release key signs.
func (r Release) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nnumber %d\nversion %s\nissued %s\nkeys %d\n", releaseTitle, r.Number, r.Version, r.Issued.UTC().Format(time.RFC3339), r.Keys)
	if r.From > 0 {
		fmt.Fprintf(&b, "from %d\n", r.From)
	}
	if !r.Expires.IsZero() {
		fmt.Fprintf(&b, "expires %s\n", r.Expires.UTC().Format(time.RFC3339))
	}
	for _, p := range r.Payload {
		fmt.Fprintf(&b, "payload %s %d %s %s\n", p.Platform, p.Size, p.SHA256, p.Packed)
		for _, d := range p.Patch {
			fmt.Fprintf(&b, "patch %s %s %s\n", p.Platform, d.Base, d.Packed)
		}
		for _, name := range p.Boards {
			fmt.Fprintf(&b, "board %s %s\n", p.Platform, name)
		}
	}
	return b.String()
}

func (f File) String() string { return fmt.Sprintf("%s %d %s", f.Name, f.Size, f.SHA256) }

// ParseRelease reads the text of a release and holds it to its own rules.
func ParseRelease(text string) (Release, error) {
	var r Release
	many := map[string]bool{"payload": true, "patch": true, "board": true}
	if err := readLines(text, releaseTitle, many, r.set); err != nil {
		return Release{}, fmt.Errorf("release: %w", err)
	}
	for name, missing := range map[string]bool{
		"number": r.Number == 0, "version": r.Version == "", "issued": r.Issued.IsZero(), "keys": r.Keys == 0, "payload": len(r.Payload) == 0,
	} {
		if missing {
			return Release{}, fmt.Errorf("release: no line %q", name)
		}
	}
	return r, nil
}

func (r *Release) set(key, value string) (err error) {
	switch key {
	case "number":
		r.Number, err = number(value)
	case "version":
		if r.Version = value; !version.MatchString(value) {
			err = errors.New("letters, digits and . _ + ~ - only, at most 64")
		}
	case "issued":
		r.Issued, err = instant(value)
	case "expires":
		r.Expires, err = instant(value)
	case "keys":
		r.Keys, err = number(value)
	case "from":
		r.From, err = number(value)
	case "payload":
		err = r.addPayload(strings.Split(value, " "))
	case "patch":
		err = r.addPatch(strings.Split(value, " "))
	case "board":
		err = r.addBoard(strings.Split(value, " "))
	default:
		err = errUnknownLine
	}
	return err
}

func (r *Release) addPayload(f []string) error {
	if len(f) != 6 {
		return errors.New("want platform, size, SHA-256, file, its size, its SHA-256")
	}
	platform, err := ParsePlatform(f[0])
	if err != nil {
		return err
	}
	if r.of(f[0]) != nil {
		return fmt.Errorf("a second payload for %s", platform)
	}
	p := Payload{Platform: platform, SHA256: f[2]}
	if p.Size, err = size(f[1]); err != nil {
		return err
	}
	if err := digest(f[2]); err != nil {
		return err
	}
	if p.Packed, err = file(f[3:]); err != nil {
		return err
	}
	r.Payload = append(r.Payload, p)
	return nil
}

func (r *Release) addPatch(f []string) error {
	if len(f) != 5 {
		return errors.New("want platform, SHA-256 of the base, file, its size, its SHA-256")
	}
	p := r.of(f[0])
	if p == nil {
		return fmt.Errorf("no payload for %.40q before it", f[0])
	}
	if err := digest(f[1]); err != nil {
		return err
	}
	packed, err := file(f[2:])
	if err != nil {
		return err
	}
	p.Patch = append(p.Patch, Patch{Base: f[1], Packed: packed})
	return nil
}

func (r *Release) addBoard(f []string) error {
	if len(f) != 2 || !board.MatchString(f[1]) {
		return errors.New("want platform and a devicetree name, as in raspberrypi,model-zero")
	}
	p := r.of(f[0])
	if p == nil {
		return fmt.Errorf("no payload for %.40q before it", f[0])
	}
	p.Boards = append(p.Boards, f[1])
	return nil
}

func (r *Release) of(platform string) *Payload {
	for i := range r.Payload {
		if string(r.Payload[i].Platform) == platform {
			return &r.Payload[i]
		}
	}
	return nil
}

func size(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > MaxPayloadBytes {
		return 0, fmt.Errorf("size %.40q: want 1 to %d bytes", s, MaxPayloadBytes)
	}
	return n, nil
}

func digest(s string) error {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 || strings.ToLower(s) != s {
		return fmt.Errorf("%.80q is no SHA-256; want 64 hex digits in lower case", s)
	}
	return nil
}

func file(f []string) (File, error) {
	n, err := size(f[1])
	if err != nil {
		return File{}, err
	}
	if !fileName.MatchString(f[0]) {
		return File{}, fmt.Errorf("file name %.80q: letters, digits and . _ - only", f[0])
	}
	return File{Name: f[0], Size: n, SHA256: f[2]}, digest(f[2])
}
