package screen

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strings"
)

// The page is static/page.html with places to fill: [[key]] is a text in the
// language to begin with, [[:name]] is made here. html/template would do the same
// and make the program 2.2 MB larger, for it keeps the linker from leaving out
// methods that nobody calls.

// ticketKeys are the characters of a ticket, in the order of the page's keys.
const ticketKeys = "1234567890ABCDEFGHJKMNPQRSTVWXYZ"

func (s *Screen) page(w http.ResponseWriter, r *http.Request) {
	text, err := s.render(s.choices(r))
	if err != nil {
		s.log.Error("page not made", "err", err)
		http.Error(w, "page not made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(text)) // the client may have gone
}

// render fills the page for who may touch these.
func (s *Screen) render(touch []Choice) (string, error) {
	raw, err := static.ReadFile("static/page.html")
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]any{"texts": s.texts(), "help": s.cfg.Help}) // escapes < > &
	if err != nil {
		return "", err
	}
	first := s.cfg.Languages[0]
	title, titleKey := s.cfg.Title, ""
	if title == "" {
		title, titleKey = first.Texts["title"], ` data-t="title"`
	}
	cancel := ""
	if s.cfg.CanCancel {
		cancel = fmt.Sprintf(`<button type="button" id="cancel" class="quiet" data-t="cancel" hidden>%s</button>`, html.EscapeString(first.Texts["cancel"]))
	}
	fill := []string{
		"[[:lang]]", html.EscapeString(first.Code), "[[:dir]]", direction(first), "[[:title]]", html.EscapeString(title), "[[:titlekey]]", titleKey,
		"[[:languages]]", s.languageKeys(), "[[:cancel]]", cancel, "[[:services]]", services(first, touch), "[[:keys]]", keypad(), "[[:data]]", string(data),
	}
	for key, t := range first.Texts {
		fill = append(fill, "[["+key+"]]", html.EscapeString(t))
	}
	return strings.NewReplacer(fill...).Replace(string(raw)), nil
}

func direction(l Language) string {
	if l.RTL {
		return "rtl"
	}
	return "ltr"
}

func (s *Screen) languageKeys() string {
	var b strings.Builder
	for i, l := range s.cfg.Languages {
		code := html.EscapeString(l.Code)
		fmt.Fprintf(&b, "<button type=\"button\" lang=\"%s\" data-lang=\"%s\" data-dir=\"%s\" aria-pressed=\"%t\">%s</button>\n", code, code, direction(l), i == 0, html.EscapeString(l.Name))
	}
	return b.String()
}

// services are the buttons that can be touched; nothing where there are none.
func services(l Language, touch []Choice) string {
	if len(touch) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<section id=\"services\" aria-labelledby=\"servicesname\">\n<h2 id=\"servicesname\" data-t=\"services\">%s</h2>\n<div class=\"grid\">\n", html.EscapeString(l.Texts["services"]))
	for _, c := range touch {
		fmt.Fprintf(&b, "<button type=\"button\" data-button=\"%s\">%s</button>\n", html.EscapeString(c.Name), html.EscapeString(l.Service(c)))
	}
	b.WriteString("</div>\n</section>")
	return b.String()
}

func keypad() string {
	var b strings.Builder
	for _, c := range ticketKeys {
		fmt.Fprintf(&b, "<button type=\"button\" data-key=\"%c\">%c</button>\n", c, c)
	}
	return b.String()
}
