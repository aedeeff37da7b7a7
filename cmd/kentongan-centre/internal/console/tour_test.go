package console_test

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kentongan/cmd/kentongan-centre/internal/access"
)

type stop struct {
	path, lang string
	width      int // of the screen, in pixels
	dark       bool
	picture    string
}

// tour is every page, with the picture of it that goes into the documents: "" is
// none. Widths are those of the pictures.
var tour = []stop{
	{"/", "id", 1280, false, "console-overview"},
	{"/", "id", 360, false, "console-overview-phone"},
	{"/wall", "id", 1920, false, "console-wall"},
	{"/wall", "en", 360, false, ""},
	{"/alarms", "en", 1280, true, "console-alarms"},
	{"/alarms", "id", 360, false, ""},
	{"/map", "id", 1280, false, "console-map"},
	{"/map?box=105.9,-6.4,106.4,-5.95", "en", 360, true, ""},
	{"/devices", "en", 1280, false, ""},
	{"/devices?state=red&q=cam", "id", 360, false, ""},
	{"/devices/kiosk-7", "en", 1280, false, "console-device"},
	{"/devices/kiosk-7", "id", 360, true, ""},
	{"/devices/kiosk-7/streams/gate", "id", 1280, false, ""},
	{"/devices/kiosk-7/streams/gate", "en", 360, false, ""},
	{"/apps", "id", 1280, false, "console-apps"},
	{"/apps", "en", 360, true, ""},
	{"/complaints", "en", 1280, false, "console-complaints"},
	{"/complaints?state=assigned", "id", 360, false, ""},
	{"/rollouts", "en", 1280, false, ""},
	{"/rollouts?devices=kiosk-7+kiosk-12", "id", 320, true, ""},
	{"/rollouts/1", "en", 1280, false, "console-rollout"},
	{"/rollouts/1", "id", 320, false, ""},
	{"/rollouts/1", "id", 768, true, ""},
	{"/rollouts/2", "en", 1920, false, ""},
	{"/gaps", "en", 1280, false, "console-proof"},
	{"/gaps", "id", 360, false, ""},
	{"/agencies", "en", 1280, false, ""},
	{"/agencies?q=kiosk", "id", 360, true, ""},
	{"/users", "en", 1280, false, "console-users"},
	{"/users", "id", 360, false, ""},
	{"/access-log", "en", 1280, false, "console-access-log"},
	{"/access-log", "id", 360, true, ""},
	{"/account", "en", 1280, true, ""},
	{"/account", "id", 360, false, ""},
	{"/nowhere", "en", 360, false, ""},
	{"/login", "id", 360, false, "console-login-phone"}, // logs out
	{"/login", "en", 1920, true, ""},
}

// Every page, in a real browser, from a phone to the wall: nothing is cut off,
// axe finds nothing, the policy refuses nothing. With -update the pictures of the
// documents are made anew.
func TestBrowserTour(t *testing.T) {
	srv, s, _ := serve(t, everything, func(s *seeder) { s.fleet(240) }, (*seeder).history, (*seeder).agencies, (*seeder).people, (*seeder).rollouts)
	b := startChromium(t)
	b.enter(srv.URL, s.room, "sari")
	for _, p := range tour {
		t.Run(fmt.Sprintf("%s %s %d", p.path, p.lang, p.width), func(t *testing.T) {
			b.T = t
			b.visit(srv.URL, p)
		})
	}
	b.T = t
	for _, e := range b.Errors() {
		if !strings.Contains(e, "/nowhere") { // which is not there
			t.Errorf("a page complains: %s", e)
		}
	}
}

// visit looks at one page.
func (b *browser) visit(at string, p stop) {
	t := b.T
	t.Helper()
	if p.path == "/login" {
		b.Call(nil, "Network.clearBrowserCookies", nil)
	}
	b.Size(p.width, map[bool]int{true: 800, false: 1080}[p.width == 360])
	b.Scheme(p.dark)
	sep := map[bool]string{true: "&", false: "?"}[strings.Contains(p.path, "?")]
	b.Open(at + p.path + sep + "lang=" + p.lang)
	if got := b.Eval("document.documentElement.scrollWidth").(float64); int(got) > p.width {
		t.Errorf("it is %v pixels wide: %v", got, b.Eval(widest))
	}
	if p.path == "/wall" && p.width == 1920 {
		if got := b.Eval("document.documentElement.scrollHeight").(float64); got > 1080 {
			t.Errorf("the wall is %v pixels high, and nobody scrolls it", got)
		}
	}
	b.UseAxe()
	if found := b.Axe(); found != "" {
		t.Error(found)
	}
	picture := p.picture
	if *screens != "" && picture == "" {
		picture = strings.NewReplacer("/", "-", "?", "-", "&", "-", "=", "-").Replace(strings.Trim(p.path, "/")) + fmt.Sprintf("-%s-%d", p.lang, p.width)
	}
	switch {
	case *screens != "":
		savePicture(t, filepath.Join(*screens, picture+".png"), b.Screen())
	case *update && picture != "":
		savePicture(t, filepath.Join("../../../../docs/images", picture+".png"), small(t, b.view()))
	}
}

// view is what stands on the screen, without what one has to scroll to.
func (b *browser) view() []byte {
	var r struct{ Data []byte }
	b.Call(&r, "Page.captureScreenshot", map[string]any{"format": "png"})
	return r.Data
}

// small is a picture with the 256 commonest of its colours, a quarter of its
// bytes: pages have few, and the rest are the edges of letters.
func small(t *testing.T, raw []byte) []byte {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	count := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(img.At(x, y)).(color.RGBA) }
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	common := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(count[b]-count[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	var palette color.Palette
	for _, c := range common[:min(len(common), 256)] {
		palette = append(palette, c)
	}
	nearest := map[color.RGBA]uint8{}
	for c := range count {
		nearest[c] = uint8(palette.Index(c))
	}
	out := image.NewPaletted(b, palette)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			out.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	var buf bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&buf, out); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func savePicture(t *testing.T, file string, png []byte) {
	t.Helper()
	if err := os.WriteFile(file, png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// people adds accounts, and things for the access log.
func (s *seeder) people() {
	ids := map[string]string{}
	for _, a := range []access.Account{
		{Name: "budi", FullName: "Budi Santoso", Role: access.Operator, Agency: "dishub"},
		{Name: "ani", FullName: "Ani Rahmawati", Role: access.Viewer, Agency: "dinkes"},
		{Name: "e-pormas", FullName: "Sistem e-pormas", Role: access.Operator},
	} {
		ids[a.Name] = account(s.t, s.room, a).ID
	}
	for _, e := range []access.Entry{
		{Account: ids["budi"], Agency: "dishub", Action: "login", Object: "passkey", Addr: "192.0.2.20"},
		{Account: ids["budi"], Agency: "dishub", Action: "snapshot", Object: "/devices/kiosk-7/streams/gate/snapshot", Detail: "reason: laporan warga 0007-000E-7", Addr: "192.0.2.20"},
		{Account: ids["budi"], Agency: "dishub", Action: "picture", Object: "/pictures/kiosk-7/5f0c9a1d2e4b5a00", Addr: "192.0.2.20"},
		{Account: ids["ani"], Agency: "dinkes", Action: "login", Object: "password", Addr: "198.51.100.7", Outcome: access.Refused},
	} {
		if err := s.room.Note(s.t.Context(), e); err != nil {
			s.t.Fatal(err)
		}
	}
}
