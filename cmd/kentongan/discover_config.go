package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"kentongan/agent/config"
	"kentongan/agent/onvif"
	"kentongan/agent/report"
)

// lens is what one entry of streams watches: the main and the sub-stream of one
// video source. An NVR has many.
type lens struct {
	name      string
	main, sub *onvif.Profile // sub is nil when there is one stream only
}

// printStreams prints the section streams. Each entry was read by the
// configuration's own reader; one that it refuses is commented out, with why.
func printStreams(w io.Writer, cameras []onvif.Camera, f *discoverFlags) error {
	var b strings.Builder
	b.WriteString("# Found by 'kentongan discover'. Check names and streams, then 'kentongan config check'.\n")
	b.WriteString("# Hasil pencarian; periksa nama dan alirannya.\nstreams:\n")
	taken := map[string]bool{}
	entries := 0
	for _, c := range cameras {
		fmt.Fprintf(&b, "  # %s: %s\n", hostPort(c), plainWords(c))
		for _, l := range lenses(c, taken) {
			entry := l.entry(c, f)
			if err := entryProblem(entry); err != nil {
				fmt.Fprintf(&b, "  # left out: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
				entry = "  # " + strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(entry, "  "), "\n"), "\n  ", "\n  # ") + "\n"
			} else {
				entries++
			}
			b.WriteString(entry)
		}
	}
	if entries == 0 {
		return fmt.Errorf("no stream to write a configuration of")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func plainWords(c onvif.Camera) string {
	words := strings.Join(strings.Fields(strings.Join([]string{c.Maker, c.Model, c.Firmware}, " ")), " ")
	if c.Problem != "" {
		return strings.TrimSpace(words + " (" + strings.ReplaceAll(c.Problem, "\n", "; ") + ")")
	}
	return words
}

// entryProblem asks the configuration's reader about one entry.
func entryProblem(entry string) error {
	const head = "device: x\nuplink: {acknowledge: broker, brokers: [{url: \"mqtt://127.0.0.1\"}]}\nstreams:\n"
	_, err := config.Parse("kentongan.yaml", []byte(head+entry))
	return err
}

// lenses picks, of each video source, the stream with the most pixels and the
// one with the fewest.
func lenses(c onvif.Camera, taken map[string]bool) (list []lens) {
	bySource := map[string][]*onvif.Profile{}
	var order []string
	for i := range c.Profiles {
		p := &c.Profiles[i]
		if p.StreamURI == "" || !slices.Contains([]string{"H264", "H265", "MJPEG"}, p.Codec) {
			continue
		}
		if bySource[p.Source] == nil {
			order = append(order, p.Source)
		}
		bySource[p.Source] = append(bySource[p.Source], p)
	}
	for i, source := range order {
		of := bySource[source]
		slices.SortStableFunc(of, func(a, b *onvif.Profile) int { return cmp.Compare(b.Width*b.Height, a.Width*a.Height) })
		name := nameOf(c)
		if len(order) > 1 {
			name = shorten(name, 35) + "-" + strconv.Itoa(i+1)
		}
		l := lens{name: unused(name, taken), main: of[0]}
		if last := of[len(of)-1]; last.Width*last.Height < of[0].Width*of[0].Height && last.StreamURI != of[0].StreamURI {
			l.sub = last
		}
		list = append(list, l)
	}
	return list
}

// nameOf makes a name of the camera's own, or of its address.
func nameOf(c onvif.Camera) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, c.Name)
	for strings.Contains(clean, "--") {
		clean = strings.ReplaceAll(clean, "--", "-")
	}
	if clean = shorten(clean, 36); report.ValidName(clean) {
		return clean
	}
	return shorten("camera-"+strings.NewReplacer(".", "-", ":", "-").Replace(c.Addr.String()), 36)
}

func shorten(s string, most int) string { return strings.Trim(s[:min(len(s), most)], "-") }

func unused(name string, taken map[string]bool) string {
	n := name
	for i := 2; taken[n]; i++ {
		n = shorten(name, 35) + "-" + strconv.Itoa(i)
	}
	taken[n] = true
	return n
}

// entry is one item of streams.
func (l lens) entry(c onvif.Camera, f *discoverFlags) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "    "+format+"\n", args...) }
	fmt.Fprintf(&b, "  - name: %s\n", l.name)
	line("url: %s", strconv.Quote(l.main.StreamURI))
	if l.sub != nil {
		line("sub_url: %s   # watched, and spares the network / yang dipantau", strconv.Quote(l.sub.StreamURI))
		line("sub_expect: %s", expectOf(l.sub))
		line("# expect: %s   # of url; with watch: both", expectOf(l.main))
	} else {
		line("expect: %s", expectOf(l.main))
	}
	if f.username != "" {
		line("username: %s", strconv.Quote(f.username))
		line("password_file: %s", strconv.Quote(absolute(f.passwordFile)))
	}
	if l.main.SnapshotURI != "" {
		line("snapshot_url: %s", strconv.Quote(l.main.SnapshotURI))
	}
	if !usualPlace(c.URL, l.main.StreamURI) {
		line("onvif: {url: %s}", strconv.Quote(c.URL))
	}
	return b.String()
}

// expectOf is what the camera itself says that the stream should be. Its bit
// rate is left out: it is a limit, and a quiet street stays far below it.
func expectOf(p *onvif.Profile) string {
	all := []string{"codec: " + p.Codec}
	if p.Width > 0 && p.Height > 0 {
		all = append(all, fmt.Sprintf("width: %d, height: %d", p.Width, p.Height))
	}
	if p.FPS > 0 {
		all = append(all, "fps: "+strconv.FormatFloat(p.FPS, 'f', -1, 64))
	}
	if p.GOP > 0 && p.Codec != "MJPEG" {
		all = append(all, fmt.Sprintf("gop: %d", p.GOP))
	}
	return "{" + strings.Join(all, ", ") + "}"
}

// absolute is a path that holds from wherever the configuration will lie.
func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

// usualPlace tells whether the device service is where it is looked for when
// the configuration says nothing.
func usualPlace(service, stream string) bool {
	s, err := url.Parse(service)
	r, err2 := url.Parse(stream)
	return err == nil && err2 == nil && s.Scheme == "http" && (s.Port() == "" || s.Port() == "80") &&
		s.Path == onvif.DevicePath && s.RawQuery == "" && s.Hostname() == r.Hostname()
}

// hostPort is where a camera was asked, as short as it can be said.
func hostPort(c onvif.Camera) string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return c.Addr.String()
	}
	if p := u.Port(); p != "" && p != "80" {
		return net.JoinHostPort(u.Hostname(), p)
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return a.String()
	}
	return u.Hostname()
}
