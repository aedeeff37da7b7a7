package clip

import "testing"

func TestStreetLoops(t *testing.T) {
	c, err := Street()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(c.Pictures), 12*FPS; got != want {
		t.Errorf("%d pictures, want %d", got, want)
	}
	for i, p := range c.Pictures {
		if want := i%(2*FPS) == 0; p.Key != want {
			t.Errorf("picture %d: key is %v, want %v", i, p.Key, want)
		}
	}
	if size := len(street); size > 400<<10 {
		t.Errorf("the clip has %d bytes, more than 400 KiB", size)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, data := range map[string]string{
		"nothing":      "",
		"no delimiter": "\x00\x00\x01\x67abc\x00\x00\x01\x65def",
		"no keyframe":  "\x00\x00\x01\x09\xf0\x00\x00\x01\x67abc\x00\x00\x01\x68abc\x00\x00\x01\x41def",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parse([]byte(data)); err == nil {
				t.Error("no error")
			}
		})
	}
}
