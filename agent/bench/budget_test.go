package main

import (
	"strings"
	"testing"
	"time"

	"kentongan/agent/bench/disk"
)

func TestOwnerOf(t *testing.T) {
	modules := []string{"github.com/pion/rtp", "github.com/pion/rtp/v2", "gopkg.in/yaml.v3", "golang.org/x/net"}
	for symbol, want := range map[string]string{
		"github.com/pion/rtp.(*Header).Unmarshal":        "github.com/pion/rtp",
		"github.com/pion/rtp/v2.New":                     "github.com/pion/rtp/v2",
		"github.com/pion/rtp/codecs.F":                   "github.com/pion/rtp",
		"gopkg.in/yaml%2ev3.yaml_parser_parse":           "gopkg.in/yaml.v3",
		"golang.org/x/net/html.Parse":                    "golang.org/x/net",
		"kentongan/agent/spool.(*Spool).Append":          "ours: kentongan/agent/spool",
		"main.main":                                      "ours: main",
		"crypto/tls.(*Conn).Handshake":                   "Go: crypto",
		"slices.SortFunc[go.shape.[]string,go.shape.x]":  "Go: slices",
		"type:.eq.crypto/x509.Certificate":               "Go: crypto",
		"go:itab.*os.File,io.Reader":                     "Go: os",
		"vendor/golang.org/x/crypto/chacha20.newUnknown": "Go: vendor",
		"memeqbody":       "runtime (assembly)",
		"type:*":          "",
		"runtime.pclntab": "",
		"go:string.*":     "",
	} {
		if got, ok := ownerOf(symbol, modules); got != want || ok != (want != "") {
			t.Errorf("%s is of %q, want %q", symbol, got, want)
		}
	}
}

// A day is what a window had, as often as it fits, and the presses of a kiosk.
func TestSitesTable(t *testing.T) {
	began := time.Unix(1e9, 0)
	one := func(site, name string, bytes, link int64) *contestant {
		return &contestant{site: site, name: name, disk: &disk.Disk{Why: "no device"}, way: &counter{},
			from: reading{when: began}, at: reading{disk: disk.Count{Bytes: bytes}, link: link, when: began.Add(time.Minute)}}
	}
	text := sitesTable([]*contestant{one("4 cameras", "kentongan", 1<<20, 1<<20), one("4 cameras", "Telegraf", 0, 2<<20), one("a kiosk alone", "kentongan", 0, 1<<20)},
		map[string]perPress{"kentongan": {link: 1 << 20}}).markdown()
	for _, want := range []string{"| 4 cameras | kentongan | – | – | – | 1,440 | 1.00 |", "| 4 cameras | Telegraf | – | – | – | 2,880 | 2.00 |", "| a kiosk alone | kentongan | – | – | – | 1,640 | 1.00 |", "no device."} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}
