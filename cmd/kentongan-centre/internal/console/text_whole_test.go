package console

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// TestDevicesWordsAreInBothLanguages reads the words that devices use where they
// are declared: one without a text would stand on the Indonesian page as it is.
func TestDevicesWordsAreInBothLanguages(t *testing.T) {
	tests := map[string]struct {
		file, names, key string
		except           string
	}{
		"why an order is refused":      {"report/kinds_command.go", "Reject", "oreason", ""},
		"why a picture is not checked": {"report/kinds_picture.go", "Picture", "picwhy", ""},
		"steps of a new version":       {"report/kinds_update.go", "Update", "ustate", ""},
		"why a release is refused":     {"../firmware/refuse.go", "", "ucode", ""},
		"why a device failed":          {"../cmd/kentongan-centre/internal/rollout/device.go", "why", "ucode", ""},
		"states of devices in them":    {"../cmd/kentongan-centre/internal/store/rollout.go", "Device", "dstate", ""},
		"orders":                       {"report/kinds_command.go", "Order", "order", ""},
		"kinds of events of the file":  {"report/kinds_config.go", "KindConfig", "kind", ""},
		"what became of the file":      {"report/kinds_config.go", "Config", "cstate", ""},
		"kinds of events of updates":   {"report/kinds_update.go", "Kind", "kind", ""},
		"steps of recovery":            {"report/kinds_recovery.go", "Recovery", "recovery", ""},
		"why a stream fails":           {"stream/class.go", "Class", "class", ""},
		"whose fault it is":            {"stream/finding.go", "Cause", "cause", ""},
		"what is found of a stream":    {"stream/finding.go", "Cond", "cond", ""},
		"what is said of a picture":    {"stream/picture.go", "info", "pic", ""},
		"kinds of events of recovery":  {"report/kinds_recovery.go", "Kind", "kind", ""},
		"kinds of other events":        {"report/kinds.go", "Kind", "kind", "press stream_stats device_stats"},
		"night, cast and still":        {"stream/picture/picture.go", "", "pic", "frozen black white covered blurred moved garbage"},
	}
	for name, tt := range tests {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../../../../agent", filepath.FromSlash(tt.file)), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				if len(v.Values) != 1 || !strings.HasPrefix(v.Names[0].Name, tt.names) {
					continue
				}
				lit, ok := v.Values[0].(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					continue
				}
				word, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				found++
				if text := texts[tt.key+"."+word]; !strings.Contains(" "+tt.except+" ", " "+word+" ") && (text[0] == "" || text[1] == "") {
					t.Errorf("%s: no text %q", name, tt.key+"."+word)
				}
			}
		}
		if found == 0 {
			t.Errorf("%s: no words found", name)
		}
	}
}

func TestRecoveryInWords(t *testing.T) {
	body, err := json.Marshal(report.Recovery{Stream: "gate", Step: report.RecoveryReboot, Result: report.RecoveryBegun})
	if err != nil {
		t.Fatal(err)
	}
	var h store.Happening
	h.Kind, h.Record.Body = report.KindRecovery, body
	for lang, want := range map[string]string{
		"id": "Pemulihan kamera gate · kamera dinyalakan ulang · dimulai",
		"en": "Recovery of a camera gate · camera told to start again · begun",
	} {
		if got := happening(lang, h); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
