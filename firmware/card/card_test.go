package card

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const link = "https://centre.example:8443/enrol#AAAA-BBBB-CCCC"

func TestParse(t *testing.T) {
	whole := "\ufeff# comment\r\nLINK = " + link + "\r\n\r\nwifi=Kantor Desa; \"1\"\r\nwifi_password = a=b\\c  d\r\napn = internet\napn_user=u\napn_password=p\nsim_pin=0123\naddress=192.168.1.50/24\ngateway = 192.168.1.1\ndns = 192.168.1.1, 8.8.8.8\n"
	c, err := Parse([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if c.Link != link || c.WiFi != (WiFi{`Kantor Desa; "1"`, `a=b\c  d`}) || c.Cellular != (Cellular{"internet", "u", "p", "0123"}) || len(c.Cable.DNS) != 2 {
		t.Errorf("%+v", c)
	}
	c, err = Parse([]byte("centre = https://centre.example:8443/\ntoken = aaaa-bbbb-cccc-dddd-eeee\n"))
	if want := "https://centre.example:8443/#aaaa-bbbb-cccc-dddd-eeee"; err != nil || c.link() != want {
		t.Errorf("link %q, %v; want %q", c.link(), err, want)
	}
}

// TestExample: the file that goes onto each card is read, and asks for nothing.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../image/boot/" + Settings)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(text)
	if err != nil || len(c.Connections()) > 0 || c.link() != "" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, key := range order {
		if !strings.Contains(string(text), "\n"+key+" =\n") {
			t.Errorf("no line for %s", key)
		}
	}
	if len(order) != len(fields) {
		t.Errorf("%d names, %d fields", len(order), len(fields))
	}
}

func TestWrongSettings(t *testing.T) {
	for name, tt := range map[string]struct{ text, says string }{
		"no equals sign":          {"wifi Kantor", "kentongan.txt:1: tidak ada ="},
		"unknown name":            {"\nwfi = Kantor", "kentongan.txt:2: \"wfi\" tidak dikenal"},
		"twice":                   {"apn=a\napn=b", "kentongan.txt:2: apn sudah diisi di baris 1"},
		"short password":          {"wifi=K\nwifi_password=1234567", "8 to 63 letters"},
		"password without a name": {"wifi_password=12345678", "wifi_password without wifi"},
		"long name":               {"wifi=" + strings.Repeat("é", 17), "at most 32 bytes"},
		"no link":                 {"link=kiosk-7", "https://...#..."},
		"link without a token":    {"link=https://centre.example/enrol", "https://...#..."},
		"token without a centre":  {"token=aaaa-bbbb-cccc-dddd-eeee", "token without centre"},
		"link and token":          {"link=" + link + "\ncentre=https://c\ntoken=aaaa-bbbb-cccc-dddd-eeee", "leave centre and token empty"},
		"APN with a space":        {"apn=my apn", "letters, digits, dots"},
		"PIN without an APN":      {"sim_pin=1234", "sim_pin without apn"},
		"PIN of letters":          {"apn=a\nsim_pin=abcd", "4 to 8 digits"},
		"address without length":  {"address=192.168.1.50", "as in 192.168.1.50/24"},
		"gateway elsewhere":       {"address=192.168.1.50/24\ngateway=192.168.2.1", "outside of the network 192.168.1.0/24"},
		"DNS of names":            {"address=192.168.1.50/24\ndns=dns.google", "write one address or more"},
		"UTF-16":                  {"\xff\xfel\x00i\x00", "UTF-8"},
		"no text":                 {"PK\x03\x04\x00\xff", "no text file"},
		"too large":               {strings.Repeat("# \n", MaxBytes), "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q in it", err, tt.says)
			}
		})
	}
	// What has no name may be a password or a token, and goes to a screen and a log.
	for _, line := range []string{"wifi_password rahasia123", "rahasia123", "wifi_password: rahasia123"} {
		if _, err := Parse([]byte(line)); err == nil || strings.Contains(err.Error(), "rahasia123") {
			t.Errorf("%q: %v", line, err)
		}
	}
	_, err := Parse([]byte("wfi=a\napn=b c\n"))
	if p, ok := errors.AsType[Problems](err); !ok || len(p) != 2 {
		t.Errorf("%v, want both problems", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("wifi = a\nwifi_password = 12345678\r\n"))
	f.Add([]byte("address=1.2.3.4/8\ngateway=1.2.3.5\ndns=8.8.8.8;1.1.1.1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		for name, text := range c.Connections() {
			// Nothing from the card begins a line of its own.
			if strings.Count(text, "\n[") > 5 || strings.ContainsAny(text, "\r\x00") {
				t.Errorf("%s:\n%s", name, text)
			}
		}
	})
}

