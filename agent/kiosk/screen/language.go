package screen

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

//go:embed lang/*.json
var ours embed.FS

// Language is what the page says in one language.
type Language struct {
	Code     string            // as in the attribute lang: id, en, su
	Name     string            `json:"name"` // of itself: Basa Sunda
	RTL      bool              `json:"rtl"`  // written from the right
	Texts    map[string]string `json:"texts"`
	Services map[string]string `json:"services"` // by button; else its Indonesian label, or the English one

	Borrowed []string `json:"-"` // texts that it does not have, and so are the Indonesian ones; sorted
}

const (
	maxLanguages = 12
	maxLangFile  = 64 << 10 // bytes
	maxText      = 200      // characters
)

// Service is what a button says.
func (l Language) Service(c Choice) string {
	if t := l.Services[c.Name]; t != "" {
		return t
	}
	if l.Code == "en" {
		return c.Label.EN
	}
	return c.Label.ID
}

// Languages returns Indonesian and English, and those of the files CODE.json in
// dir ("" is none). A file may replace one of ours. A text that a file does not
// have is the Indonesian one. With an error, which names every file, line and key
// and what is wrong with it, come the languages that can be used all the same.
func Languages(dir string) ([]Language, error) {
	all := []Language{mustRead("id"), mustRead("en")}
	if dir == "" {
		return all, nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return all, fmt.Errorf("languages: %s: %w", dir, err)
	}
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return all, fmt.Errorf("languages: %s: no such directory; make it, with a file CODE.json for each language", dir)
	}
	var wrong []error
	for _, file := range files {
		l, err := readLanguage(file, all[0].Texts)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("language %s: %w", file, err))
			continue
		}
		if i := slices.IndexFunc(all, func(o Language) bool { return o.Code == l.Code }); i >= 0 {
			all[i] = l
		} else {
			all = append(all, l)
		}
	}
	if len(all) > maxLanguages {
		wrong = append(wrong, fmt.Errorf("languages: %s: %d languages; at most %d fit on the screen", dir, len(all), maxLanguages))
		all = all[:maxLanguages]
	}
	return all, errors.Join(wrong...)
}

func mustRead(code string) Language {
	text, err := ours.ReadFile("lang/" + code + ".json")
	if err == nil {
		var l Language
		if l, err = parseLanguage(code, text, nil); err == nil {
			return l
		}
	}
	panic(err) // a test reads them
}

func readLanguage(file string, want map[string]string) (Language, error) {
	f, err := os.Open(file)
	if err != nil {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err
		}
		return Language{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxLangFile+1))
	if err != nil {
		return Language{}, err
	}
	return parseLanguage(strings.TrimSuffix(filepath.Base(file), ".json"), text, want)
}

var codeForm = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// parseLanguage reads one file. want are the texts that there are, with the
// places that each must keep; those that the file does not have it gets from there.
func parseLanguage(code string, text []byte, want map[string]string) (l Language, err error) {
	if !codeForm.MatchString(code) {
		return l, fmt.Errorf("%q is no code of a language; name the file as su.json or zh-Hans.json", code)
	}
	if len(text) > maxLangFile {
		return l, fmt.Errorf("more than %d bytes", maxLangFile)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, fmt.Errorf("line %d: %w", lineOf(text, d, err), err)
	}
	if d.More() {
		return l, errors.New("something follows the closing brace; remove it")
	}
	l.Code = code
	at, wrong := places(text)
	if l.Name == "" {
		wrong = append(wrong, fmt.Errorf(`line %d: name is missing; write what the language calls itself, as "Basa Sunda"`, max(at["name"], 1)))
	}
	for _, key := range slices.Sorted(maps.Keys(l.Texts)) {
		if err := checkText(l.Texts[key], want, key); err != nil {
			wrong = append(wrong, fmt.Errorf("line %d: texts.%s: %w", at["texts."+key], key, err))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.Services)) {
		if err := checkText(l.Services[key], nil, key); err != nil {
			wrong = append(wrong, fmt.Errorf("line %d: services.%s: %w", at["services."+key], key, err))
		}
	}
	l.borrow(want)
	return l, errors.Join(wrong...)
}

// borrow fills in what the language does not say.
func (l *Language) borrow(want map[string]string) {
	if l.Texts == nil {
		l.Texts = map[string]string{}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if l.Texts[key] == "" {
			l.Texts[key] = want[key]
			l.Borrowed = append(l.Borrowed, key)
		}
	}
}

// lineOf is the line of a mistake, as far as the decoder knows it.
func lineOf(text []byte, d *json.Decoder, err error) int {
	at := d.InputOffset()
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = e.Offset
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at = e.Offset
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		at = int64(len(text))
	}
	return lineAt(text, at)
}

func lineAt(text []byte, at int64) int {
	return 1 + bytes.Count(text[:min(at, int64(len(text)))], []byte{'\n'})
}

func checkText(t string, want map[string]string, key string) error {
	if want != nil && want[key] == "" {
		return errors.New("there is no such text; remove it")
	}
	if utf8.RuneCountInString(t) > maxText {
		return fmt.Errorf("more than %d characters", maxText)
	}
	if strings.ContainsFunc(t, unicode.IsControl) {
		return errors.New("holds a control character")
	}
	for _, place := range []string{"{help}", "{n}", "{names}"} {
		if strings.Contains(want[key], place) && !strings.Contains(t, place) {
			return fmt.Errorf("does not hold %s, as the Indonesian %q does", place, want[key])
		}
	}
	return nil
}

// places are the lines of the keys, as texts.pin, of a file that was decoded; the
// errors are keys that are there twice, of which the decoder takes the last.
func places(text []byte) (at map[string]int, twice []error) {
	at = map[string]int{}
	d := json.NewDecoder(bytes.NewReader(text))
	var path []string // names of the objects that are open
	key, isKey := "", false
	for {
		tok, err := d.Token()
		if err != nil {
			return at, twice
		}
		switch tok := tok.(type) {
		case json.Delim:
			if tok == '{' {
				path, isKey = append(path, key), true
			} else if path = path[:len(path)-1]; len(path) > 0 {
				isKey = true
			}
			continue
		case string:
			if isKey {
				key, isKey = strings.TrimPrefix(strings.Join(path[1:], ".")+"."+tok, "."), false
				line := lineAt(text, d.InputOffset())
				if before, ok := at[key]; ok {
					twice = append(twice, fmt.Errorf("line %d: %s is in line %d too; remove one", line, key, before))
				}
				at[key] = line
				continue
			}
		}
		isKey = true
	}
}
