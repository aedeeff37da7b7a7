package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"kentongan/agent/onvif"
)

const discoverUsage = `kentongan discover [--address HOST|RANGE]... [--username NAME --password-file FILE] [--json|--config]

Finds the cameras of a network that speak ONVIF, and asks each what it is and
where its streams are. Without --address it asks by multicast on every network
interface, which reaches the cameras of the same network and no further.

What is found is printed as a table, a row for each stream. What is odd or
missing goes to standard error.

Options:
  --interface NAME      ask by multicast on this network interface only
  --address WHAT        ask these instead, one by one: an address, a host name, a
                        URL, or a range such as 192.168.1.0/24 (at most 4096
                        addresses). May be given several times
  --username NAME       the cameras' user; without it most tell no more than that
                        they are there
  --password-file FILE  file that holds the password, on one line. It is proved,
                        never sent; yet whoever answers can guess at it, so give
                        the cameras a password that opens nothing else
  --json                print one JSON object a line for each camera
  --config              print the section streams of a configuration
  --timeout TIME        longest time for all of it; 30s without it

Status 1 is that no camera was found, or none of them told what it is.

Examples:
  kentongan discover
  kentongan discover --interface eth0 --username kentongan --password-file camera.secret
  kentongan discover --address 192.168.1.0/24 --json
  kentongan discover --address 192.168.1.64 --username kentongan --password-file camera.secret --config >> kentongan.yaml`

// discoverFlags are the options of discover.
type discoverFlags struct {
	interfaces, addresses  stringList
	username, passwordFile string
	json, config           bool
	timeout                time.Duration
}

// stringList is an option that may be given several times, or with commas.
type stringList []string

func (l *stringList) String() string { return strings.Join(*l, ",") }

func (l *stringList) Set(s string) error {
	for word := range strings.SplitSeq(s, ",") {
		if word = strings.TrimSpace(word); word == "" {
			return errors.New("empty")
		}
		*l = append(*l, word)
	}
	return nil
}

// runDiscover finds cameras and prints them.
func runDiscover(ctx context.Context, e env, args []string) int {
	o := newOptions("kentongan discover", discoverUsage)
	var f discoverFlags
	o.Var(&f.interfaces, "interface", "")
	o.Var(&f.addresses, "address", "")
	o.StringVar(&f.username, "username", "", "")
	o.StringVar(&f.passwordFile, "password-file", "", "")
	o.BoolVar(&f.json, "json", false, "")
	o.BoolVar(&f.config, "config", false, "")
	o.DurationVar(&f.timeout, "timeout", 30*time.Second, "")
	if _, status, ok := o.parse(e, args); !ok {
		return status
	}
	switch {
	case f.json && f.config:
		return o.wrong(e, "--json and --config; one of them")
	case len(f.interfaces) > 0 && len(f.addresses) > 0:
		return o.wrong(e, "--interface is for multicast, --address for asking one by one; one of them")
	case (f.username == "") != (f.passwordFile == ""):
		return o.wrong(e, "--username and --password-file come together")
	case f.timeout < time.Second || f.timeout > time.Hour:
		return o.wrong(e, "--timeout %v; write 1s to 1h", f.timeout)
	}
	where, err := f.where()
	if err != nil {
		return o.wrong(e, "%v", err)
	}
	if err := discover(ctx, e, f, where); err != nil {
		fmt.Fprintf(e.stderr, "kentongan discover: %v\n", err)
		return exitFailed
	}
	return exitGood
}

// places are what --address names.
type places struct {
	addrs []netip.Addr // asked by WS-Discovery first
	hosts []string     // names, ports and URLs, which only HTTP can ask
}

