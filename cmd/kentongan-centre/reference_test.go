package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The reference lists the flags as the program explains them. KENTONGAN_UPDATE=1
// writes it again.
func TestReferenceOfFlags(t *testing.T) {
	const file = "../../docs/reference/centre.md"
	var want strings.Builder
	for _, name := range []string{"run", "simulate"} {
		var out bytes.Buffer
		dispatch(context.Background(), env{&out, &out}, []string{name, "--help"})
		want.WriteString("## Flags of " + name + "\n\n| flag | meaning |\n| --- | --- |\n")
		flags := regexp.MustCompile(`(?m)^  -(\S+)(?: (\S+))?\n\s+(.+)$`).FindAllStringSubmatch(out.String(), -1)
		if len(flags) < 10 {
			t.Fatalf("%s --help:\n%s", name, out.String())
		}
		for _, f := range flags {
			value := ""
			if f[2] != "" {
				value = " " + strings.ToUpper(f[2])
			}
			want.WriteString("| `--" + f[1] + value + "` | " + strings.ReplaceAll(f[3], "|", `\|`) + " |\n")
		}
		want.WriteString("\n")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "## Flags of run")
	whole := before + strings.TrimRight(want.String(), "\n") + "\n"
	if os.Getenv("KENTONGAN_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(whole), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != whole {
		t.Error("docs/reference/centre.md is not what the program says; run KENTONGAN_UPDATE=1 go test -run TestReferenceOfFlags ./cmd/kentongan-centre")
	}
}
