package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// userinfo is a user name and password that were written into a URL.
type userinfo struct {
	given    bool
	username string
	password *string
}

var (
	// credentials are what stands between // and the last @: a password with a
	// slash in it ends where no URL parser would look.
	credentials = regexp.MustCompile(`(?s)//.*@`)
	// bareCredentials is the same where the scheme was forgotten.
	bareCredentials = regexp.MustCompile(`(?s)^[^/]*:.*@`)
	// queryPassword is how some cameras take theirs: ?user=a&password=b.
	queryPassword = regexp.MustCompile(`(?i)(pass(?:word|wd|wort)?|pwd|psw|secret|token)=[^&\s]*`)
)

// redact takes passwords out of a URL, also of one that can't be parsed. It
// rather takes too much.
func redact(s string) string {
	s = credentials.ReplaceAllString(s, "//"+hidden+"@")
	s = bareCredentials.ReplaceAllStringFunc(s, func(m string) string {
		if strings.Contains(m, "//") {
			return m
		}
		return hidden + "@"
	})
	return queryPassword.ReplaceAllString(s, "${1}="+hidden)
}

// urlKind is what a URL must look like.
type urlKind struct {
	schemes []string          // allowed
	ports   map[string]string // default port by scheme
	form    string            // for people
	bare    bool              // nothing may follow the port
}

var (
	rtspURL = urlKind{[]string{"rtsp", "rtsps"}, map[string]string{"rtsp": "554", "rtsps": "322"}, "rtsp://HOST/PATH", false}
	mqttURL = urlKind{[]string{"mqtt", "mqtts"}, map[string]string{"mqtt": "1883", "mqtts": "8883"}, "mqtts://HOST:8883", true}
)

// address is a URL field: to gets the URL without user name and password, in
// gets those.
func address(key string, to *string, in *userinfo, k urlKind) field {
	f := scalar(key, kindURL, to, func(s string) (string, error) {
		clean, user, err := k.parse(s)
		if err == nil {
			*in = user
		}
		return clean, err
	}, func(s string) string { return strconv.Quote(redact(s)) })
	f.reveal = whole(to)
	f.schemes = k.schemes
	return f.within("scheme " + strings.Join(k.schemes, " or ")).like(k.form)
}

// urlPattern is what a schema can see of a URL.
func urlPattern(allowed []string) string {
	var schemes []string
	for _, s := range allowed {
		var b strings.Builder
		for _, r := range s {
			fmt.Fprintf(&b, "[%c%c]", unicode.ToUpper(r), r)
		}
		schemes = append(schemes, b.String())
	}
	return "^(" + strings.Join(schemes, "|") + `)://[^/\s#][^\s#]*$`
}

// whole reveals a URL that is not shown whole.
func whole(to *string) func() *string {
	return func() *string {
		if url := *to; redact(url) != url {
			return &url
		}
		return nil
	}
}

// parse checks a URL and splits it. No error shows a password, so url.Parse's
// own, which quotes what it stumbled over, is not passed on.
func (k urlKind) parse(s string) (clean string, user userinfo, err error) {
	bad := func(what string) (string, userinfo, error) {
		return "", userinfo{}, fmt.Errorf("%s %s; write %s", what, show(s), k.form)
	}
	scheme, rest, found := strings.Cut(s, "://")
	switch {
	case s == "":
		return "", userinfo{}, nil
	case strings.IndexFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) >= 0:
		return bad("a space or control character in")
	case !found:
		return bad("no scheme in")
	case !slices.Contains(k.schemes, strings.ToLower(scheme)):
		return "", userinfo{}, fmt.Errorf("scheme of %s is not %s; write %s", show(s), strings.Join(k.schemes, " or "), k.form)
	}
	u, err := url.Parse(s)
	if err != nil {
		if strings.Contains(rest, "@") {
			return "", userinfo{}, fmt.Errorf("%s is not a URL; a user name or password with one of : / ? # @ %% in it goes into username and password_file", show(s))
		}
		return bad("not a URL:")
	}
	switch {
	case u.User == nil && strings.Contains(u.Path+u.Fragment, "@"):
		return "", userinfo{}, fmt.Errorf("an @ after the host in %s; a user name or password goes into username and password_file, any other @ is written %%40", show(s))
	case u.Hostname() == "":
		return bad("no host in")
	case !goodHost(u.Hostname()):
		return bad("not a host name or address in")
	case strings.HasSuffix(u.Host, ":"):
		return bad("no port after the colon in")
	case u.Port() != "" && !goodPort(u.Port()):
		return bad("port is not 1 to 65535 in")
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		return bad("a # in")
	case k.bare && (u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery):
		return bad("something after the port in")
	}
	if u.User != nil {
		user = userinfo{given: true, username: u.User.Username()}
		if p, ok := u.User.Password(); ok {
			user.password = &p
		}
		u.User = nil
	}
	return u.String(), user, nil
}

// same is what two URLs that lead to one place have in common.
func (k urlKind) same(clean string) string {
	u, err := url.Parse(clean)
	if err != nil {
		return clean // parse has let it through, so it is one
	}
	port := u.Port()
	if port == "" {
		port = k.ports[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port) + strings.TrimSuffix(u.RequestURI(), "/")
}

func goodPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$`)

// goodHost takes addresses (IPv6 with a zone too) and names; an underscore is
// no host name, but local networks have them.
func goodHost(s string) bool {
	addr, _, _ := strings.Cut(s, "%")
	if net.ParseIP(addr) != nil {
		return true
	}
	return len(s) <= 253 && hostName.MatchString(s) && !strings.Contains(s, "..")
}

func checkHost(s string) error {
	if !goodHost(s) {
		return fmt.Errorf("%s is not a host name or address", show(s))
	}
	return nil
}

// loopback tells whether a URL leads to this machine.
func loopback(clean string) bool {
	u, err := url.Parse(clean)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Of include/uapi/linux/if.h: IFNAMSIZ 16 with the zero at the end.
func checkInterface(s string) error {
	if len(s) > 15 || s == "." || s == ".." || strings.ContainsAny(s, "/: \t") {
		return fmt.Errorf("%s is not a network interface; `ip link` lists them, as eth0", show(s))
	}
	return nil
}

var fingerprintForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// fingerprint is the SHA-256 of a certificate: openssl's pairs with colons, or
// plain hex digits.
func fingerprint(key string, to *string) field {
	return scalar(key, kindText, to, func(s string) (string, error) {
		if s == "" {
			return "", nil
		}
		hex := strings.ToLower(s)
		hex = strings.TrimPrefix(strings.TrimPrefix(hex, "sha256:"), "sha256 fingerprint=")
		hex = strings.ReplaceAll(hex, ":", "")
		if fingerprintForm.MatchString(hex) {
			return hex, nil
		}
		if len(hex) == 40 {
			return "", errors.New("40 hex digits are a SHA-1 fingerprint; write the SHA-256 one, 64 hex digits")
		}
		return "", fmt.Errorf("%s is not a SHA-256 fingerprint: 64 hex digits, in pairs with colons or without", show(s))
	}, strconv.Quote).matching(`^([A-Za-z0-9 ]+[:=])?[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$`)
}
