package card

import (
	"fmt"
	"strconv"
	"strings"
)

// Connections are NetworkManager's files for what the card asks for, by name. They
// hold passwords, so they are for root alone; NetworkManager takes no others.
func (c Card) Connections() map[string]string {
	all := map[string]string{}
	if c.WiFi.Name != "" {
		all["kentongan-wifi.nmconnection"] = c.WiFi.connection()
	}
	if c.Cellular.APN != "" {
		all["kentongan-cellular.nmconnection"] = c.Cellular.connection()
	}
	if c.Cable.Address.IsValid() {
		all["kentongan-cable.nmconnection"] = c.Cable.connection()
	}
	return all
}

// head begins a file. No retries means without end: nobody comes to click.
func head(kind, id string, more ...string) string {
	return "# Out of " + Settings + " on the boot partition; a change here is overwritten.\n" +
		"[connection]\nid=" + id + "\ntype=" + kind + "\nautoconnect=true\nautoconnect-retries=0\n" + strings.Join(more, "")
}

func (w WiFi) connection() string {
	// As numbers, since a name may hold every sign that the format gives a meaning.
	var name strings.Builder
	for _, b := range []byte(w.Name) {
		name.WriteString(strconv.Itoa(int(b)) + ";")
	}
	text := head("wifi", "kentongan-wifi") + "\n[wifi]\nmode=infrastructure\nssid=" + name.String() + "\n"
	if w.Password != "" {
		text += "\n[wifi-security]\nkey-mgmt=wpa-psk\npsk=" + escape(w.Password) + "\n"
	}
	return text + "\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n"
}

func (m Cellular) connection() string {
	text := head("gsm", "kentongan-cellular") + "\n[gsm]\napn=" + escape(m.APN) + "\n"
	for _, line := range []struct{ key, value string }{{"username", m.User}, {"password", m.Password}, {"pin", m.PIN}} {
		if line.value != "" {
			text += line.key + "=" + escape(line.value) + "\n"
		}
	}
	return text + "\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n"
}

func (c Cable) connection() string {
	text := head("ethernet", "kentongan-cable", "autoconnect-priority=1\n") + "\n[ipv4]\nmethod=manual\naddress1=" + c.Address.String()
	if c.Gateway.IsValid() {
		text += "," + c.Gateway.String()
	}
	text += "\n"
	if len(c.DNS) > 0 {
		text += "dns="
		for _, a := range c.DNS {
			text += a.String() + ";"
		}
		text += "\n"
	}
	return text + "\n[ipv6]\nmethod=auto\n"
}

// escape writes a value as GLib's key files want it.
func escape(s string) string {
	s = strings.ReplaceAll(s, `\`, `\\`)
	if strings.HasPrefix(s, " ") {
		s = `\s` + s[1:]
	}
	return s
}

// link is what `kentongan enrol` takes.
func (c Card) link() string {
	if c.Link != "" || c.Token == "" {
		return c.Link
	}
	return fmt.Sprintf("%s/#%s", strings.TrimSuffix(c.Centre, "/"), c.Token)
}
