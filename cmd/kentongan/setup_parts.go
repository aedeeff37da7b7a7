package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"kentongan/agent"
	"kentongan/agent/config"
	"kentongan/agent/onvif"
	"kentongan/firmware/units"
)

// cameras searches the network and asks for those that don't answer.
func (s *setup) cameras() error {
	var list strings.Builder
	search, err := s.yes("search", true, s.say("Cari kamera di jaringan ini?", "Search this network for cameras?"))
	if err != nil {
		return err
	}
	if search {
		if err := s.found(&list); err != nil {
			return err
		}
	}
	for {
		url, err := s.ask(question{key: "camera", optional: true, id: "Alamat kamera lain (kosong: selesai)", en: "Address of another camera (empty: done)", example: "rtsp://192.168.1.64/Streaming/Channels/101",
			accept: func(v string) error {
				if v == "" {
					return nil
				}
				return s.tries("streams:\n  - {name: x, url: " + quoted(v) + "}\n")
			}})
		if err != nil {
			return err
		}
		if url == "" {
			break
		}
		if err := s.camera(&list, url); err != nil {
			return err
		}
	}
	if list.Len() > 0 {
		s.head += "\nstreams:\n" + list.String()
	}
	return nil
}

// camera asks for what belongs to an address.
func (s *setup) camera(list *strings.Builder, url string) error {
	entry := func(name, more string) string {
		return "  - name: " + quoted(name) + "\n    url: " + quoted(url) + "\n" + more
	}
	name, err := s.ask(question{key: "camera.name", normally: "camera-" + strconv.Itoa(strings.Count(list.String(), "- name:")+1), id: "Nama kamera", en: "Name of the camera", example: "gate",
		accept: func(v string) error { return s.tries("\nstreams:\n" + list.String() + entry(v, "")) }})
	if err != nil {
		return err
	}
	user, password, err := s.login("camera", name)
	if err != nil {
		return err
	}
	more := ""
	if user != "" {
		more = "    username: " + quoted(user) + "\n    password_file: " + quoted(password) + "\n"
	}
	if err := s.tries("\nstreams:\n" + list.String() + entry(name, more)); err != nil {
		return err
	}
	list.WriteString(entry(name, more))
	return nil
}

// login asks for a user and a password, and keeps the password in a file.
func (s *setup) login(key, name string) (user, file string, err error) {
	any := func(string) error { return nil }
	user, err = s.ask(question{key: key + ".username", optional: true, id: "Nama pengguna kamera (kosong: tidak ada)", en: "The camera's user (empty: none)", example: "kentongan", accept: any})
	if err != nil || user == "" {
		return "", "", err
	}
	file = s.secretFile(name)
	_, err = s.ask(question{key: key + ".password", secret: true, insteadOfWords: "file:" + file, id: "Kata sandi (tidak terlihat)", en: "Password (not shown)", accept: func(v string) error {
		if known, ok := strings.CutPrefix(v, "file:"); ok {
			_, err := os.Stat(known)
			file = known
			return err
		}
		return agent.SaveFile(file, []byte(v+"\n"))
	}})
	if err == nil {
		s.secrets = append(s.secrets, file)
	}
	return user, file, err
}

// searchFor bounds the search of cameras.
const searchFor = 30 * time.Second

// found asks of each camera that answered whether it is wanted.
func (s *setup) found(list *strings.Builder) error {
	f := &discoverFlags{timeout: searchFor}
	var where places
	_, err := s.ask(question{key: "search.where", optional: true, id: "Di mana? Antarmuka, alamat atau rentang (kosong: jaringan ini)", en: "Where? An interface, addresses or a range (empty: this network)", example: "192.168.1.0/24",
		accept: func(v string) (err error) {
			f.interfaces, f.addresses = nil, nil
			if _, notHere := net.InterfaceByName(v); notHere == nil {
				return f.interfaces.Set(v)
			}
			if v != "" {
				err = f.addresses.Set(v)
			}
			if err == nil {
				where, err = f.where()
			}
			return err
		}})
	if err != nil {
		return err
	}
	if f.username, f.passwordFile, err = s.login("search", "cameras"); err != nil {
		return err
	}
	password, err := readPassword(f.passwordFile)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, searchFor)
	defer cancel()
	show := startProgress(s.stderr, "kentongan setup")
	defer show.stop()
	show.say(s.say("mencari kamera", "searching for cameras"))
	found, err := search(ctx, *f, where, show)
	if err != nil {
		fmt.Fprintf(s.stdout, "  ✗ %v\n", err)
	}
	cameras := onvif.Look(ctx, found, onvif.LookOptions{Username: f.username, Password: password, Done: func(int) {}})
	show.stop()
	if s.ctx.Err() != nil {
		return errLeft
	}
	taken := map[string]bool{}
	n := 0
	for _, c := range cameras {
		for _, l := range lenses(c, taken) {
			entry := l.entry(c, f)
			if entryProblem(entry) != nil {
				continue
			}
			n++
			yes, err := s.yes("found."+l.name, true, fmt.Sprintf(s.say("Pakai %s (%s, %s)?", "Use %s (%s, %s)?"), l.name, hostPort(c), plainWords(c)))
			if err != nil {
				return err
			}
			if yes {
				list.WriteString(entry)
			}
		}
	}
	fmt.Fprintf(s.stdout, s.say("%d kamera ditemukan.\n", "%d cameras found.\n"), n)
	return nil
}

