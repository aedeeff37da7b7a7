package report

import (
	"crypto/ed25519"
	"errors"
	"net/url"
	"strings"
	"testing"
)

var aToken = EnrolToken{Secret: [16]byte{1, 2, 3, 0xff}, Pin: [16]byte{9, 8, 7}}

func TestEnrolTokenComesBack(t *testing.T) {
	text := aToken.String()
	if len(text) != 14*4+13 {
		t.Fatalf("%q has %d characters", text, len(text))
	}
	for name, as := range map[string]string{
		"as printed":    text,
		"lower case":    strings.ToLower(text),
		"no hyphens":    strings.ReplaceAll(text, "-", ""),
		"spaces":        " " + strings.ReplaceAll(text, "-", " "),
		"O and L typed": strings.NewReplacer("0", "O", "1", "l").Replace(text),
	} {
		if got, err := ParseEnrolToken(as); err != nil || got != aToken {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// One wrong character, or two that changed places, are found before anything is
// sent, and the error does not show the token.
func TestMisreadTokenIsFound(t *testing.T) {
	digits := strings.ReplaceAll(aToken.String(), "-", "")
	for i := range digits {
		for _, c := range ticketAlphabet {
			if byte(c) == digits[i] {
				continue
			}
			if _, err := ParseEnrolToken(digits[:i] + string(c) + digits[i+1:]); !errors.Is(err, ErrEnrolToken) {
				t.Errorf("character %d as %q was taken", i, c)
			} else if strings.Contains(err.Error(), digits[:8]) {
				t.Errorf("the error shows the token: %v", err)
			}
		}
	}
	for _, s := range []string{"", "0000", digits + "0", digits[:55] + "U", strings.Repeat("0", 1000)} {
		if _, err := ParseEnrolToken(s); !errors.Is(err, ErrEnrolToken) {
			t.Errorf("%q was taken", s)
		}
	}
}

func TestEnrolLink(t *testing.T) {
	link := EnrolLink(&url.URL{Scheme: "https", Host: "centre.example:8443"}, aToken)
	if want := "https://centre.example:8443/enrol#" + aToken.String(); link != want {
		t.Errorf("link %q, want %q", link, want)
	}
	centre, got, err := ParseEnrolLink(link + "\n")
	if err != nil || got != aToken || centre.String() != "https://centre.example:8443" {
		t.Errorf("%v %+v %v", centre, got, err)
	}
	for name, s := range map[string]string{
		"no token": "https://centre.example/enrol", "http": "http://centre.example/enrol#" + aToken.String(),
		"no host": "https:///enrol#" + aToken.String(), "a path": "https://centre.example/x/enrol#" + aToken.String(),
		"a password": "https://a:b@centre.example/enrol#" + aToken.String(), "half a token": "https://centre.example/enrol#0000",
		"a query": "https://centre.example/enrol?x=1#" + aToken.String(), "nothing": "",
	} {
		if _, _, err := ParseEnrolLink(s); err == nil {
			t.Errorf("%s: %q was taken", name, s)
		}
	}
}

func TestRecordKeyURI(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	u, err := url.Parse(RecordKeyURI(key).String())
	if err != nil {
		t.Fatal(err)
	}
	other := &url.URL{Scheme: "https", Host: "example"}
	if got, err := RecordKeyOf([]*url.URL{other, u}); err != nil || !key.Equal(got) {
		t.Errorf("%x, %v", got, err)
	}
	if got, err := RecordKeyOf([]*url.URL{other}); err != nil || got != nil {
		t.Errorf("without one: %x, %v", got, err)
	}
	if _, err := RecordKeyOf([]*url.URL{u, u}); err == nil {
		t.Error("two keys were taken")
	}
	if _, err := RecordKeyOf([]*url.URL{{Scheme: "urn", Opaque: recordKeyPrefix + "00"}}); err == nil {
		t.Error("a short key was taken")
	}
}

func FuzzParseEnrolLink(f *testing.F) {
	f.Add(EnrolLink(&url.URL{Scheme: "https", Host: "centre.example:8443"}, aToken))
	f.Add("https://x/enrol#" + strings.Repeat("0", 56))
	f.Fuzz(func(t *testing.T, s string) {
		centre, token, err := ParseEnrolLink(s)
		if err != nil {
			return
		}
		again, same, err := ParseEnrolLink(EnrolLink(centre, token))
		if err != nil || same != token || again.String() != centre.String() {
			t.Errorf("%q: %v %v, then %v %v: %v", s, centre, token, again, same, err)
		}
	})
}
