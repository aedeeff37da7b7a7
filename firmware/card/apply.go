package card

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"kentongan/firmware"
)

// Device is where things lie on it.
type Device struct {
	Boot    string // the boot partition
	Network string // NetworkManager's files
	State   string // what is kept of the card from start to start
	Config  string // the agent's configuration
}

// Files in State.
const (
	appliedFile  = "applied"  // hash of the settings that were taken
	linkFile     = "link"     // for the enrolment that is to be done
	enrolledFile = "enrolled" // hash of the link that was used
)

// Link is the file with the link of the enrolment that is to be done.
func (d Device) Link() string { return filepath.Join(d.State, linkFile) }

// Read takes the settings over, if they are new, and says so on the card. Problems
// change nothing. It may be cut off anywhere and done again.
func (d Device) Read() (said string, err error) {
	text, err := readAtMost(filepath.Join(d.Boot, Settings), MaxBytes+1)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(d.State, appliedFile)); err == nil {
			return "", nil // taken over long ago, and removed since
		}
		return d.say(Problems{d.missing()})
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", Settings, err)
	}
	if d.holds(appliedFile, text) {
		return "", nil
	}
	c, err := Parse(text)
	if problems, ok := errors.AsType[Problems](err); ok {
		return d.say(problems)
	}
	if err != nil {
		return "", err
	}
	if err := d.take(c); err != nil {
		return "", err
	}
	if err := d.keep(appliedFile, text); err != nil {
		return "", err
	}
	return d.tell(c.told(d))
}

// missing tells of the settings; a browser or Windows may have named them anew.
func (d Device) missing() Problem {
	p := Problem{File: Settings, ID: "tidak ada di kartu ini; salin dari contoh di buku petunjuk", EN: "it is not on this card; copy it from the example in the manual"}
	for _, name := range []string{Settings + ".txt", "kentongan"} {
		if _, err := os.Stat(filepath.Join(d.Boot, name)); err == nil {
			p.ID, p.EN = "berkas bernama "+name+"; ganti namanya menjadi "+Settings, "the file is named "+name+"; rename it to "+Settings
		}
	}
	return p
}

