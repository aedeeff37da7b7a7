package doctor

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
)

// TestHangingCheck has a check that never comes back: it is told after the limit
// and the grace, what needs it is skipped, and the others are told.
func TestHangingCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		defer close(end)
		good := func(context.Context) Verdict { return Say("files.ok") }
		d := New(func() []Check {
			return []Check{
				{ID: "disk", Run: func(context.Context) Verdict { <-end; return Say("disk.ok") }},
				{ID: "spool", Needs: []string{"disk"}, Run: good},
				{ID: "line", Subject: "road", Needs: []string{"spool"}, Run: good},
				{ID: "files", Run: good},
			}
		})
		began := time.Now()
		got := run(t.Context(), d)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v, want no more than 5 s", took)
		}
		want := []string{"disk fail disk.hung ", "spool skipped  disk", "line/road skipped  disk", "files ok  "}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func run(ctx context.Context, d *Doctor) (out []string) {
	d.Run(ctx, func(f Finding) {
		name := Check{ID: f.Check, Subject: f.Subject}.name()
		out = append(out, name+" "+string(f.State)+" "+f.Cause+" "+f.Because)
	})
	return out
}

// TestOrderAndParallel has checks that answer in the wrong order: they run at
// the same time and are told in theirs.
func TestOrderAndParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		after := func(d time.Duration, cause string) func(context.Context) Verdict {
			return func(context.Context) Verdict { time.Sleep(d); return Say(cause) }
		}
		d := New(func() []Check {
			return []Check{
				{ID: "power", Run: after(3*time.Second, "power.undervoltage")},
				{ID: "memory", Run: after(time.Second, "memory.ok")},
				{ID: "route", Needs: []string{"network"}, Run: after(time.Second, "route.ok")}, // none such: no obstacle
				{ID: "camera", Subject: "a", Run: after(2*time.Second, "camera.mute")},
				{ID: "camera", Subject: "b", Needs: []string{"camera/a"}, Run: after(0, "camera.ok")},
				{ID: "ffmpeg", Needs: []string{"route"}, Run: after(0, "ffmpeg.ok")},
			}
		})
		began := time.Now()
		got := run(t.Context(), d)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("it took %v, want 3s: they run at the same time", took)
		}
		want := []string{"power fail power.undervoltage ", "memory ok  ", "route ok  ", "camera/a fail camera.mute ", "camera/b skipped  camera/a", "ffmpeg ok  "}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestRunEndsWithItsContext has who asked go away.
func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		d := New(func() []Check {
			return []Check{
				{ID: "files", Run: func(context.Context) Verdict { return Say("files.ok") }},
				{ID: "disk", Run: func(ctx context.Context) Verdict { cancel(); <-ctx.Done(); return Say("disk.full") }},
			}
		})
		if got := run(ctx, d); len(got) > 1 {
			t.Errorf("it told %q after the end", got)
		}
	})
}

// TestCatalogue holds the table: each cause once, of a check that there is, in
// both languages, with the same values; what is not well says what to do.
func TestCatalogue(t *testing.T) {
	seen, checks := map[string]bool{}, map[string]bool{}
	for _, title := range Titles() {
		checks[title.ID] = true
	}
	if len(Rows()) != len(rows)+len(titles) {
		t.Errorf("%d rows are shown of %d and %d", len(Rows()), len(rows), len(titles))
	}
	for _, r := range Rows() {
		if seen[r.Cause] {
			t.Errorf("%s: twice", r.Cause)
		}
		seen[r.Cause] = true
		if !checks[r.Check()] {
			t.Errorf("%s: no check %s", r.Cause, r.Check())
		}
		if r.Seen.ID == "" || r.Seen.EN == "" || !slices.Equal(values(r.Seen.ID), values(r.Seen.EN)) {
			t.Errorf("%s: %q and %q do not say the same", r.Cause, r.Seen.ID, r.Seen.EN)
		}
		todo := r.State == Warn || r.State == Fail
		if (r.Next.ID != "") != todo || (r.Next.EN != "") != todo || !slices.Equal(values(r.Next.ID), values(r.Next.EN)) {
			t.Errorf("%s, %s: what to do is %q and %q", r.Cause, r.State, r.Next.ID, r.Next.EN)
		}
		for _, text := range []string{r.Next.ID, r.Next.EN} {
			if todo && (!strings.HasSuffix(text, ".") || strings.Contains(text, ". ")) {
				t.Errorf("%s: %q is not one sentence", r.Cause, text)
			}
		}
	}
}