func (f *discoverFlags) where() (p places, err error) {
	for _, a := range f.addresses {
		list, err := onvif.ParseAddresses(a)
		switch _, notIP := netip.ParseAddr(a); {
		case err == nil:
			p.addrs = append(p.addrs, list...)
		case strings.Contains(a, "/") && !strings.Contains(a, "://") && notIP != nil:
			return p, fmt.Errorf("--address: %w", err)
		default:
			if _, err := onvif.New(onvif.Config{URL: a}); err != nil {
				return p, fmt.Errorf("--address: %w", err)
			}
			p.hosts = append(p.hosts, a)
		}
	}
	if len(p.addrs) > onvif.MaxAddresses {
		return p, fmt.Errorf("--address: %d addresses; at most %d at a time", len(p.addrs), onvif.MaxAddresses)
	}
	return p, nil
}

// discover is one search from its begin to what is printed.
func discover(ctx context.Context, e env, f discoverFlags, where places) error {
	password, err := readPassword(f.passwordFile)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	show := startProgress(e.stderr, "kentongan discover")
	defer show.stop()
	show.say("asking who is there")
	found, err := search(ctx, f, where, show)
	if err != nil && len(found) == 0 {
		return err
	}
	if err != nil {
		fmt.Fprintf(e.stderr, "kentongan discover: %v\n", err)
	}
	if len(found) == 0 {
		return errors.New("no camera answered" + advice(f))
	}
	show.say(fmt.Sprintf("asking what they are: %d found", len(found)))
	cameras := onvif.Look(ctx, found, onvif.LookOptions{
		Username: f.username, Password: password,
		Done: func(n int) { show.say(fmt.Sprintf("asking what they are: %d of %d have answered", n, len(found))) },
	})
	show.stop()
	if err := f.print(e.stdout, cameras); err != nil {
		return err
	}
	return remarks(e.stderr, cameras, f)
}

// advice is what to try when nobody answered.
func advice(f discoverFlags) string {
	if len(f.addresses) > 0 {
		return "; check the addresses, the cable, and that ONVIF is switched on in the camera"
	}
	return "; check that this board is in the cameras' network and ONVIF is switched on there, or ask the addresses one by one, as --address 192.168.1.0/24"
}

// answersIn is how long answers to a search are waited for.
const answersIn = 3 * time.Second

// search asks by WS-Discovery, and over HTTP those addresses that gave no
// answer and what is no plain address. Where nobody is named and nobody answers,
// it asks again for a third of its time: a board or a camera that has much to do
// is late.
func search(ctx context.Context, f discoverFlags, where places, show *progress) ([]onvif.Found, error) {
	var found []onvif.Found
	var err error
	if len(where.addrs) > 0 || len(where.hosts) == 0 {
		o := onvif.SearchOptions{Interfaces: f.interfaces, Addresses: where.addrs, Wait: min(answersIn, f.timeout/3)}
		for end := time.Now().Add(f.timeout / 3); ; {
			found, err = onvif.Search(ctx, o)
			if err != nil || len(found) > 0 || len(where.addrs) > 0 || ctx.Err() != nil || !time.Now().Before(end) {
				break
			}
		}
	}
	have := map[netip.Addr]bool{}
	for _, c := range found {
		have[c.Addr] = true
	}
	silent := where.hosts
	for _, a := range where.addrs {
		if !have[a.Unmap()] {
			silent = append(silent, a.String())
		}
	}
	if len(silent) == 0 {
		return found, err
	}
	show.say(fmt.Sprintf("asking over HTTP, addresses without an answer yet: %d", len(silent)))
	half, cancel := context.WithTimeout(ctx, f.timeout/2)
	defer cancel()
	return append(found, onvif.Reachable(half, silent, min(answersIn, f.timeout/3))...), err
}

// maxPasswordFile bounds a password file, in bytes: a wrong path may name
// anything.
const maxPasswordFile = 4096

