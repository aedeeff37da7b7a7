package console

import (
	"fmt"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kentongan/cmd/kentongan-centre/internal/store"
)

// The map is an SVG that is drawn here: no tile server, no script, and a link
// for everything that can be gone to, so that it works by keyboard.

// land is a coarse outline of Banten and its larger islands, drawn by hand from
// the positions of its capes and towns: longitude and latitude in degrees, WGS
// 84, good to some 3 km.
var land = [][][2]float64{
	{ // the mainland, from Merak clockwise
		{105.99, -5.93}, {106.04, -5.88}, {106.11, -5.90}, {106.13, -6.00}, {106.18, -6.03}, {106.24, -5.97}, {106.27, -5.94}, {106.33, -5.97}, {106.38, -6.00}, {106.43, -6.03}, {106.51, -6.04},
		{106.59, -6.01}, {106.67, -6.01}, {106.72, -6.09}, {106.69, -6.15}, {106.71, -6.22}, {106.74, -6.25}, {106.78, -6.32}, {106.74, -6.36}, {106.66, -6.36}, {106.58, -6.34}, {106.52, -6.36},
		{106.46, -6.40}, {106.43, -6.48}, {106.42, -6.56}, {106.45, -6.64}, {106.52, -6.70}, {106.51, -6.78}, {106.44, -6.83}, {106.40, -6.91}, {106.40, -6.99}, {106.33, -6.98}, {106.25, -6.94},
		{106.14, -6.88}, {106.02, -6.82}, {105.90, -6.85}, {105.80, -6.84}, {105.67, -6.86}, {105.57, -6.83}, {105.49, -6.80}, {105.40, -6.85}, {105.29, -6.84}, {105.21, -6.78}, {105.26, -6.72},
		{105.37, -6.69}, {105.44, -6.74}, {105.50, -6.76}, {105.55, -6.71}, {105.59, -6.63}, {105.63, -6.55}, {105.66, -6.48}, {105.72, -6.53}, {105.80, -6.51}, {105.83, -6.44}, {105.82, -6.37},
		{105.84, -6.29}, {105.83, -6.20}, {105.88, -6.11}, {105.90, -6.04}, {105.96, -6.01},
	},
	{{105.11, -6.59}, {105.19, -6.54}, {105.26, -6.58}, {105.22, -6.65}, {105.14, -6.65}}, // Panaitan
	{{105.83, -5.94}, {105.87, -5.95}, {105.86, -5.98}, {105.83, -5.97}},                  // Sangiang
	{{106.26, -5.81}, {106.30, -5.81}, {106.30, -5.82}, {106.26, -5.82}},                  // Tunda
}

// towns are written on the map.
var towns = []struct {
	name     string
	lon, lat float64
}{
	{"Serang", 106.15, -6.12}, {"Cilegon", 106.03, -6.02}, {"Tangerang", 106.63, -6.18}, {"Tangerang Selatan", 106.69, -6.30}, {"Pandeglang", 106.10, -6.31},
	{"Rangkasbitung", 106.26, -6.37}, {"Labuan", 105.84, -6.39}, {"Malingping", 106.03, -6.77}, {"Bayah", 106.25, -6.91},
}

// box is a part of the earth, in degrees.
type box struct{ west, south, east, north float64 }

// banten is the whole map.
var banten = box{105.05, -7.08, 106.86, -5.74}

// mapWidth is the width of the drawing in its own units; its height follows.
const mapWidth = 1000.0

// lonScale shortens degrees of longitude as they are at the latitude of Banten.
var lonScale = math.Cos(6.4 * math.Pi / 180)

func (b box) height() float64 { return mapWidth * (b.north - b.south) / ((b.east - b.west) * lonScale) }

func (b box) xy(lon, lat float64) (x, y float64) {
	return mapWidth * (lon - b.west) / (b.east - b.west), b.height() * (b.north - lat) / (b.north - b.south)
}

func (b box) holds(lon, lat float64) bool {
	return lon >= b.west && lon <= b.east && lat >= b.south && lat <= b.north
}

// String is the box as the address has it.
func (b box) String() string {
	return fmt.Sprintf("%.4f,%.4f,%.4f,%.4f", b.west, b.south, b.east, b.north)
}

// parseBox reads what String writes; what is no box is the whole map.
func parseBox(s string) box {
	parts := strings.Split(s, ",")
	var v [4]float64
	if len(parts) != 4 {
		return banten
	}
	for i, p := range parts {
		f, err := strconv.ParseFloat(p, 64)
		if err != nil || math.IsNaN(f) || math.Abs(f) > 180 {
			return banten
		}
		v[i] = f
	}
	b := box{v[0], v[1], v[2], v[3]}
	if b.east-b.west < 0.0005 || b.north-b.south < 0.0005 || b.north > 90 || b.south < -90 {
		return banten
	}
	return b
}

// enclosing is the smallest box that holds both corners with a margin, in the shape
// of the map, and not smaller than some 400 m.
func enclosing(west, south, east, north float64) box {
	width := max((east-west)*1.5, 0.004)
	shape := (banten.north - banten.south) / (banten.east - banten.west)
	width = max(width, (north-south)*1.5/shape)
	lon, lat := (west+east)/2, (south+north)/2
	return box{lon - width/2, lat - width*shape/2, lon + width/2, lat + width*shape/2}
}

// spot is one device or several that stand too close to be drawn apart.
type spot struct {
	X, Y, R    float64
	Count, Red int
	Name       string // of the device, when it is one
	Site       string
	Tone       string
	Href       string
}