func TestConnections(t *testing.T) {
	c, err := Parse([]byte("wifi = Pos 1\nwifi_password = a\\b;c de\napn=m2m\nsim_pin=1234\naddress=10.1.2.3/16\ngateway=10.1.0.1\ndns=8.8.8.8\n"))
	if err != nil {
		t.Fatal(err)
	}
	all := c.Connections()
	for name, lines := range map[string][]string{
		"kentongan-wifi.nmconnection":     {"type=wifi", "ssid=80;111;115;32;49;", "key-mgmt=wpa-psk", `psk=a\\b;c de`},
		"kentongan-cellular.nmconnection": {"type=gsm", "apn=m2m", "pin=1234"},
		"kentongan-cable.nmconnection":    {"type=ethernet", "method=manual", "address1=10.1.2.3/16,10.1.0.1", "dns=8.8.8.8;"},
	} {
		for _, line := range lines {
			if !slices.Contains(strings.Split(all[name], "\n"), line) {
				t.Errorf("%s has no line %s:\n%s", name, line, all[name])
			}
		}
	}
	open, err := Parse([]byte("wifi = Pos"))
	if text := open.Connections()["kentongan-wifi.nmconnection"]; err != nil || strings.Contains(text, "security") {
		t.Errorf("an open network: %v\n%s", err, text)
	}
}

func device(t *testing.T) (d Device) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"boot", "network", "etc"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return Device{filepath.Join(dir, "boot"), filepath.Join(dir, "network"), filepath.Join(dir, "state"), filepath.Join(dir, "etc", "kentongan.yaml")}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func text(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestLifeOfACard goes from an empty card to a device that is enrolled, and on to
// another Wi-Fi.
func TestLifeOfACard(t *testing.T) {
	d := device(t)
	settings, status := filepath.Join(d.Boot, Settings), filepath.Join(d.Boot, Status)

	if _, err := d.Read(); err == nil || !strings.Contains(text(t, status), "it is not on this card") {
		t.Errorf("without settings: %v, status %q", err, text(t, status))
	}
	put(t, settings+".txt", "")
	if _, err := d.Read(); err == nil || !strings.Contains(text(t, status), "ganti namanya menjadi kentongan.txt") {
		t.Errorf("with a name of Windows's: %v, status %q", err, text(t, status))
	}

	put(t, settings, "wifi = Pos\nwifi_password = 12345678\nlink = "+link+"\n")
	put(t, filepath.Join(d.Boot, Config), "device: kiosk-7\n")
	said, err := d.Read()
	if err != nil || !strings.Contains(said, "Wi-Fi: Pos") || strings.Contains(said+text(t, status), "12345678") || strings.Contains(said, link) {
		t.Errorf("%v, said %q, want the Wi-Fi's name and no secret", err, said)
	}
	wifi := filepath.Join(d.Network, "kentongan-wifi.nmconnection")
	if info, err := os.Stat(wifi); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: NetworkManager takes none that others may read", info, err)
	}
	if text(t, d.Link()) != link+"\n" || text(t, d.Config) != "device: kiosk-7\n" {
		t.Errorf("link %q, configuration %q", text(t, d.Link()), text(t, d.Config))
	}
	if said, err := d.Read(); said != "" || err != nil {
		t.Errorf("the next start: %q, %v; want nothing to do", said, err)
	}

	// The network is not there yet, then it is.
	if said, err := d.Enrol(t.Context(), []string{"sh", "-c", "echo no route to host; exit 1"}); err == nil || !strings.Contains(said, "no route to host") {
		t.Errorf("%v, said %q", err, said)
	}
	if said, err := d.Enrol(t.Context(), []string{"sh", "-c", "echo kiosk-7; grep -q centre.example " + d.Link()}); err != nil || !strings.Contains(said, "ENROLLED") {
		t.Errorf("%v, said %q", err, said)
	}
	if _, err := os.Stat(d.Link()); err == nil {
		t.Error("the link is still there")
	}
	if said, err := d.Enrol(t.Context(), []string{"false"}); said != "" || err != nil {
		t.Errorf("enrolled once more: %q, %v", said, err)
	}

	// A mistake changes nothing, and the same link is not used again.
	put(t, settings, "wifi = Balai\nwifi_password = short\n")
	if _, err := d.Read(); err == nil || !strings.Contains(text(t, wifi), "ssid=80;111;115;") || !strings.Contains(text(t, status), "kentongan.txt:2: wifi_password") {
		t.Errorf("%v, status %q", err, text(t, status))
	}
	put(t, settings, "apn = internet\nlink = "+link+"\n")
	put(t, filepath.Join(d.Boot, Config), "device: other\n")
	if said, err := d.Read(); err != nil || !strings.Contains(said, "done with this link already") {
		t.Errorf("%v, said %q", err, said)
	}
	if _, err := os.Stat(wifi); err == nil || text(t, d.Config) != "device: kiosk-7\n" {
		t.Errorf("Wi-Fi that is not wanted any more: %v; configuration %q", err, text(t, d.Config))
	}
	if _, err := os.Stat(d.Link()); err == nil {
		t.Error("a link that was used is to be used again")
	}
	// Neither is one that the settings do not have any more.
	for _, now := range []string{"apn = internet\nlink = " + link + "\n", "apn = internet\n"} {
		put(t, settings, "link = "+link+"-OTHER\n")
		if _, err := d.Read(); err != nil || text(t, d.Link()) != link+"-OTHER\n" {
			t.Errorf("%v, link %q", err, text(t, d.Link()))
		}
		put(t, settings, now)
		if said, err := d.Read(); err != nil || strings.Contains(said, "waits for a network") {
			t.Errorf("%v, said %q", err, said)
		}
		if _, err := os.Stat(d.Link()); err == nil {
			t.Errorf("with %q the link of before is still to be used", now)
		}
	}
	if err := os.Remove(settings); err != nil {
		t.Fatal(err)
	}
	if said, err := d.Read(); said != "" || err != nil {
		t.Errorf("without the settings that were taken: %q, %v", said, err)
	}
}

