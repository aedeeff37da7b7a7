package main

import (
	"fmt"
	"strings"

	"kentongan/agent/stream/picture"
)

// font is in Debian's fonts-dejavu-core; `.ci/tools` installs it.
const font = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"

// graph is ffmpeg's filter graph from the source, input 0, to what the
// camera's encoder gets. What is wrong with the lens comes before the sensor's
// noise, what is wrong behind it after; the clock is drawn last, unless it
// stands still as well.
func (c *clip) graph() string {
	on := fmt.Sprintf("enable='between(t,%.3f,%.3f)'", c.from(), c.until())
	var f, tail []string
	f = append(f, c.lens(on)...)
	if c.Noise > 0 {
		f = append(f, fmt.Sprintf("noise=c0s=%d:c1s=%d:c2s=%d:c0f=t:c1f=t:c2f=t:c0_seed=%d:c1_seed=7:c2_seed=8", c.Noise, c.Noise/2, c.Noise/2, c.Seed%100000))
	}
	f = append(f, c.behind(on)...)
	freeze := fmt.Sprintf("loop=loop=%d:size=1:start=%d,setpts=N/%g/TB", c.Bad*c.GOP, c.Learn*c.GOP+c.Late-1, c.fps())
	switch {
	case c.Fault != picture.Frozen || c.Variant == "repeated":
	case c.Variant == "all":
		tail = append(tail, freeze)
	default:
		f = append(f, freeze)
	}
	if c.Clock {
		f = append(f, c.overlay()...)
	}
	f = append(append(f, tail...), "format=yuv420p")
	chain := strings.Join(f, ",")
	if c.Fault == picture.Covered {
		return c.cover() + ";[0:v][cover]overlay=" + on + "," + chain
	}
	return "[0:v]" + chain
}

// lens returns the filters for what is before the sensor.
func (c *clip) lens(on string) []string {
	switch {
	case c.Fault == picture.Blurred:
		sigma := 0.008 * float64(c.Width) // 0.8 % and 1.7 % of the width
		if c.Variant == "much" {
			sigma = 0.017 * float64(c.Width)
		}
		return []string{fmt.Sprintf("gblur=sigma=%.1f:%s", sigma, on)}
	case c.Fault == picture.Moved:
		return c.move()
	case c.Fault == picture.Black && c.Variant == "cap":
		return []string{"drawbox=t=fill:color=0x020202:" + on}
	case c.Fault == picture.White && c.Variant == "glare":
		return []string{"lutyuv=y='min(val+216,235)':u='(val+128*5)/6':v='(val+128*5)/6':" + on}
	}
	return nil
}

// behind returns the filters for what is behind the sensor.
func (c *clip) behind(on string) []string {
	switch {
	case c.Fault == picture.Black && c.Variant == "signal":
		return []string{"drawbox=t=fill:color=black:" + on}
	case c.Fault == picture.White && c.Variant == "signal":
		return []string{"drawbox=t=fill:color=white:" + on}
	case c.Fault == picture.Cast && c.Variant == "green":
		return []string{"lutyuv=u='val-22':v='val-26':" + on}
	case c.Fault == picture.Cast:
		return []string{"lutyuv=u='val-12':v='val+30':" + on}
	}
	return nil
}

// bigger is how much wider the source of a clip is that moves.
const bigger = 1.3

// source returns the size of what is drawn.
func (c *clip) source() (w, h int) {
	if c.Fault != picture.Moved {
		return c.Width, c.Height
	}
	return int(float64(c.Width)*bigger) &^ 1, int(float64(c.Height)*bigger) &^ 1
}

// move cuts another part out of the source, or a turned one. The smallest
// shift is an eighth of the width, the smallest turn 6 degrees.
func (c *clip) move() []string {
	sign := float64(int(c.Seed%2)*2 - 1)
	w, h := c.source()
	x0, y0 := (w-c.Width)/2, (h-c.Height)/2
	if c.Variant == "turn" {
		angle := sign * (0.105 + 0.01*float64(c.Seed%7))
		return []string{
			fmt.Sprintf("rotate=a='if(between(t,%.3f,%.3f),%.3f,0)'", c.from(), c.until(), angle),
			fmt.Sprintf("crop=%d:%d:%d:%d", c.Width, c.Height, x0, y0),
		}
	}
	x := x0 + int(sign*float64(c.Width)*(0.125+0.004*float64(c.Seed%6)))
	y := y0 + int(sign*float64(c.Height)*0.02*float64(c.Seed%7))
	return []string{fmt.Sprintf("crop=%d:%d:x='if(between(t,%.3f,%.3f),%d,%d)':y='if(between(t,%.3f,%.3f),%d,%d)'",
		c.Width, c.Height, c.from(), c.until(), x&^1, x0&^1, c.from(), c.until(), y&^1, y0&^1)}
}

