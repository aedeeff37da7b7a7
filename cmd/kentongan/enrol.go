package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"kentongan/agent"
	"kentongan/agent/config"
	"kentongan/agent/enrol"
	"kentongan/agent/report"
	"kentongan/hal/tpm"
)

// exitRefused is a centre that said no: another token is needed, not another try.
const exitRefused = 4

const enrolUsage = `kentongan enrol LINK | --centre URL --token TOKEN [--config FILE] [--data DIR] [--tpm FILE]

Makes the device's key, gets its certificate from the centre, and writes both
and the configuration: device, uplink.brokers and uplink.centre_key. Everything
else in the configuration stays as it is; where there is none, one is made. The
key never leaves the device, with --tpm not even its TPM.

'kentongan-centre token new' makes a token for one device. Its QR code holds the
LINK: the centre's address and the token. The token also says which centre to
believe, so a false one learns nothing.

After an error or a power cut, run the same command again. A token that was used
by this device brings the same certificate again.

Options:
  --centre URL    the centre's enrolment, https://HOST:PORT
  --token TOKEN   the token; - asks for it, file:FILE reads it, so that it does
                  not stand in the list of processes. LINK can be - or file:FILE too
  --config FILE   the configuration (default ` + configFile + `)
  --data DIR      what the device keeps (default: as the configuration says)
  --tpm FILE      make the key in this TPM 2.0 (/dev/tpmrm0), which signs with it from
                  then on, and write that into the configuration (default: as the
                  configuration says; without uplink.tpm the key is in a file)
  --timeout TIME  how long the centre is tried (default 3m)

It says what it does in Indonesian where LANG begins with id. Exit status 4: the
centre refuses; another token is needed.

Examples:
  kentongan enrol file:/media/usb/link.txt
  kentongan enrol --centre https://centre.example:8443 --token -`

func runEnrol(ctx context.Context, e env, args []string) int {
	o := newOptions("kentongan enrol", enrolUsage)
	centre := o.String("centre", "", "")
	token := o.String("token", "", "")
	file := o.String("config", configFile, "")
	data := o.String("data", "", "")
	inTPM := o.String("tpm", "", "")
	timeout := o.Duration("timeout", 3*time.Minute, "")
	var words []string
	if given := o.linkOf(args); given {
		words = []string{"LINK"}
	}
	link, status, ok := o.parse(e, args, words...)
	if !ok {
		return status
	}
	say := enrolTexts(os.Getenv)
	opts := agent.EnrolOptions{Config: *file, Data: *data, TPM: *inTPM}
	var err error
	switch {
	case len(link) > 0 && (*centre != "" || *token != ""):
		return o.wrong(e, "a LINK has the centre and the token in it; leave --centre and --token out")
	case len(link) > 0:
		var text string
		if text, err = secretWord(ctx, e, link[0], say["ask.link"]); err == nil {
			opts.Centre, opts.Token, err = report.ParseEnrolLink(text)
		}
	case *centre == "" || *token == "":
		return o.wrong(e, "no LINK, and no --centre with --token")
	default:
		opts.Centre, opts.Token, err = typed(ctx, e, *centre, *token, say["ask.token"])
	}
	if ctx.Err() != nil {
		return exitFailed
	}
	if err != nil {
		return o.wrong(e, "%v", err)
	}
	opts.Progress = func(step enrol.Step) { fmt.Fprintln(e.stderr, say["step."+string(step)]) }
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	return enrolAgain(ctx, e, opts, say)
}

// linkOf tells whether there is a word that is no option nor an option's value.
func (o options) linkOf(args []string) bool {
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-" || !strings.HasPrefix(a, "-"):
			return true
		case !strings.Contains(a, "=") && o.Lookup(strings.TrimLeft(a, "-")) != nil:
			i++ // all of them take a value
		}
	}
	return false
}