// readPassword reads a file that holds a password on one line; "" is none.
func readPassword(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("password file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPasswordFile+1))
	if err != nil {
		return "", fmt.Errorf("password file: %w", err)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(text) == 0 || len(text) > maxPasswordFile || bytes.ContainsAny(text, "\n\x00") {
		return "", fmt.Errorf("password file %s: must hold the password alone, on one line", file)
	}
	return string(text), nil
}

func (f *discoverFlags) print(w io.Writer, cameras []onvif.Camera) error {
	switch {
	case f.json:
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false) // the & of addresses
		for _, c := range cameras {
			if err := enc.Encode(c); err != nil {
				return err
			}
		}
		return nil
	case f.config:
		return printStreams(w, cameras, f)
	}
	return printTable(w, cameras)
}

// printTable prints a row for each stream; a camera without any has one, too.
func printTable(w io.Writer, cameras []onvif.Camera) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ADDRESS\tNAME\tMAKER\tMODEL\tFIRMWARE\tPROFILE\tCODEC\tSIZE\tFPS\tSTREAM")
	for _, c := range cameras {
		head := strings.Join([]string{hostPort(c), dash(c.Name), dash(c.Maker), dash(c.Model), dash(c.Firmware)}, "\t")
		if len(c.Profiles) == 0 {
			fmt.Fprintln(tw, head+"\t-\t-\t-\t-\t-")
		}
		for i, p := range c.Profiles {
			if i > 0 {
				head = "\t\t\t\t"
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%dx%d\t%g\t%s\n", head, dash(p.Name), p.Codec, p.Width, p.Height, p.FPS, hidePassword(p.StreamURI))
		}
	}
	return tw.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// passwordInPath is how some makers put theirs into a stream's address.
var passwordInPath = regexp.MustCompile(`(?i)(pass(?:word|wd)?|pwd)=[^&_/?#\s]*`)

func hidePassword(uri string) string { return passwordInPath.ReplaceAllString(uri, "${1}=xxxxx") }

// remarks prints what is odd or missing, and tells whether any camera said what
// it is.
func remarks(w io.Writer, cameras []onvif.Camera, f discoverFlags) error {
	good, login := 0, false
	for _, c := range cameras {
		for _, n := range c.Notes {
			fmt.Fprintf(w, "%s: note: %s\n", hostPort(c), n)
		}
		for _, other := range c.Others {
			fmt.Fprintf(w, "%s: note: %s answers as the same camera\n", hostPort(c), other)
		}
		if c.ClockOffset != nil && c.ClockOffset.Abs() > 5*time.Second {
			fmt.Fprintf(w, "%s: note: its clock is %v off; set up NTP in the camera\n", hostPort(c), c.ClockOffset.Round(time.Second))
		}
		if c.Problem == "" {
			good++
			continue
		}
		fmt.Fprintf(w, "%s: %s\n", hostPort(c), strings.ReplaceAll(c.Problem, "\n", "; "))
		login = login || c.NeedsLogin
	}
	switch {
	case good > 0:
		return nil
	case login && f.username == "":
		return errors.New("no camera tells what it is without a user; give --username and --password-file")
	}
	return errors.New("no camera told what it is")
}

// progress says on standard error what goes on, once it takes long.
type progress struct {
	name string     // of the command
	mu   sync.Mutex // guards what follows
	what string
	end  chan struct{}
	over bool
	wg   sync.WaitGroup
}

// Times after which progress speaks.
const (
	firstWord = 2 * time.Second
	nextWord  = 5 * time.Second
)

func startProgress(w io.Writer, name string) *progress {
	p := &progress{name: name, end: make(chan struct{})}
	p.wg.Go(func() {
		pause, began := firstWord, time.Now()
		for {
			select {
			case <-p.end:
				return
			case <-time.After(pause):
			}
			p.mu.Lock()
			fmt.Fprintf(w, "%s: %s (%v)\n", p.name, p.what, time.Since(began).Round(time.Second))
			p.mu.Unlock()
			pause = nextWord
		}
	})
	return p
}

func (p *progress) say(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what = what
}

// stop ends it; it may be called again.
func (p *progress) stop() {
	p.mu.Lock()
	if !p.over {
		p.over = true
		close(p.end)
	}
	p.mu.Unlock()
	p.wg.Wait()
}
