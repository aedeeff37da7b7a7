package picture

// overlay finds a clock that the camera draws into its picture: a few blocks
// in which letters change at nearly every look.
type overlay struct {
	busy  [blocks]uint8 // how often letters changed lately, in 255ths
	clock [blocks]bool
	age   uint16 // looks since the clock was found, as long as there is one
}

// Bounds of a clock. Seconds change at every look; a road has a car on it at
// one look in three. More than clockBlocks that are so busy are a busy scene.
const (
	clockBusy   = 150
	clockBlocks = 14
	clockAged   = 40
)

// learn takes the changes of one look. Where all else stands still, small
// changes tell letters as well.
func (o *overlay) learn(change *[blocks]change, still bool) {
	for i, c := range change {
		b := int(o.busy[i])
		if c.much >= muchPixels || still && c.more >= muchPixels {
			b += (255 - b + 7) / 8
		} else {
			b -= (b + 7) / 8
		}
		o.busy[i] = uint8(b)
	}
	if o.find() {
		o.age = min(o.age+1, clockAged)
	} else {
		o.age = 0
	}
}

// find finds the clock among the busy blocks.
func (o *overlay) find() bool {
	o.clock = [blocks]bool{}
	n := 0
	for _, b := range o.busy {
		if b >= clockBusy {
			n++
		}
	}
	if n == 0 || n > clockBlocks {
		return false
	}
	for i, b := range o.busy {
		if b >= clockBusy {
			o.cover(i)
		}
	}
	return true
}

// cover masks a busy block and two on either side: minutes and hours stand
// beside the seconds and change too seldom to be found by themselves.
func (o *overlay) cover(i int) {
	for x := max(i%blocksX-2, 0); x <= min(i%blocksX+2, blocksX-1); x++ {
		o.clock[i/blocksX*blocksX+x] = true
	}
}

// runs tells whether there is a clock that has been seen for long enough to
// say that it stands still now.
func (o *overlay) runs() bool { return o.age >= clockAged }