// values are the names in a text's braces.
func values(text string) (all []string) {
	for _, part := range strings.Split(text, "{")[1:] {
		name, _, _ := strings.Cut(part, "}")
		all = append(all, name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestShow holds the form: marks, one line where there is room for it, 56
// columns, colours only where they are wanted.
func TestShow(t *testing.T) {
	text := func(s string) report.Text { return report.Text{ID: s + " (id)", EN: s} }
	all := []Finding{
		{Check: "power", State: OK, Title: text("Power"), Seen: text("voltage is good, 48 °C")},
		{Check: "time", State: Warn, Cause: "time.alone", Title: text("Clock"), Seen: text("2026-11-26 18:38:39 +07:00, but no time service keeps it"), Next: text("Switch the time service on: `sudo timedatectl set-ntp true`.")},
		{Check: "camera", Subject: "gate", State: Fail, Cause: "camera.password", Title: text("Camera gate"), Seen: text("refused"), Next: text("Correct it.")},
		{Check: "spool", State: Skipped, Title: text("Spool"), Seen: text("not checked, because this failed: Disk"), Because: "disk"},
	}
	var out strings.Builder
	var c Count
	show := Show{W: &out, Lang: English}
	for _, f := range all {
		c.Add(f)
		show.Finding(f)
	}
	show.Summary(c)
	want := `✓ Power          voltage is good, 48 °C
! Clock
    2026-11-26 18:38:39 +07:00, but no time service
    keeps it
    → Switch the time service on: ` + "`sudo timedatectl" + `
      set-ntp true` + "`" + `.
✗ Camera gate    refused
    → Correct it.
– Spool          not checked, because this failed: Disk

1 failed, 1 to look at, 1 not checked, 1 good.
Mend first: Camera gate (camera.password)
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	Show{W: &out, Lang: Indonesian, Colours: true}.Finding(all[2])
	if want := "\x1b[31m✗\x1b[0m Camera gate (id)\n    refused (id)\n    → Correct it. (id)\n"; out.String() != want {
		t.Errorf("in colour: %q, want %q", out.String(), want)
	}
}

// TestForeignText takes from a camera or a broker what would write over a
// terminal.
func TestForeignText(t *testing.T) {
	f := tell(Check{ID: "camera"}, Say("camera.protocol", "detail", "bad\x1b[2Jgone\r\n\u009b1m"))
	if want := "bad [2Jgone   1m"; f.Seen.EN != want {
		t.Errorf("it shows %q, want %q", f.Seen.EN, want)
	}
}

// TestTroubleshootingPage holds docs/reference/troubleshooting.md to the table.
func TestTroubleshootingPage(t *testing.T) {
	const file = "../../docs/reference/troubleshooting.md"
	if os.Getenv("KENTONGAN_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != page() {
		t.Errorf("%s is not what the doctor says (%v); run KENTONGAN_UPDATE=1 go test -run TestTroubleshootingPage ./agent/doctor", file, err)
	}
}

// page is the reference of all causes, made from the table.
func page() string {
	var b strings.Builder
	b.WriteString(`# Troubleshooting

All that ` + "`kentongan doctor`" + ` can find, in the order in which it looks: what comes first is
the cause of what comes after it. Made from the doctor's own table; don't edit it here.
How to go about it: [examine a device](../how-to/doctor.md).

Semua yang dapat ditemukan ` + "`kentongan doctor`" + `, menurut urutan pemeriksaannya. Bagian kedua
berbahasa Indonesia.

✗ does not work, ! works but look at it, – not checked. *Italics* stand for what was seen.

`)
	any := rowOf("CHECK" + hung)
	for _, lang := range []Lang{English, Indonesian} {
		b.WriteString("- `" + any.Cause + "`: " + lang.Of(any.Seen) + ". " + lang.Of(any.Next) + "\n")
	}
	for _, part := range []struct {
		title string
		lang  Lang
		head  string
	}{
		{"English", English, "| | cause | what is seen | what to do |"},
		{"Bahasa Indonesia", Indonesian, "| | sebab | yang terlihat | yang dilakukan |"},
	} {
		b.WriteString("\n## " + part.title + "\n")
		for _, title := range titles {
			b.WriteString("\n### " + part.lang.Of(title.Name) + "\n\n" + part.head + "\n| --- | --- | --- | --- |\n")
			for _, r := range Rows() {
				if r.Check() == title.ID && r.State != OK && !strings.HasSuffix(r.Cause, hung) {
					b.WriteString("| " + marks[r.State] + " | `" + r.Cause + "` | " + shown(part.lang.Of(r.Seen)) + " | " + shown(part.lang.Of(r.Next)) + " |\n")
				}
			}
		}
	}
	return b.String()
}

// shown writes a text of the table for a page: braces as italics, or, within a
// command, as capitals.
func shown(text string) string {
	var b strings.Builder
	code := false
	for _, part := range strings.FieldsFunc(strings.NewReplacer("{", "\x00{", "}", "\x00", "|", `\|`).Replace(text), func(r rune) bool { return r == 0 }) {
		name, value := strings.CutPrefix(part, "{")
		switch {
		case value && code:
			b.WriteString(strings.ToUpper(name))
		case value:
			b.WriteString("*" + name + "*")
		default:
			b.WriteString(part)
			code = code != (strings.Count(part, "`")%2 == 1)
		}
	}
	return b.String()
}
