package firmware

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
)

// Platform names what a payload runs on: GOOS/GOARCH, with the version of the
// instruction set behind it on 32-bit ARM: linux/arm/6.
type Platform string

var platformForm = regexp.MustCompile(`^[a-z0-9]{1,16}/[a-z0-9]{1,16}(/[0-9])?$`)

// ParsePlatform reads a platform as a release names it.
func ParsePlatform(s string) (Platform, error) {
	if !platformForm.MatchString(s) {
		return "", fmt.Errorf("platform %.40q: want GOOS/GOARCH, as in linux/arm64 or linux/arm/6", s)
	}
	return Platform(s), nil
}

// Own is the platform that this program was built for. goarm is the
// instruction set on 32-bit ARM ("6"), which only the build knows.
func Own(goarm string) Platform {
	p := runtime.GOOS + "/" + runtime.GOARCH
	if runtime.GOARCH == "arm" {
		p += "/" + goarm
	}
	return Platform(p)
}

// Runs tells whether a program for other runs on p: the same, or on 32-bit ARM
// an older instruction set.
func (p Platform) Runs(other Platform) bool {
	if p == other {
		return true
	}
	own, ok := strings.CutPrefix(string(p), "linux/arm/")
	theirs, ok2 := strings.CutPrefix(string(other), "linux/arm/")
	return ok && ok2 && theirs <= own
}