// cover is what lies on the lens.
func (c *clip) cover() string {
	look := map[string]string{
		"dark":  "color=c=0x1c1a18:s=%s:r=%g,noise=c0s=4:c0_seed=3,gblur=sigma=4,vignette=a=PI/5",
		"cloth": "color=c=0x505868:s=%s:r=%g,noise=c0s=60:c0_seed=4,gblur=sigma=2.5,vignette=a=PI/6",
		"hand":  "gradients=c0=0x704838:c1=0x402018:n=2:x0=0:y0=0:seed=3:speed=0.00001:s=%s:r=%g,noise=c0s=6:c0_seed=5,gblur=sigma=3",
		"paint": "color=c=0x98a098:s=%s:r=%g,noise=c0s=40:c0_seed=6,gblur=sigma=8",
	}[c.Variant]
	return fmt.Sprintf(look, fmt.Sprintf("%dx%d", c.Width, c.Height), c.fps()) + ",format=yuv420p[cover]"
}

// overlay is the camera's clock, and on some also its name.
func (c *clip) overlay() []string {
	style := []string{"fontcolor=white", "fontcolor=white:borderw=1", "fontcolor=white:box=1:boxcolor=black@0.6", "fontcolor=yellow:borderw=1"}[c.Seed%4]
	y := []string{"6", "h-th-6"}[c.Seed/4%2]
	f := []string{fmt.Sprintf(`drawtext=fontfile=%s:text='%%{pts\:gmtime\:1760000000}':x=8:y=%s:fontsize=h/%d:%s`, font, y, 16+c.Seed/8%8, style)}
	if c.Seed/64%2 == 0 {
		f = append(f, fmt.Sprintf(`drawtext=fontfile=%s:text='CAM 07 SERANG':x=w-tw-8:y=8:fontsize=h/18:%s`, font, style))
	}
	return f
}

// encoder returns the arguments of the codec.
func (c *clip) encoder() []string {
	// Bits for each frame: a keyframe and its followers share them.
	bits := map[string]float64{"cbr1": 90e3, "cbr2": 200e3}[c.Rate] * float64(c.Width) / 480
	rate := int(bits * (1 + 0.25*float64(c.GOP)) / lookEvery)
	crf := strings.TrimPrefix(c.Rate, "crf")
	gop := fmt.Sprint(c.GOP)
	switch c.Codec {
	case "h265":
		params := fmt.Sprintf("log-level=none:pools=none:frame-threads=1:keyint=%s:min-keyint=%s:scenecut=0:repeat-headers=1:bframes=0:open-gop=0", gop, gop)
		if bits > 0 {
			params += fmt.Sprintf(":bitrate=%d:vbv-maxrate=%d:vbv-bufsize=%d:strict-cbr=1", rate/1000, rate/1000, rate*lookEvery/1000)
		} else {
			params += ":crf=" + crf
		}
		return []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", params, "-f", "hevc"}
	case "mjpeg":
		q := map[string]string{"crf23": "3", "crf28": "6", "crf33": "12", "cbr1": "9", "cbr2": "5"}[c.Rate]
		return []string{"-c:v", "mjpeg", "-q:v", q, "-huffman", "default", "-f", "mjpeg"}
	}
	args := []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", gop, "-keyint_min", gop, "-sc_threshold", "0", "-bf", "0"}
	if bits > 0 {
		r := fmt.Sprint(rate)
		args = append(args, "-b:v", r, "-minrate", r, "-maxrate", r, "-bufsize", fmt.Sprint(rate*lookEvery), "-x264-params", "nal-hrd=cbr:force-cfr=1")
	} else {
		args = append(args, "-crf", crf)
	}
	return append(args, "-f", "h264")
}
