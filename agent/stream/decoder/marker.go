package decoder

import (
	"crypto/rand"
	"encoding/hex"
)

// A marker is a keyframe of our own: 80x48 pixels of one grey. It is no size
// that a camera has, so that the decoder takes new buffers before and after
// each camera's picture.
//
// They were made once, for each of the greys below (TestMarkersDecode shows
// that they still are what they should be), by
//
//	ffmpeg -f rawvideo -pix_fmt yuv420p -s 80x48 -i - -frames:v 1 -c:v libx264 -profile:v baseline -qp 16 -x264-params ref=1:bframes=0:keyint=1:8x8dct=0 -f h264 -
//	ffmpeg -f rawvideo -pix_fmt yuv420p -s 80x48 -i - -frames:v 1 -c:v libx265 -x265-params info=0:bframes=0:ref=1:ctu=32:qp=16:keyint=1:sao=0 -f hevc -

// Greys: number n is a luma of firstGrey + n*greyStep.
const (
	greys     = 16
	firstGrey = 24
	greyStep  = 13

	fillGrey  = 0         // pushes what is before it through the decoder
	beginGrey = greys - 1 // begins an end sign, and is nowhere else in it
	signGreys = 6         // of 14 greys each: 7.5 million signs
)

var startCode = []byte{0, 0, 0, 1}

// syntax is what differs between the two codecs.
type syntax struct {
	format    string // ffmpeg's name
	delimiter []byte // access unit delimiter: the parser gives out what is before it
	heads     []string
	pictures  [greys]string
}

var syntaxes = map[Codec]syntax{
	H264: {
		format: "h264", delimiter: []byte{0, 0, 0, 1, 9, 0xf0},
		heads: []string{"6742c00adc57a1000003000100000300320f122780", "68ce02b2c8"},
		pictures: [greys]string{
			"6588843a2628000a4cc9c9c9c9d75d75d75d75d75e", "6588843a2628000a00c9c9c9c9d75d75d75d75d75e",
			"6588843a26280009b5c9c9c9c9d75d75d75d75d75e", "6588843a2628000969c9c9c9c9d75d75d75d75d75e",
			"6588843a262800091ec9c9c9c9d75d75d75d75d75e", "6588843a26280008d2c9c9c9c9d75d75d75d75d75e",
			"6588843a2628000886c9c9c9c9d75d75d75d75d75e", "6588843a262800083bc9c9c9c9d75d75d75d75d75e",
			"6588843a27272727275d75d75d75d75d78", "6588843a262800083b49c9c9c9d75d75d75d75d75e",
			"6588843a262800088649c9c9c9d75d75d75d75d75e", "6588843a26280008d249c9c9c9d75d75d75d75d75e",
			"6588843a262800091e49c9c9c9d75d75d75d75d75e", "6588843a262800096949c9c9c9d75d75d75d75d75e",
			"6588843a26280009b549c9c9c9d75d75d75d75d75e", "6588843a2628000a0049c9c9c9d75d75d75d75d75e",
		},
	},
	H265: {
		format: "hevc", delimiter: []byte{0, 0, 0, 1, 0x46, 1, 0x50},
		heads: []string{"40010c01ffff0408000003009fa800000300001eba0240", "4201010408000003009fa800000300001ea02883165bab930b9a020000030002000003003210", "4401c1718312"},
		pictures: [greys]string{
			"2801ac3744a8de6fdfff94c52cc9a980d0d2f8c003a9257f", "2801ac3744a8de6fdfff8c632cc9a980d0d2f8c003a9257f",
			"2801ac3744a8de6fdfff6c04b326a60340d2f8c003a9257f", "2801ac3744a8de6fdfff4a7cb326a60340d2f8c003a9257f",
			"2801ac3744a8de6fdfff28f4b326a60340d2f8c003a9257f", "2801ac374498de6fdffed69acc9a980dd2f8c003a9257f",
			"2801ac374498de6fdffe507acc9a980dd2f8c003a9257f", "2801ac374498de6fdffc996b326a6034d2f8c003a9257f",
			"2801ac374f40de766009a58fd0d2f71405265d78", "2801ac374498de6fd17c996b326a6034d2f8c003a9257f",
			"2801ac374498de6fd17e507acc9a980dd2f8c003a9257f", "2801ac374498de6fd17ed69acc9a980dd2f8c003a9257f",
			"2801ac3744a8de6fd17f28f4b326a60340d2f8c003a9257f", "2801ac3744a8de6fd17f4a7cb326a60340d2f8c003a9257f",
			"2801ac3744a8de6fd17f6c04b326a60340d2f8c003a9257f", "2801ac3744a8de6fd17f8c632cc9a980d0d2f8c003a9257f",
		},
	},
}

// markers are the markers of a codec as bytes of its stream, each with a
// delimiter behind it.
func (s syntax) markers() (all [greys][]byte) {
	for i, picture := range s.pictures {
		for _, unit := range append(s.heads[:len(s.heads):len(s.heads)], picture) {
			b, err := hex.DecodeString(unit)
			if err != nil {
				panic(err) // a test reads all of them
			}
			all[i] = append(append(all[i], startCode...), b...)
		}
		all[i] = append(all[i], s.delimiter...)
	}
	return all
}

// sign is a sequence of greys that ends one camera's turn. It is drawn anew
// each time: a camera that could guess it could have its next picture taken
// for another's.
type sign [1 + signGreys]byte

func newSign() sign {
	var s sign
	_, _ = rand.Read(s[:]) // never fails
	s[0] = beginGrey
	for i := range s[1:] {
		s[1+i] = 1 + s[1+i]%(greys-2) // 256 is no multiple of 14; that costs a tenth of a bit
	}
	return s
}

// grey tells which marker a decoded picture is; -1 is none.
func grey(p *Picture) int {
	const off = 4 // of rounding and of another range
	least, most := p[0], p[0]
	for _, y := range p[:Width*Height] {
		least, most = min(least, y), max(most, y)
	}
	n := (int(least) - firstGrey + greyStep/2) / greyStep
	if most-least > off || n < 0 || n >= greys {
		return -1
	}
	if d := int(least) - (firstGrey + n*greyStep); d < -off || d > off {
		return -1
	}
	return n
}
