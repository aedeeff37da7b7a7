package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"kentongan/agent"
	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/firmware/units"
)

const setupUsage = `kentongan setup [--config FILE] [--answers FILE] [--data DIR] [--lang id|en] [--no-doctor]

Makes the first configuration by asking: who the device is (or an enrolment link,
which brings that), where it stands, its cameras (searched for in the network),
buttons, lamps, the page for a phone, and the watchdog. Each answer is checked at
once by the configuration's own rules. An empty answer takes what stands in [ ].

Leave at any time with Ctrl-C or Ctrl-D: what was answered is kept beside FILE, in
FILE.answers, and the same command goes on there. FILE itself is written at the end,
whole or not at all; one that is there is only replaced when you say so, and is kept
as FILE.before-TIME. Passwords go into files of their own beside it.

It ends with 'config check' and 'doctor', whose findings don't change the status.

Options:
  --config FILE   the configuration to write (default ` + configFile + `)
  --answers FILE  take answers from FILE, one QUESTION=ANSWER a line, as FILE.answers
                  has them; only what is missing there is asked
  --data DIR      what the device keeps (default ` + agent.DefaultData + `)
  --lang LANG     id or en (default: as the environment says, else id)
  --no-doctor     don't examine the device at the end

Status 0 is a written, valid file; 1 is left before the end, or not written.

Examples:
  sudo kentongan setup
  kentongan setup --config kiosk.yaml --lang en
  kentongan setup --config kiosk.yaml --answers site-12.answers --no-doctor`

func runSetup(ctx context.Context, e env, args []string) int {
	o := newOptions("kentongan setup", setupUsage)
	file := o.String("config", configFile, "")
	answers := o.String("answers", "", "")
	data := o.String("data", "", "")
	lang := o.String("lang", "", "")
	noDoctor := o.Bool("no-doctor", false, "")
	if _, status, ok := o.parse(e, args); !ok {
		return status
	}
	in, status, ok := o.lang(e, *lang)
	if !ok {
		return status
	}
	a, err := newAsker(ctx, e, in, *file+".answers", *answers)
	if err != nil {
		fmt.Fprintf(e.stderr, "kentongan setup: %v\n", err)
		return exitFailed
	}
	s := &setup{asker: a, file: *file}
	if *data != "" {
		s.data = absolute(*data)
	}
	err = s.run()
	if errors.Is(err, errLeft) {
		fmt.Fprintf(e.stderr, "\n"+a.say("Ditinggalkan. Lanjutkan dengan perintah yang sama; jawaban ada di %s\n", "Left. Go on with the same command; the answers are in %s\n"), a.keep)
		return exitFailed
	}
	if err != nil {
		fmt.Fprintf(e.stderr, "kentongan setup: %v\n", err)
		return exitFailed
	}
	if status := runConfigCheck(ctx, e, []string{*file}); status != exitGood {
		return status
	}
	if !*noDoctor {
		runDoctor(ctx, e, []string{"--config", *file, "--lang", string(in)})
	}
	return exitGood
}

// setup makes one configuration.
type setup struct {
	*asker
	file  string
	data  string // "" is the usual one
	head  string // the sections so far, which are valid
	board string

	secrets []string // files of passwords
}

func (s *setup) run() error {
	fmt.Fprintln(s.stdout, s.say("Konfigurasi pertama. Enter menerima yang di dalam [ ]; Ctrl-C berhenti dan dapat dilanjutkan.",
		"First configuration. Enter takes what stands in [ ]; Ctrl-C leaves, to go on later."))
	for _, step := range []func() error{s.replace, s.identity, s.site, s.cameras, s.boardAndKiosk, s.page, s.watchdog} {
		if err := step(); err != nil {
			return err
		}
	}
	if _, err := config.Parse(s.file, []byte(s.head)); err != nil {
		return err // each part was tried already
	}
	if err := s.backup(); err != nil {
		return err
	}
	if err := agent.SaveFile(s.file, []byte(s.head)); err != nil {
		return fmt.Errorf("write %s: %w", s.file, err)
	}
	fmt.Fprintf(s.stdout, s.say("Ditulis: %s\n", "Written: %s\n"), s.file)
	if err := forService(append(s.secrets, s.file)); err != nil {
		return fmt.Errorf("let the service read what was written: %w", err)
	}
	for _, over := range []string{s.keep, s.draft()} {
		if err := os.Remove(over); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// replace asks before anything that a file which is there may be replaced.
func (s *setup) replace() error {
	if _, err := os.Stat(s.file); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	yes, err := s.yes("replace", false, s.say(s.file+" sudah ada. Ganti (yang lama disimpan)?", s.file+" is there already. Replace it (the old one is kept)?"))
	if err == nil && !yes {
		_ = os.Remove(s.keep) // or the next visit would take this no again
		return fmt.Errorf("%s is left as it is; --config names another file", s.file)
	}
	return err
}

func (s *setup) backup() error {
	old, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = agent.SaveFile(s.file+".before-"+time.Now().UTC().Format("20060102T150405Z"), old)
	}
	if err != nil {
		return fmt.Errorf("keep the old %s: %w", s.file, err)
	}
	return nil
}

// tries tells whether the sections so far and more are valid, and what is not.
func (s *setup) tries(more string) error {
	text := s.head + more
	if !strings.Contains(text, "\nuplink:") {
		text = "uplink: {acknowledge: broker, brokers: [{url: \"mqtt://127.0.0.1\"}]}\n" + text
	}
	_, err := config.Parse("answer", []byte(text))
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		return err
	}
	var said []string
	for _, p := range problems {
		said = append(said, p.Path+": "+p.Text)
	}
	return errors.New(strings.Join(said, "; "))
}