// Label is what is written in it.
func (s spot) Label() string {
	if s.Count == 1 {
		return ""
	}
	return strconv.Itoa(s.Count)
}

// Square tells whether it is drawn as one: red is told by shape as well as by
// colour.
func (s spot) Square() bool { return s.Red > 0 }

// apart is how far spots stand from one another at least, in units of the
// drawing: what is nearer becomes one, so that none covers another.
const apart = 54.0

// cluster is a spot in the making.
type cluster struct {
	spot
	unknown                  int
	west, south, east, north float64
}

// spots puts devices that stand too close together. Going closer takes them
// apart.
func spots(b box, places []store.Place) []spot {
	var all []*cluster
	for _, p := range places {
		if p.Lat == 0 && p.Lon == 0 || !b.holds(p.Lon, p.Lat) {
			continue
		}
		x, y := b.xy(p.Lon, p.Lat)
		i := slices.IndexFunc(all, func(c *cluster) bool { return math.Hypot(c.X-x, c.Y-y) < apart })
		if i < 0 {
			i = len(all)
			all = append(all, &cluster{spot: spot{X: x, Y: y, Name: p.Device, Site: p.Site}, west: p.Lon, east: p.Lon, south: p.Lat, north: p.Lat})
		}
		all[i].add(p)
	}
	out := make([]spot, 0, len(all))
	for _, c := range all {
		out = append(out, c.done())
	}
	// Red is drawn last, on top; the list beside the map has it first.
	slices.SortStableFunc(out, func(a, b spot) int { return a.Red - b.Red })
	return out
}

func (c *cluster) add(p store.Place) {
	c.Count++
	c.Red += int(b2i(p.Red))
	c.unknown += int(b2i(p.State == ""))
	c.west, c.east, c.south, c.north = min(c.west, p.Lon), max(c.east, p.Lon), min(c.south, p.Lat), max(c.north, p.Lat)
}

// done says how the spot looks and where it leads.
func (c *cluster) done() spot {
	s := c.spot
	s.Tone, s.R = "good", 10
	switch {
	case s.Red > 0:
		s.Tone = "bad"
	case c.unknown == s.Count:
		s.Tone = "idle"
	}
	if s.Count == 1 {
		s.Href = "/devices/" + s.Name
		return s
	}
	s.R = 13 + min(11, 2.5*math.Log2(float64(s.Count)))
	if c.east-c.west < 1e-4 && c.north-c.south < 1e-4 { // one address: closer does not take them apart
		s.Href = "/devices?" + url.Values{"q": {s.Site}}.Encode()
	} else {
		s.Href = "/map?" + url.Values{"box": {enclosing(c.west, c.south, c.east, c.north).String()}}.Encode()
	}
	return s
}

// drawing is a map for a template.
type drawing struct {
	Box    box
	Spots  []spot
	Whole  bool
	Absent int // devices that say no position
	Beyond int // devices beyond this part
}

func draw(b box, places []store.Place) drawing {
	d := drawing{Box: b, Spots: spots(b, places), Whole: b == banten}
	for _, p := range places {
		switch {
		case p.Lat == 0 && p.Lon == 0:
			d.Absent++
		case !b.holds(p.Lon, p.Lat):
			d.Beyond++
		}
	}
	return d
}

// Height is the drawing's.
func (d drawing) Height() string { return fmt.Sprintf("%.0f", d.Box.height()) }

// Land is the outline as an SVG path.
func (d drawing) Land() template.HTMLAttr {
	var p strings.Builder
	for _, ring := range land {
		for i, pt := range ring {
			x, y := d.Box.xy(pt[0], pt[1])
			fmt.Fprintf(&p, "%c%.1f %.1f", "LM"[b2i(i == 0)], x, y)
		}
		p.WriteByte('Z')
	}
	return template.HTMLAttr(`d="` + p.String() + `"`) // figures only
}

// townView is a town's name on the drawing.
type townView struct {
	Name string
	X, Y float64
}

// Towns are those in sight.
func (d drawing) Towns() (out []townView) {
	for _, t := range towns {
		if d.Box.holds(t.lon, t.lat) {
			x, y := d.Box.xy(t.lon, t.lat)
			out = append(out, townView{t.name, x, y})
		}
	}
	return out
}

// Out is the part of the map around this one, twice as wide.
func (d drawing) Out() string {
	b := d.Box
	w, h := (b.east-b.west)/2, (b.north-b.south)/2
	o := box{b.west - w, b.south - h, b.east + w, b.north + h}
	if o.east-o.west >= banten.east-banten.west {
		return "/map"
	}
	return "/map?" + url.Values{"box": {o.String()}}.Encode()
}

type mapPage struct {
	drawing
	List []store.Place // beside the map: red first
	More int
	Red  int
}

// maxListed is how many devices stand beside the map.
const maxListed = 24

func (c *Console) mapPage(w http.ResponseWriter, r *http.Request) {
	places, err := c.view(r).Places(r.Context(), c.cfg.Now())
	if err != nil {
		c.fail(w, r, err)
		return
	}
	p := mapPage{drawing: draw(parseBox(r.URL.Query().Get("box")), places)}
	for _, pl := range places {
		if pl.Red {
			p.Red++
		}
		if p.Whole || p.Box.holds(pl.Lon, pl.Lat) {
			p.List = append(p.List, pl)
		}
	}
	slices.SortStableFunc(p.List, func(a, b store.Place) int { return int(b2i(b.Red) - b2i(a.Red)) })
	if len(p.List) > maxListed {
		p.More = len(p.List) - maxListed
		p.List = p.List[:maxListed]
	}
	c.show(w, r, http.StatusOK, "map.html", "map", "map", p)
}