// boardAndKiosk asks for buttons and lamps.
func (s *setup) boardAndKiosk() error {
	normally := config.DriverNone
	if _, err := os.Stat("/dev/gpiochip0"); err == nil {
		normally = config.DriverGPIO
	}
	driver, err := s.ask(question{key: "board", normally: normally, id: "Jalur GPIO: gpio (papan ini), none (tanpa tombol), sim (papan simulasi)", en: "Lines: gpio (this board), none (no buttons), sim (a simulated board)",
		accept: func(v string) error {
			if v != config.DriverGPIO && v != config.DriverNone && v != config.DriverSim {
				return errors.New("gpio, none, sim")
			}
			return nil
		}})
	if err != nil {
		return err
	}
	switch driver {
	case config.DriverNone:
		return nil
	case config.DriverSim:
		socket := "board.sock"
		if s.file == configFile { // the service may not write beside that one
			socket = filepath.Join(cmp.Or(s.data, units.Data), socket)
		}
		s.board = "\nboard: {driver: sim, socket: " + socket + "}\n"
	default:
		s.board = "\nboard: {driver: gpio}\n"
	}
	var buttons strings.Builder
	number := ""
	kiosk := func(n, more string) string {
		return s.board + "kiosk:\n  number: " + n + "\n  buttons:\n" + buttons.String() + more
	}
	button := func(v map[string]string) string {
		return "    - {name: " + quoted(v["name"]) + ", line: " + quoted(v["line"]) + ", service_code: " + quoted(v["code"]) + ", category: " + quoted(v["category"]) +
			", label: {id: " + quoted(v["id"]) + ", en: " + quoted(v["en"]) + "}}\n"
	}
	for n := 1; ; n++ {
		v := map[string]string{"name": "x", "line": "unused-" + strconv.Itoa(n), "code": "x", "category": "x", "id": "x", "en": "x"}
		for _, q := range []question{
			{key: "name", optional: true, id: "Nama tombol ke-" + strconv.Itoa(n) + " (kosong: selesai)", en: "Name of button " + strconv.Itoa(n) + " (empty: done)", example: "road"},
			{key: "line", id: "Jalurnya", en: "Its line", example: "GPIO17"},
			{key: "id", id: "Tulisan bahasa Indonesia", en: "Label in Indonesian", example: "Jalan rusak"},
			{key: "en", id: "Tulisan bahasa Inggris", en: "Label in English", example: "Damaged road"},
			{key: "code", id: "Kode layanan", en: "Service code", example: "jalan-rusak"},
			{key: "category", id: "Kategori", en: "Category", example: "infrastruktur"},
		} {
			field := q.key
			q.key = "button." + field
			if field == "name" {
				q.key = "button"
			}
			q.accept = func(given string) error {
				if given == "" {
					return nil
				}
				v[field] = given
				return s.tries(kiosk("7", button(v)))
			}
			given, err := s.ask(q)
			if err != nil {
				return err
			}
			if field == "name" && given == "" {
				v = nil
				break
			}
		}
		if v == nil {
			break
		}
		buttons.WriteString(button(v))
	}
	if buttons.Len() == 0 {
		s.head += s.board
		return nil
	}
	number, err = s.ask(question{key: "number", id: "Nomor kios, bagian pertama setiap tiket; tidak boleh sama dengan kios lain", en: "The kiosk's number, first part of each ticket; no two may have the same", example: "7",
		accept: func(v string) error {
			if _, err := strconv.ParseUint(v, 10, 32); err != nil {
				return errors.New(s.say("tulis sebuah bilangan", "write a number"))
			}
			return s.tries(kiosk(v, ""))
		}})
	if err != nil {
		return err
	}
	var lamps []string
	with := func(all []string) string {
		if len(all) == 0 {
			return ""
		}
		return "  lamps: {" + strings.Join(all, ", ") + "}\n"
	}
	for _, l := range []struct{ name, id, en, example string }{
		{"saved", "Jalur lampu 'tersimpan' (kosong: tidak ada)", "Line of the lamp 'saved' (empty: none)", "GPIO22"},
		{"received", "Jalur lampu 'diterima pusat'", "Line of the lamp 'the centre has it'", "GPIO23"},
		{"fault", "Jalur lampu 'gangguan'", "Line of the lamp 'fault'", "GPIO24"},
	} {
		entry := func(v string) string { return l.name + ": {line: " + quoted(v) + "}" }
		v, err := s.ask(question{key: "lamp." + l.name, optional: true, id: l.id, en: l.en, example: l.example, accept: func(v string) error {
			if v == "" {
				return nil
			}
			return s.tries(kiosk(number, with(append(lamps[:len(lamps):len(lamps)], entry(v)))))
		}})
		if err != nil {
			return err
		}
		if v != "" {
			lamps = append(lamps, entry(v))
		}
	}
	s.head += kiosk(number, with(lamps))
	return nil
}