// draft is where enrolment writes, before there is a configuration.
func (s *setup) draft() string { return s.file + ".draft" }

func (s *setup) identity() error {
	link, err := s.ask(question{
		key: "link", secret: true, id: "Tautan pendaftaran dari pusat (kosong: tidak ada)", en: "Enrolment link from the centre (empty: none)",
		example: "https://centre.example:8443/#…", optional: true, accept: func(v string) error {
			if v == "" || v == "enrolled" {
				return nil
			}
			u, token, err := report.ParseEnrolLink(v)
			if err != nil {
				return err
			}
			o := agent.EnrolOptions{Config: s.draft(), Data: s.data, Centre: u, Token: token}
			ctx, cancel := context.WithTimeout(s.ctx, 3*time.Minute)
			defer cancel()
			if status := enrolAgain(ctx, s.env, o, enrolTexts(func(string) string { return s.say("id", "en") })); status != exitGood {
				return errors.New(s.say("pendaftaran gagal, lihat di atas", "enrolment failed, see above"))
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	if text, err := os.ReadFile(s.draft()); err == nil {
		s.head = string(bytes.TrimRight(text, "\n")) + "\n"
		return nil
	}
	if link != "" {
		return fmt.Errorf("%s is gone; remove %s and begin anew", s.draft(), s.keep)
	}
	device, err := s.ask(question{key: "device", id: "Nama perangkat", en: "The device's id", example: "kiosk-7", accept: func(v string) error { return s.tries(field("device", v)) }})
	if err != nil {
		return err
	}
	s.head = field("device", device)
	if s.data != "" {
		s.head += field("data", s.data)
	}
	broker, err := s.ask(question{key: "broker", id: "Alamat broker", en: "The broker's address", example: "mqtts://centre.example:8883", accept: func(v string) error {
		return s.tries("\nuplink: {acknowledge: broker, brokers: [{url: " + quoted(v) + "}]}\n")
	}})
	if err != nil {
		return err
	}
	uplink := func(key string) string {
		if key == "" {
			return "\nuplink:\n  acknowledge: broker   # no centre signs receipts / tanpa tanda terima pusat\n  brokers: [{url: " + quoted(broker) + "}]\n"
		}
		return "\nuplink:\n  brokers: [{url: " + quoted(broker) + "}]\n  centre_key: " + quoted(key) + "\n"
	}
	key, err := s.ask(question{key: "centre_key", optional: true, id: "Kunci publik pusat, dari 'kentongan-centre key' (kosong: broker saja)", en: "The centre's public key, of 'kentongan-centre key' (empty: the broker alone)",
		example: "kentongan-centre+61e56f25+AfU4…", accept: func(v string) error { return s.tries(uplink(v)) }})
	s.head += uplink(key)
	return err
}

func (s *setup) site() error {
	name, err := s.ask(question{key: "site", optional: true, id: "Nama lokasi", en: "Name of the place", example: "Balai Kota Serang", accept: func(v string) error { return s.tries("site: {name: " + quoted(v) + "}\n") }})
	if err != nil || name == "" {
		return err
	}
	with := func(v string) string {
		if v == "" {
			return "site: {name: " + quoted(name) + "}\n"
		}
		lat, lon, _ := strings.Cut(v, ",")
		return "site: {name: " + quoted(name) + ", lat: " + strings.TrimSpace(lat) + ", lon: " + strings.TrimSpace(lon) + "}\n"
	}
	where, err := s.ask(question{key: "position", optional: true, id: "Lintang, bujur", en: "Latitude, longitude", example: "-6.1201, 106.1503", accept: func(v string) error {
		if v != "" && (strings.Count(v, ",") != 1 || strings.ContainsAny(v, "{}[]\n")) {
			return errors.New(s.say("tulis dua angka dengan koma di antaranya", "write two numbers with a comma between them"))
		}
		return s.tries(with(v))
	}})
	s.head += with(where)
	return err
}

func (s *setup) page() error {
	yes, err := s.yes("page", false, s.say("Halaman untuk ponsel teknisi (port 8443)?", "A page for the technician's phone (port 8443)?"))
	if yes {
		s.head += "page: {listen: \"0.0.0.0:8443\"}   # code: sudo kentongan pair\n"
	}
	return err
}

func (s *setup) watchdog() error {
	const device = "/dev/watchdog0"
	_, missing := os.Stat(device)
	yes, err := s.yes("watchdog", missing == nil, s.say("Pakai anjing penjaga papan ("+device+")?", "Use the board's watchdog ("+device+")?"))
	if yes {
		s.head += "watchdog: {device: " + device + "}\n"
	}
	return err
}

// forService lets the service's user read files, where there is one and we are root.
func forService(files []string) error {
	u, err := user.Lookup(units.User)
	if err != nil || os.Getuid() != 0 {
		return nil // the service is not installed, and install tells of these files
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := errors.Join(os.Chown(f, -1, gid), os.Chmod(f, 0o640)); err != nil {
			return err
		}
	}
	return nil
}

// secretFile is where a password is kept: beside the configuration.
func (s *setup) secretFile(name string) string {
	return absolute(filepath.Join(filepath.Dir(s.file), name+".secret"))
}
