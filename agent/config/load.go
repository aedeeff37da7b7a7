package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// MaxBytes is the largest file that is read; a configuration of 200 cameras
// has about 40 KiB.
const MaxBytes = 1 << 20

// Load reads and checks a file. The error is Problems, with everything that is
// wrong; then there is no Config. Files that it names are not looked at, see
// CheckFiles.
func Load(file string) (*Config, error) {
	data, err := readAll(file)
	if err != nil {
		return nil, err
	}
	return Parse(file, data)
}

// Check is Load and CheckFiles at once: the error has the problems of both, in
// one list. Of a configuration with problems, those files are looked at whose
// names could be read.
func Check(file string) (*Config, error) {
	data, err := readAll(file)
	if err != nil {
		return nil, err
	}
	c, problems := decode(file, data)
	if c != nil {
		problems = append(problems, c.fileProblems()...)
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// readAll is read with its error as Problems.
func readAll(file string) ([]byte, error) {
	data, err := read(file)
	if err != nil {
		return nil, Problems{{File: file, Text: err.Error(), Err: errors.Unwrap(err)}}
	}
	return data, nil
}

func read(file string) ([]byte, error) {
	if file == "" {
		return nil, errors.New("no file name; write the path of the configuration")
	}
	f, err := openRegular(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, wrapPlain(err)
	}
	return data, nil
}

// Parse is Load of what a file holds; file says where relative paths count
// from, and need not exist.
func Parse(file string, data []byte) (*Config, error) {
	c, problems := decode(file, data)
	if err := problems.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// decode reads what can be read and says what can't, not sorted yet. Without
// YAML there is no Config.
func decode(file string, data []byte) (*Config, Problems) {
	d := &decoder{file: file, marks: map[string]mark{}, bad: map[string]bool{}, empty: map[string]bool{}}
	c := &Config{File: file, marks: d.marks, version: version(data), text: new(string(data))}
	d.all = new(Config).fields("")
	root := d.parse(data)
	if root == nil {
		return nil, d.problems
	}
	fields := c.fields(filepath.Dir(file))
	setDefaults(fields)
	c.Update.setOwnDir()
	switch {
	case !d.refuse(root, ""):
	case root.Kind != yaml.MappingNode:
		d.addf(place(root), "", "a %s where the whole configuration is expected; write KEY: VALUE lines, first device: NAME", called(root))
	default:
		d.mapping(root, place(root), "", fields)
		d.check(c)
	}
	return c, d.problems
}

// parse turns the text into nodes; nil when it has said what is wrong.
func (d *decoder) parse(data []byte) *yaml.Node {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // some editors put a byte order mark there
	if !d.text(data) {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && (len(doc.Content) == 0 || isNull(doc.Content[0])) {
		d.whole("the file is empty; `kentongan config example kiosk` prints one to begin with")
		return nil
	}
	if err != nil {
		d.syntax(data, err)
		return nil
	}
	var second yaml.Node
	switch err := dec.Decode(&second); {
	case err == nil:
		d.addf(place(&second), "", "a second YAML document begins here (---); a configuration is one")
		return nil
	case !errors.Is(err, io.EOF):
		d.syntax(data, err)
		return nil
	}
	return doc.Content[0]
}

func (d *decoder) whole(text string) {
	d.problems = append(d.problems, Problem{File: d.file, Text: text})
}

// text tells whether the data is text that YAML can be.
func (d *decoder) text(data []byte) bool {
	switch i := bytes.IndexByte(data, 0); {
	case len(data) > MaxBytes:
		d.whole(fmt.Sprintf("larger than %s; is this the configuration?", printSize(MaxBytes)))
		return false
	case i >= 0:
		d.whole(fmt.Sprintf("byte %d is zero: not a text file, or saved as UTF-16; save it as UTF-8", i))
		return false
	}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			d.addf(markOf(data, i), "", "byte 0x%02X is not UTF-8; save the file as UTF-8", data[i])
			return false
		}
		if loneBreak(r, data[i:]) {
			d.addf(markOf(data, i), "", "%U ends a line for YAML and for no editor; end lines with a line feed", r)
			return false
		}
		i += n
	}
	return true
}

// loneBreak tells whether r, at the begin of rest, is one of YAML's line ends
// that would make its line numbers others than an editor's.
func loneBreak(r rune, rest []byte) bool {
	switch r {
	case '\r':
		return len(rest) == 1 || rest[1] != '\n'
	case '\u0085', '\u2028', '\u2029':
		return true
	}
	return false
}

// markOf is the place of a byte.
func markOf(data []byte, offset int) mark {
	before := data[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return mark{bytes.Count(before, []byte{'\n'}) + 1, utf8.RuneCount(before[start:]) + 1}
}

var (
	yamlLine      = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(.*)$`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
	tabIndent     = regexp.MustCompile(`(?m)^ *\t`)
)

// syntax says where YAML ended. The parser gives a line (none for the first);
// a tab, the most frequent cause, is found to the column.
func (d *decoder) syntax(data []byte, err error) {
	if tab := tabIndent.FindIndex(data); tab != nil {
		d.addf(markOf(data, tab[1]-1), "", "a tab in the indentation; YAML wants spaces")
		return
	}
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		m = []string{"", "", err.Error()}
	}
	if a := unknownAnchor.FindStringSubmatch(m[2]); a != nil {
		if i := bytes.Index(data, []byte("*"+a[1])); i >= 0 {
			d.addf(markOf(data, i), "", "*%s stands for a value elsewhere (a YAML alias), which is not allowed; write the value out, or put a text that begins with * into quotes", a[1])
			return
		}
	}
	line, _ := strconv.Atoi(m[1]) // "" is the first
	line = min(max(line, 1), bytes.Count(data, []byte{'\n'})+1)
	d.addf(mark{line, firstColumn(data, line)}, "", "not YAML: %s%s", m[2], hint(m[2]))
}

// firstColumn is where a line's text begins.
func firstColumn(data []byte, line int) int {
	text := strings.SplitN(string(data), "\n", line+1)[line-1]
	return len(text) - len(strings.TrimLeft(text, " ")) + 1
}

// hint adds what to do to the parser's words.
func hint(text string) string {
	switch {
	case strings.Contains(text, "mapping values are not allowed"):
		return "; look for a wrong indentation or a text with \": \" in it that needs quotes"
	case strings.Contains(text, "found character that cannot start any token"):
		return "; put a text that begins with @ ` or % into quotes"
	case strings.Contains(text, "could not find expected ':'"):
		return "; write KEY: VALUE with a space after the colon"
	case strings.Contains(text, "did not find expected"):
		return "; look for a bracket, quote or hyphen too few or too many, or a wrong indentation"
	case strings.Contains(text, "unexpected end of stream"):
		return "; a quote or bracket was never closed"
	}
	return "; look at this line and the one before"
}
