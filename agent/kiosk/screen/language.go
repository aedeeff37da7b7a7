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
// dir ("" is none). A file may replace one of ours. The error names every file
// and what is wrong with it.
func Languages(dir string) ([]Language, error) {
	all := []Language{mustRead("id"), mustRead("en")}
	if dir == "" {
		return all, nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("languages: %s: %w", dir, err)
	}
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return nil, fmt.Errorf("languages: %s: no such directory; make it, with a file CODE.json for each language", dir)
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

// parseLanguage reads one file. want are the texts that it must have, with the
// places that each must keep.
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
	var wrong []error
	if l.Name == "" {
		wrong = append(wrong, errors.New(`name is missing; write what the language calls itself, as "Basa Sunda"`))
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if l.Texts[key] == "" {
			wrong = append(wrong, fmt.Errorf("texts.%s is missing; in Indonesian it is %q", key, want[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.Texts)) {
		if err := checkText(l.Texts[key], want, key); err != nil {
			wrong = append(wrong, fmt.Errorf("texts.%s: %w", key, err))
		}
	}
	for key, t := range l.Services {
		if err := checkText(t, nil, key); err != nil {
			wrong = append(wrong, fmt.Errorf("services.%s: %w", key, err))
		}
	}
	return l, errors.Join(wrong...)
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
	for _, place := range []string{"{help}", "{n}"} {
		if strings.Contains(want[key], place) && !strings.Contains(t, place) {
			return fmt.Errorf("does not hold %s, as the Indonesian %q does", place, want[key])
		}
	}
	return nil
}