func typed(ctx context.Context, e env, centre, token, ask string) (u *url.URL, t report.EnrolToken, err error) {
	if u, err = report.ParseCentreURL(centre); err != nil {
		return nil, t, fmt.Errorf("--centre: %w", err)
	}
	text, err := secretWord(ctx, e, token, ask)
	if err != nil {
		return nil, t, fmt.Errorf("--token: %w", err)
	}
	t, err = report.ParseEnrolToken(text)
	return u, t, err
}

// maxWord is the most that is read of a link or a token.
const maxWord = 4096

// secretWord is a word itself, or what stands in a file or is typed, which is not
// shown.
func secretWord(ctx context.Context, e env, word, ask string) (string, error) {
	from := e.stdin
	switch path, isFile := strings.CutPrefix(word, "file:"); {
	case word == "-":
		defer hide(e.stdin, e.stderr)()
		fmt.Fprint(e.stderr, ask+" ")
	case isFile:
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		from = f
	default:
		return word, nil
	}
	lines := typedLines(ctx, io.LimitReader(from, maxWord))
	for {
		select {
		case s, more := <-lines:
			if !more {
				return "", errors.New("there is nothing in it")
			}
			if s != "" {
				return s, nil
			}
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

const firstAgain = 2 * time.Second

// enrolAgain tries until it is done, refused, or time is up: a cellular link loses
// answers, and the same request gets the same answer again.
func enrolAgain(ctx context.Context, e env, o agent.EnrolOptions, say map[string]string) int {
	for pause := firstAgain; ; pause = min(2*pause, 30*time.Second) {
		id, err := agent.Enrol(ctx, o)
		if err == nil {
			fmt.Fprintf(e.stdout, say["done"]+"\n", id.Device, id.Certificate.NotAfter.Format(time.DateOnly), o.Config)
			return exitGood
		}
		if status, final := enrolFailed(e, err, say); final {
			return status
		}
		select {
		case <-ctx.Done():
			fmt.Fprintf(e.stderr, "kentongan enrol: %v\n%s\n", err, say["again"])
			return exitFailed
		case <-time.After(pause):
			fmt.Fprintf(e.stderr, say["retry"]+"\n", err)
		}
	}
}

// enrolFailed says what went wrong when another try would not help.
func enrolFailed(e env, err error, say map[string]string) (status int, final bool) {
	if no, ok := errors.AsType[enrol.Refused](err); ok {
		text, known := say["refused."+no.Reason]
		if !known {
			text = say["refused"]
		}
		fmt.Fprintf(e.stderr, "kentongan enrol: %v\n%s\n", err, text)
		return exitRefused, true
	}
	if errors.Is(err, enrol.ErrPin) {
		fmt.Fprintf(e.stderr, "kentongan enrol: %v\n%s\n", err, say["pin"])
		return exitRefused, true
	}
	if chip, ok := errors.AsType[*tpm.Error](err); ok {
		fmt.Fprintf(e.stderr, "kentongan enrol: %v\n", err)
		if !chip.Reached {
			fmt.Fprintf(e.stderr, say["tpm"]+"\n", chip.TPM)
		}
		return exitFailed, true
	}
	if _, ok := errors.AsType[config.Problems](err); ok {
		fmt.Fprintln(e.stderr, err)
		return exitConfig, true
	}
	if by, ok := errors.AsType[config.ErrByHand](err); ok {
		fmt.Fprintf(e.stderr, "kentongan enrol: %s\n%s\n%s", by.Why, say["byhand"], by.Part)
		return exitConfig, true
	}
	if errors.Is(err, agent.ErrErasing) {
		fmt.Fprintf(e.stderr, "kentongan enrol: %v\n%s\n", err, say["erasing"])
		return exitFailed, true
	}
	if _, ok := errors.AsType[*os.PathError](err); ok {
		fmt.Fprintf(e.stderr, "kentongan enrol: %v\n%s\n", err, say["again"])
		return exitFailed, true
	}
	return exitFailed, false
}
