package statuspage

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
)

// still is a picture of a camera, for tests.
var still = func() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 320, 180))
	for y := range 180 {
		for x := range 320 {
			img.Set(x, y, color.RGBA{uint8(x / 2), uint8(90 + y/3), uint8(200 - y), 255})
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		panic(err)
	}
	return out.Bytes()
}()
