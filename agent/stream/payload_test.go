package stream

import (
	"testing"
	"time"
)

func TestInspect(t *testing.T) {
	join := func(parts ...[]byte) (out []byte) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	sps := []byte{0x67, 0x42, 0xc0, 0x28}
	vps, sps265 := []byte{0x40, 1, 0xc}, []byte{0x42, 1, 1, 2}
	tests := map[string]struct {
		codec        Codec
		in           []byte
		picture, key bool
		sps          string
		size         Size
	}{
		"H264 slice":                   {H264, []byte{0x41, 0x9a, 0}, true, false, "", Size{}},
		"H264 keyframe":                {H264, []byte{0x65, 0x88, 0}, true, true, "", Size{}},
		"H264 parameters":              {H264, sps, false, false, string(sps), Size{}},
		"H264 SEI":                     {H264, []byte{0x06, 5, 1}, false, false, "", Size{}},
		"H264 filler":                  {H264, []byte{0x0c, 0xff, 0xff}, false, false, "", Size{}},
		"H264 keyframe, first part":    {H264, []byte{0x7c, 0x85, 0x88}, true, true, "", Size{}},
		"H264 keyframe, middle part":   {H264, []byte{0x7c, 0x05, 0x88}, true, false, "", Size{}},
		"H264 slice, first part":       {H264, []byte{0x5c, 0x81, 0x9a}, true, false, "", Size{}},
		"H264 together":                {H264, join([]byte{0x78, 0, 4}, sps, []byte{0, 2, 0x68, 0xce, 0, 2, 0x65, 0x88}), true, true, string(sps), Size{}},
		"H264 together, cut":           {H264, join([]byte{0x78, 0, 4}, sps, []byte{0, 9, 0x65, 0x88}), false, false, string(sps), Size{}},
		"H264 together, empty unit":    {H264, []byte{0x78, 0, 0, 0, 2, 0x65, 0x88}, false, false, "", Size{}},
		"H264 one byte":                {H264, []byte{0x65}, false, false, "", Size{}},
		"H265 slice":                   {H265, []byte{0x02, 1, 0xd0}, true, false, "", Size{}},
		"H265 IDR":                     {H265, []byte{0x26, 1, 0xaf}, true, true, "", Size{}},
		"H265 CRA":                     {H265, []byte{0x2a, 1, 0xaf}, true, true, "", Size{}},
		"H265 reserved IRAP":           {H265, []byte{0x2e, 1, 0xaf}, true, false, "", Size{}},
		"H265 parameters":              {H265, sps265, false, false, string(sps265), Size{}},
		"H265 IDR, first part":         {H265, []byte{0x62, 1, 0x93, 0xaf}, true, true, "", Size{}},
		"H265 IDR, last part":          {H265, []byte{0x62, 1, 0x53, 0xaf}, true, false, "", Size{}},
		"H265 together":                {H265, join([]byte{0x60, 1, 0, 3}, vps, []byte{0, 4}, sps265, []byte{0, 3, 0x26, 1, 0xaf}), true, true, string(sps265), Size{}},
		"H265 two bytes":               {H265, []byte{0x26, 1}, false, false, "", Size{}},
		"MJPEG first part":             {MJPEG, []byte{0, 0, 0, 0, 1, 80, 80, 45, 9}, true, true, "", Size{640, 360}},
		"MJPEG later part":             {MJPEG, []byte{0, 0, 5, 0, 1, 80, 80, 45, 9}, true, false, "", Size{640, 360}},
		"MJPEG larger than the header": {MJPEG, []byte{0, 0, 0, 0, 1, 80, 0, 0, 9}, true, true, "", Size{}},
		"MJPEG header only":            {MJPEG, []byte{0, 0, 0, 0, 1, 80, 80, 45}, false, false, "", Size{}},
		"nothing":                      {H264, nil, false, false, "", Size{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := inspect(tt.codec, tt.in)
			if got.picture != tt.picture || got.key != tt.key || string(got.sps) != tt.sps || got.size != tt.size {
				t.Errorf("got %+v, want picture %v, key %v, sps %x, size %v", got, tt.picture, tt.key, tt.sps, tt.size)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	sps1080 := h264Media().Formats[0].(interface{ SafeParams() ([]byte, []byte) })
	good, _ := sps1080.SafeParams()
	var p parameters
	if err := p.take(H264, good); err != nil {
		t.Fatal(err)
	}
	if want := (Size{1920, 1080}); p.size != want || p.profile != 66 || p.fps < 1 {
		t.Errorf("size %v, profile %d, %v pictures a second; want %v, 66, some", p.size, p.profile, p.fps, want)
	}
	for name, sps := range map[string][]byte{
		"garbage":  {0x67, 0xff, 0xff},
		"too long": append([]byte{0x67}, make([]byte, maxSPSBytes)...),
		"empty":    {},
	} {
		if err := p.take(H264, sps); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if p.size.Width != 1920 || p.changes != 0 {
		t.Errorf("bad parameter sets left size %v and %d changes", p.size, p.changes)
	}
}

// FuzzPayload gives the meter's parsers any bytes. They must neither panic nor
// name a size that no camera has.
func FuzzPayload(f *testing.F) {
	f.Add(uint8(0), []byte{0x78, 0, 4, 0x67, 0x42, 0xc0, 0x28, 0, 2, 0x65, 0x88})
	f.Add(uint8(1), []byte{0x60, 1, 0, 3, 0x40, 1, 0xc, 0, 4, 0x42, 1, 1, 2})
	f.Add(uint8(2), []byte{0, 0, 0, 0, 1, 80, 80, 45, 9})
	sps, _ := h264Media().Formats[0].(interface{ SafeParams() ([]byte, []byte) }).SafeParams()
	f.Add(uint8(0), sps)
	f.Fuzz(func(t *testing.T, c uint8, data []byte) {
		codec := []Codec{H264, H265, MJPEG}[c%3]
		look := inspect(codec, data)
		if len(look.sps) > len(data) {
			t.Errorf("%d bytes of parameters out of %d", len(look.sps), len(data))
		}
		if look.sps == nil {
			return
		}
		var p parameters
		began := time.Now()
		defer func() {
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("%d bytes of parameters took %v", len(look.sps), took)
			}
		}()
		if p.take(codec, look.sps) == nil && (p.size.Width <= 0 || p.size.Width > maxDimension) {
			t.Errorf("size %v", p.size)
		}
	})
}
