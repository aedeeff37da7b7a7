package picture

// class is a way in which one camera sees one place. What is normal is learned
// for each: at night there is more noise and less to see, and under infrared
// light leaves are bright.
type class int

const (
	day class = iota
	dark
	infrared
	classes
	unknown = classes
)

// known is what was learned of one class.
type known struct {
	Looks     uint32    // that it was learned from
	Reference luma      // the place without who walks by
	Activity  histogram // share of pixels that changed, in percent
	Repeated  histogram // share of blocks that were there before to the last bit, in percent
	Jumped    histogram // share of blocks whose light jumped, in percent
	Sharpness histogram
	Match     histogram // share of the textured blocks that are as in the reference, in percent
	Bytes     histogram // size of the keyframes in KiB
	U, V      float32   // mean colours
}

// hour is what was learned of one hour of the day.
type hour struct {
	Activity histogram
	Repeated histogram
	Dark     float32 // share of its looks in which the picture was black but for noise
	Looks    uint32
}

// Looks after which a class is judged, and an hour has figures of its own.
const (
	readyLooks = 24 // 2 min
	hourLooks  = 360
)

// When the reference follows what is seen: at once at first, then by one step
// of luma each look, and when it has settled by one step each fourth look. A
// lorry that parks (100 steps from what was behind it) is learned in half an
// hour, the wandering of shadows far faster than they wander.
const (
	firstLooks   = 8
	settledLooks = 60
	settledEvery = 4
)

func (k *known) ready() bool { return k != nil && k.Looks >= readyLooks }

// follow moves the reference towards what is seen.
func (k *known) follow(seen *luma) {
	k.Looks++
	switch {
	case k.Looks <= firstLooks:
		k.Reference = *seen
		return
	case k.Looks > settledLooks && k.Looks%settledEvery != 0:
		return
	}
	for i, v := range seen {
		r := &k.Reference[i]
		if v > *r {
			*r++
		} else if v < *r {
			*r--
		}
	}
}

// Bounds of the classes. Infrared pictures have no colours at all; the codec
// leaves less than a step. Dark is where lamps are all the light.
const (
	greyColours  = 1.2
	darkMean     = 44
	darkBack     = 10 // lighter than that again, before it is day
	classPersist = 3  // looks before a class changes
)

// classify says how the camera sees, from its colours and its light.
func classify(colours, mean float32, now class) class {
	grey := float32(greyColours)
	if now == infrared {
		grey *= 2
	}
	switch {
	case colours < grey:
		return infrared
	case mean < darkMean, now == dark && mean < darkMean+darkBack:
		return dark
	}
	return day
}
