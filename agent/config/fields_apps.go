package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// App is one public application, asked as a citizen's browser asks.
type App struct {
	Name         string
	URL          string // http:// or https://, without a user name
	Label        Label
	Every        time.Duration
	Timeout      time.Duration // of one look, redirects included; longer than SlowAfter
	SlowAfter    time.Duration
	ExpectStatus string // "200", "2xx", or several with commas
	ExpectText   string // "" is any
	CA           string // PEM file; "" is the system's roots
	ExpiryDays   int64
	Family       string // any, ipv4, ipv6
	Redirects    int64
	Confirm      int64

	inURL userinfo
}

func (a *App) fields(dir string) []field {
	return []field{
		text("name", &a.Name, checkName).matching(namePattern).must().like("e-bansos").says("Our name of the application; as a stream's."),
		address("url", &a.URL, &a.inURL, webURL).must().says("The page that is asked for."),
		mapping("label", []field{
			brief("id", &a.Label.ID, 80).must().like("Bantuan sosial").says("Indonesian."),
			brief("en", &a.Label.EN, 80).must().like("Social aid").says("English."),
		}).says("What the application is, for people at the centre."),
		duration("every", &a.Every, 10*time.Second, 24*time.Hour).defaults("5m").
			says("Time between two looks, give or take a tenth. After a look that means a change, the next comes within 15 s."),
		duration("timeout", &a.Timeout, time.Second, 2*time.Minute).defaults("10s").
			says("Longest time of one look, from the name to the answer, redirects included."),
		duration("slow_after", &a.SlowAfter, 100*time.Millisecond, time.Minute).defaults("3s").
			says("A right answer that took longer is slow; it is well again below 80 % of it."),
		text("expect_status", &a.ExpectStatus, checkStatuses).matching(statusForm.String()).defaults("2xx").like("200, 401").
			says("Status that the last answer must have: a number, a class as 2xx, or several with commas."),
		brief("expect_text", &a.ExpectText, 200).like("Selamat datang").
			says("Text that must stand in the first 64 KiB of the page, letter by letter. Without it only the answer's head is asked for, which costs less."),
		path("ca", &a.CA, dir).like("province-ca.pem").says("PEM file of the authorities of the application's certificate; else the system's."),
		integer("expiry_days", &a.ExpiryDays, 1, 365).defaults("14").says("A certificate that expires sooner is a finding."),
		oneOf("family", &a.Family, "any", "ipv4", "ipv6").defaults("any").says("Addresses that are tried."),
		integer("redirects", &a.Redirects, 0, 10).defaults("5").
			says("Redirects that are followed. None is followed from https to http, or into a network nearer to the device than the application."),
		integer("confirm", &a.Confirm, 1, 10).defaults("2").says("Looks in a row that make a change of state, so that one lost packet makes none."),
	}
}

var webURL = urlKind{[]string{"https", "http"}, map[string]string{"http": "80", "https": "443"}, "https://HOST/PATH", false}

// statusForm is what appcheck takes, and a YAML number for one status.
var statusForm = regexp.MustCompile(`^[1-5]([0-9]{2}|xx)( *, *[1-5]([0-9]{2}|xx))*$`)

func checkStatuses(s string) error {
	if !statusForm.MatchString(s) {
		return fmt.Errorf("%s is no HTTP status; write 200, 2xx, or several with commas, as \"200, 401\"", show(s))
	}
	return nil
}

// checkApps looks at what the table can't see.
func (d *decoder) checkApps(apps []App) {
	for i, a := range apps {
		path := fmt.Sprintf("apps[%d]", i)
		if a.inURL.given {
			d.addf(d.at(join(path, "url")), join(path, "url"), "holds a user name; an application is asked as a citizen does, without one")
		}
		if d.given(join(path, "ca")) && strings.HasPrefix(a.URL, "http://") {
			d.onlyWith(path, "https://", "ca")
		}
		slow, timeout := join(path, "slow_after"), join(path, "timeout")
		if a.SlowAfter >= a.Timeout && !d.bad[slow] && !d.bad[timeout] {
			at := slow
			if !d.there(slow) {
				at = timeout
			}
			d.addf(d.at(at), at, "slow_after %s is not shorter than timeout %s, so nothing would ever be slow; write a shorter slow_after or a longer timeout", short(a.SlowAfter), short(a.Timeout))
		}
	}
	d.once("apps[%d].name", len(apps), func(i int) string { return apps[i].Name })
}

// apps warns of what is asked twice.
func (w *warner) apps() {
	first := map[string]int{}
	for i, a := range w.c.Apps {
		same := webURL.same(a.URL)
		if before, ok := first[same]; ok {
			w.addf(fmt.Sprintf("apps[%d].url", i), "the same page as apps[%d]; it is asked for twice", before)
			continue
		}
		first[same] = i
		if u, err := url.Parse(a.URL); err == nil && u.Scheme == "http" && a.ExpectText == "" && !loopback(a.URL) {
			w.addf(fmt.Sprintf("apps[%d].url", i), "not encrypted, and no expect_text: whoever is in between, such as a provider's login page, can answer for it; write https:// or expect_text")
		}
	}
}
