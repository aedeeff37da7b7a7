package config

import (
	"fmt"
	"strings"
	"testing"
)

const referenceHead = `# Configuration

One YAML file describes one device. ` + "`kentongan config check FILE`" + ` names everything that is
wrong with it, ` + "`kentongan config show FILE`" + ` prints it with its defaults, and
` + "`kentongan config example camera-gateway|kiosk`" + ` prints one to begin with.

This page is made from the table that the program itself reads the file by
(` + "`agent/config/fields.go`" + `; ` + "`go test ./agent/config -update`" + ` writes it again).

- Every key is listed here; any other is an error. Keys stand once.
- A duration is a number with its unit: ` + "`30ms`, `10s`, `1m30s`, `1h`" + `. A size is a whole number
  with its unit: ` + "`KiB`, `MiB`, `GiB`" + ` (1024), or ` + "`kB`, `MB`, `GB`" + ` (1000). Booleans are ` + "`true` and `false`" + `.
- A relative path counts from the directory of the file.
- YAML's anchors, aliases, tags and second documents are refused; the file is UTF-8, at most 1 MiB,
  a list has at most 1,000 items.
- A user name and password may stand in a URL, or better beside it, the password in a file
  of its own (` + "`password_file`" + `).
`

// TestReferencePage holds docs/reference/configuration.md to the table.
func TestReferencePage(t *testing.T) {
	var b strings.Builder
	b.WriteString(referenceHead)
	describe(&b, "", "The file", "", new(Config).fields(""))
	golden(t, "../../docs/reference/configuration.md", b.String())
}

// describe writes one section's table, then those below it.
func describe(b *strings.Builder, path, title, doc string, fields []field) {
	fmt.Fprintf(b, "\n## %s\n\n", title)
	if doc != "" {
		fmt.Fprintf(b, "%s\n\n", doc)
	}
	b.WriteString("| key | value | default | meaning |\n| --- | --- | --- | --- |\n")
	for _, f := range fields {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.key, valueOf(f), defaultOf(f), meaning(f))
	}
	for _, f := range fields {
		at := join(path, f.key)
		switch {
		case f.item != nil:
			describe(b, at+"[]", "`"+at+"[]`", f.doc+" Each has:", f.item())
		case f.fields != nil:
			describe(b, at, "`"+at+"`", f.doc, f.fields)
		}
	}
}

func valueOf(f field) string {
	switch {
	case len(f.enum) > 0:
		return "`" + strings.Join(f.enum, "`, `") + "`"
	case f.limits != "":
		return f.kind + ", " + f.limits
	}
	return f.kind
}

func defaultOf(f field) string {
	switch {
	case f.required:
		return "**required**"
	case f.def != "":
		return "`" + f.def + "`"
	}
	return "–"
}

func meaning(f field) string {
	if f.example == "" {
		return f.doc
	}
	return f.doc + " Example: `" + f.example + "`"
}