// TestCutWhileTheCardIsRead: whatever of the steps was done, the next start ends it.
func TestCutWhileTheCardIsRead(t *testing.T) {
	d := device(t)
	put(t, filepath.Join(d.Boot, Settings), "wifi = Pos\nlink = "+link+"\n")
	if _, err := d.Read(); err != nil {
		t.Fatal(err)
	}
	// The last step is that it was applied, so before it everything comes again.
	for _, gone := range []string{filepath.Join(d.State, appliedFile), filepath.Join(d.Network, "kentongan-wifi.nmconnection"), d.Link()} {
		if err := os.Remove(gone); err != nil {
			t.Fatal(err)
		}
		if gone != filepath.Join(d.State, appliedFile) {
			if err := os.Remove(filepath.Join(d.State, appliedFile)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.Read(); err != nil {
			t.Fatal(err)
		}
		if text(t, d.Link()) != link+"\n" || len(text(t, filepath.Join(d.Network, "kentongan-wifi.nmconnection"))) == 0 {
			t.Errorf("not whole after %s was gone", filepath.Base(gone))
		}
	}
}

// TestReadOnlyBootPartition: it is mounted to be read only, and is written for as
// long as the status takes.
func TestReadOnlyBootPartition(t *testing.T) {
	d := device(t)
	if err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "card-test", d.Boot).Run(); err != nil {
		t.Skipf("only root can mount (%v); firmware/image's test does it on a card", err)
	}
	t.Cleanup(func() { _ = exec.Command("umount", d.Boot).Run() })
	put(t, filepath.Join(d.Boot, Settings), "apn = internet\n")
	if out, err := exec.Command("mount", "-o", "remount,ro", d.Boot).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if _, err := d.Read(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text(t, filepath.Join(d.Boot, Status)), "THE SETTINGS WERE TAKEN") {
		t.Error("no status")
	}
	if err := os.WriteFile(filepath.Join(d.Boot, "x"), nil, 0o600); err == nil {
		t.Error("the boot partition can be written afterwards")
	}
}
