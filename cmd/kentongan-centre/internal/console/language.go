package console

import (
	"net/http"
	"slices"
	"strings"
)

// languages, the first is what a browser gets that asks for neither.
var languages = []string{"id", "en"}

const langCookie = "lang"

// language picks ?lang=, then the cookie, then what the browser accepts. A
// choice in the address is kept in the cookie.
func language(w http.ResponseWriter, r *http.Request) string {
	if l := r.URL.Query().Get("lang"); slices.Contains(languages, l) {
		http.SetCookie(w, &http.Cookie{Name: langCookie, Value: l, Path: "/", MaxAge: 365 * 24 * 3600, SameSite: http.SameSiteLaxMode, HttpOnly: true})
		return l
	}
	if c, err := r.Cookie(langCookie); err == nil && slices.Contains(languages, c.Value) {
		return c.Value
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if base == "in" { // Java's old name of Indonesian
			base = "id"
		}
		if slices.Contains(languages, base) {
			return base
		}
	}
	return languages[0]
}

// say gives a text in a language; what is unknown is shown as it is, so that a
// word of a newer device is still seen.
func say(lang, key string) string {
	t, ok := texts[key]
	if !ok {
		return key
	}
	if lang == "en" {
		return t[1]
	}
	return t[0]
}
