package onvif

import (
	"bufio"
	"net"
	"net/netip"
	"strings"
	"testing"
	"unicode"
)

// TestProblemIsOneLine: what goes wrong with a stranger is printed on a terminal
// and into a configuration's comment. Its bytes must not leave either.
func TestProblemIsOneLine(t *testing.T) {
	for name, answer := range map[string]string{
		"header":    "HTTP/1.1 200 OK\r\nno colon\rstreams: [{name: evil}]\x1b[2J\r\n\r\n",
		"key":       "HTTP/1.1 200 OK\r\n\x1b[2J\rx: y\r\n\r\n",
		"protocol":  "EVIL\rstreams: \x1b[2J\r\n\r\n",
		"status":    "HTTP/1.1 9\x1b[2J\rx OK\r\n\r\n",
		"length":    "HTTP/1.1 200 OK\r\nContent-Length: 1\x1b[2J\rx\r\n\r\n",
		"coding":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: a\x1b[2J\rb\r\n\r\n",
		"separator": "HTTP/1.1 200 OK\r\n\r\n<a></b\u2028c>",
		"next line": "HTTP/1.1 200 OK\r\n\r\n<a\u0085b></c\u0085>",
		"long":      "HTTP/1.1 200 OK\r\n\r\n<a></" + strings.Repeat("b", 5000) + ">",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						r := bufio.NewReader(c)
						for line := "x"; strings.TrimSpace(line) != "" && err == nil; {
							line, err = r.ReadString('\n')
						}
						_, _ = c.Write([]byte(answer))
					}()
				}
			}()
			c := Look(t.Context(), []Found{{Addr: netip.MustParseAddr("127.0.0.1"), URL: "http://" + l.Addr().String() + DevicePath}}, LookOptions{})[0]
			for _, text := range append(c.Notes, c.Problem) {
				if strings.ContainsFunc(text, unicode.IsControl) || len(text) > 2*maxText {
					t.Errorf("it says %q", text)
				}
			}
			if c.Problem == "" {
				t.Error("no problem is told")
			}
		})
	}
}
