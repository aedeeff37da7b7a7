package stream

import (
	"bufio"
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// FuzzFetched: whatever a camera answers for a picture is bounded bytes, another
// address, a wish for the password, or an error that does not repeat it.
func FuzzFetched(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xd8\xff",
		"HTTP/1.1 302 Found\r\nLocation: //evil/\r\n\r\n", "HTTP/1.1 301 x\r\n\r\n",
		"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"y\", qop=\"auth,auth-int\", algorithm=SHA-256\r\n\r\n",
		"HTTP/1.0 401 No\r\nWWW-Authenticate: Basic\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
	} {
		f.Add([]byte(s))
	}
	u := &url.URL{Scheme: "http", Host: "camera", Path: "/snap.jpg"}
	f.Fuzz(func(t *testing.T, answer []byte) {
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
		if err != nil {
			return
		}
		defer res.Body.Close()
		res.Request = &http.Request{URL: u}
		var authorization string
		body, _, again, err := (&fetcher{username: "ops", password: "rahasia"}).answer(res, u, &authorization)
		if len(body) > maxFetched || again && authorization == "" || err != nil && strings.Contains(err.Error(), "rahasia") {
			t.Errorf("%d bytes, again %v with %q, %v", len(body), again, authorization, err)
		}
	})
}
