package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"kentongan/agent"
	"kentongan/agent/doctor"
	"kentongan/agent/report"
)

// errLeft is a person who went before the end.
var errLeft = errors.New("left before the end")

// question is one that setup asks. The answer to the same key may be asked for
// several times, as for each button.
type question struct {
	key            string
	id, en         string
	normally       string // taken for an empty answer
	example        string
	optional       bool // "" is an answer
	secret         bool // not shown while it is typed, and not kept
	accept         func(string) error
	insteadOfWords string // kept in the place of a secret
}

// asker asks, and keeps what was answered.
type asker struct {
	env
	ctx   context.Context
	lang  doctor.Lang
	in    <-chan string // lines that are typed; nil before the first is asked for
	known map[string][]string
	given []string // of this visit, as they are kept
	keep  string   // file
	fixed bool     // answers come from a file, and a wrong one is an error
}

// newAsker takes what was answered before from keep, or from the file of answers.
func newAsker(ctx context.Context, e env, lang doctor.Lang, keep, answers string) (*asker, error) {
	a := &asker{env: e, ctx: ctx, lang: lang, keep: keep, known: map[string][]string{}}
	from := keep
	if answers != "" {
		from, a.fixed = answers, true
	}
	text, err := os.ReadFile(from)
	if err != nil && (answers != "" || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("%s:%d: no = in it; write QUESTION=ANSWER", from, n)
		}
		a.known[strings.TrimSpace(key)] = append(a.known[strings.TrimSpace(key)], strings.TrimSpace(value))
	}
	return a, nil
}

func (a *asker) say(id, en string) string { return a.lang.Of(report.Text{ID: id, EN: en}) }

// ask gives a valid answer. What is known already is taken, and told.
func (a *asker) ask(q question) (string, error) {
	for {
		value, known := a.next(q.key)
		shown := value
		if q.secret && value != "" {
			shown = "xxxxx"
		}
		if known {
			fmt.Fprintf(a.stdout, "%s: %s\n", a.say(q.id, q.en), shown)
		} else {
			var err error
			if value, err = a.typed(q); err != nil {
				return "", err
			}
		}
		if value == "" {
			value = q.normally
		}
		err := errors.New(a.say("jawaban diperlukan", "an answer is needed"))
		if value != "" || q.optional {
			err = q.accept(value)
		}
		if err == nil {
			return value, a.note(q, value)
		}
		if a.fixed && known {
			return "", fmt.Errorf("answer %s=%s: %w", q.key, shown, err)
		}
		fmt.Fprintf(a.stdout, "  ✗ %v\n", err)
	}
}

// next is the next answer that is known to a question.
func (a *asker) next(key string) (string, bool) {
	all := a.known[key]
	if len(all) == 0 {
		return "", false
	}
	a.known[key] = all[1:]
	return all[0], true
}

// note keeps an answer on the disk, so that who is interrupted can go on.
func (a *asker) note(q question, value string) error {
	if q.secret && value != "" {
		value = q.insteadOfWords
		if value == "" {
			value = "enrolled"
		}
	}
	a.given = append(a.given, q.key+"="+value)
	if err := agent.SaveFile(a.keep, []byte(strings.Join(a.given, "\n")+"\n")); err != nil {
		return fmt.Errorf("keep the answers: %w", err)
	}
	return nil
}

// typed asks the person, or the pipe.
func (a *asker) typed(q question) (string, error) {
	text := a.say(q.id, q.en)
	if q.example != "" {
		text += " " + a.say("(misalnya ", "(such as ") + q.example + ")"
	}
	if q.normally != "" {
		text += " [" + q.normally + "]"
	}
	if q.secret {
		defer hide(a.stdin, a.stdout)() // before the question: who is quick, or pastes, types at once
	}
	fmt.Fprint(a.stdout, text+": ")
	if a.in == nil {
		a.in = typedLines(a.ctx, a.stdin)
	}
	select {
	case line, ok := <-a.in:
		if !ok {
			return "", errLeft
		}
		return line, nil
	case <-a.ctx.Done():
		return "", errLeft
	}
}

// yes asks for yes or no.
func (a *asker) yes(key string, normally bool, text string) (bool, error) {
	yes, no := a.say("y", "y"), a.say("t", "n")
	usual := no
	if normally {
		usual = yes
	}
	v, err := a.ask(question{key: key, id: text + " " + yes + "/" + no, en: text + " " + yes + "/" + no, normally: usual, accept: func(v string) error {
		if isYes(v) || isNo(v) {
			return nil
		}
		return errors.New(a.say("jawab y (ya) atau t (tidak)", "answer y or n"))
	}})
	return isYes(v), err
}

func isYes(v string) bool {
	switch strings.ToLower(v) {
	case "y", "ya", "yes":
		return true
	}
	return false
}

func isNo(v string) bool {
	switch strings.ToLower(v) {
	case "n", "no", "t", "tidak":
		return true
	}
	return false
}

// quoted is a text as YAML's double-quoted style has it, which JSON's is a part of.
func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always can be
	}
	return string(text)
}

func field(key, value string) string { return key + ": " + quoted(value) + "\n" }