// take writes what the settings ask for.
func (d Device) take(c Card) error {
	if err := os.MkdirAll(d.State, 0o700); err != nil {
		return err
	}
	connections := c.Connections()
	old, err := filepath.Glob(filepath.Join(d.Network, "kentongan-*.nmconnection"))
	if err != nil {
		return err
	}
	for _, file := range old {
		if _, wanted := connections[filepath.Base(file)]; !wanted {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	for name, text := range connections {
		if err := firmware.SaveFile(filepath.Join(d.Network, name), 0o600, []byte(text)); err != nil {
			return fmt.Errorf("save connection: %w", err)
		}
	}
	if err := d.firstConfig(); err != nil {
		return err
	}
	link := c.link()
	if link != "" && !d.holds(enrolledFile, []byte(link)) {
		return firmware.SaveFile(d.Link(), 0o600, []byte(link+"\n"))
	}
	if err := os.Remove(d.Link()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // an older one that was never used
	}
	return nil
}

// firstConfig takes the card's configuration where the device has none. Whoever
// owns its directory, the agent's user, owns it.
func (d Device) firstConfig() error {
	text, err := readAtMost(filepath.Join(d.Boot, Config), 1<<20)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, there := os.Stat(d.Config); errors.Is(there, fs.ErrNotExist) && err == nil {
		if err := firmware.SaveFile(d.Config, 0o640, text); err != nil {
			return err
		}
	}
	info, err := os.Stat(filepath.Dir(d.Config))
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	if err := os.Chown(d.Config, int(owner.Uid), int(owner.Gid)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Enrol runs the command that enrols, and says on the card what came of it. An
// error is that of the command: it is to be run again, or the card to be changed.
func (d Device) Enrol(ctx context.Context, command []string) (said string, err error) {
	link, err := readAtMost(d.Link(), 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	out, failed := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	answer := strings.TrimSpace(tail(string(out), 2000))
	if failed != nil {
		said, err := d.tell("PENDAFTARAN BELUM BERHASIL, dicoba lagi selama belum ditolak.\nNOT ENROLLED YET; it is tried again unless it was refused.\n\n" + answer + "\n")
		return said, errors.Join(fmt.Errorf("enrol: %w", failed), err)
	}
	if err := d.keep(enrolledFile, []byte(strings.TrimSpace(string(link)))); err != nil {
		return "", err
	}
	if err := os.Remove(d.Link()); err != nil {
		return "", err
	}
	return d.tell("PERANGKAT TERDAFTAR dan berjalan. Kartu ini tidak perlu diubah lagi.\nTHE DEVICE IS ENROLLED and runs. This card needs no other change.\n\n" + answer + "\n")
}

// told is what was taken over; no password is in it.
func (c Card) told(d Device) string {
	var b strings.Builder
	b.WriteString("SETELAN DITERIMA.\nTHE SETTINGS WERE TAKEN.\n\n")
	line := func(id, en, value string) { fmt.Fprintf(&b, "%s | %s: %s\n", id, en, value) }
	if c.WiFi.Name != "" {
		line("Wi-Fi", "Wi-Fi", c.WiFi.Name)
	}
	if c.Cellular.APN != "" {
		line("seluler, APN", "cellular, APN", c.Cellular.APN)
	}
	if c.Cable.Address.IsValid() {
		line("kabel, alamat tetap", "cable, fixed address", c.Cable.Address.String())
	} else {
		line("kabel", "cable", "otomatis | automatic (DHCP)")
	}
	switch _, err := os.Stat(d.Link()); {
	case err == nil:
		line("pendaftaran", "enrolment", "menunggu jaringan | waits for a network")
	case c.link() != "":
		line("pendaftaran", "enrolment", "sudah dilakukan dengan tautan ini | done with this link already")
	default:
		line("pendaftaran", "enrolment", "tidak ada tautan; isi link | no link; fill in link")
	}
	return b.String()
}

// say tells of problems and returns them.
func (d Device) say(p Problems) (said string, err error) {
	said, err = d.tell("ADA YANG SALAH; tidak ada yang diubah. Perbaiki, lalu nyalakan lagi.\nSOMETHING IS WRONG; nothing was changed. Mend it, and switch on again.\n\n" + p.Error() + "\n")
	return said, errors.Join(p, err)
}

// tell writes the status onto the card, which is mounted to be read only. What
// stands there already is not written again.
func (d Device) tell(text string) (string, error) {
	file := filepath.Join(d.Boot, Status)
	onCard := []byte(strings.ReplaceAll(text, "\n", "\r\n")) // for editors of every age
	if old, err := readAtMost(file, MaxBytes); err == nil && string(old) == string(onCard) {
		return text, nil
	}
	err := firmware.SaveFile(file, 0o644, onCard)
	if errors.Is(err, syscall.EROFS) {
		if err := syscall.Mount("", d.Boot, "", syscall.MS_REMOUNT, ""); err != nil {
			return text, fmt.Errorf("let the boot partition be written: %w", err)
		}
		err = errors.Join(firmware.SaveFile(file, 0o644, onCard), syscall.Mount("", d.Boot, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	}
	if err != nil {
		return text, fmt.Errorf("write %s: %w", Status, err)
	}
	return text, nil
}

func (d Device) keep(name string, text []byte) error {
	if err := os.MkdirAll(d.State, 0o700); err != nil {
		return err
	}
	return firmware.SaveFile(filepath.Join(d.State, name), 0o600, []byte(hash(text)))
}

func (d Device) holds(name string, text []byte) bool {
	kept, err := readAtMost(filepath.Join(d.State, name), 4096)
	return err == nil && string(kept) == hash(text)
}

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func readAtMost(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, most))
	return text, errors.Join(err, f.Close())
}

func tail(s string, most int) string {
	if len(s) > most {
		return "…" + strings.ToValidUTF8(s[len(s)-most:], "")
	}
	return s
}
