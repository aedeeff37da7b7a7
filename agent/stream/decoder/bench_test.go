package decoder

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childCPU is what a process that runs has used.
func childCPU(pid int) time.Duration {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on Linux
}

// endedCPU is what processes of ours that have ended have used.
func endedCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var quietLog = slog.New(slog.DiscardHandler)

// BenchmarkKeyframe decodes one keyframe of a camera: by the process that is
// warm, and by one that is started for it. cpu-ms/op is the processor time of
// the process alone.
func BenchmarkKeyframe(b *testing.B) {
	for _, codec := range []Codec{H264, H265} {
		for _, size := range []string{"640x360", "1920x1080", "3840x2160"} {
			unit := keyframe(b, codec, "testsrc2=s="+size, "-b:v", "4M")
			b.Run(fmt.Sprintf("warm/%s/%s", codec, size), func(b *testing.B) {
				f := newFamily(codec, New(Options{FFmpeg: ffmpeg(b), Deadline: 20 * time.Second, Log: quietLog}).o)
				defer f.stop()
				look := func() {
					if _, err := f.look(b.Context(), Keyframe{Camera: "a", Codec: codec, Unit: unit}); err != nil {
						b.Fatal(err)
					}
				}
				look()
				pid := f.child.cmd.Process.Pid
				before := childCPU(pid)
				for b.Loop() {
					look()
				}
				b.ReportMetric(float64((childCPU(pid)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
				b.ReportMetric(float64(len(unit))/1000, "kB")
			})
			b.Run(fmt.Sprintf("cold/%s/%s", codec, size), func(b *testing.B) {
				d := New(Options{FFmpeg: ffmpeg(b), Log: quietLog})
				before := endedCPU()
				for b.Loop() {
					if _, err := d.Still(b.Context(), Keyframe{Camera: "a", Codec: codec, Unit: unit}, Width, Height); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64((endedCPU()-before).Milliseconds())/float64(b.N), "cpu-ms/op")
			})
		}
	}
	for _, size := range []string{"640x360", "1920x1080"} {
		unit := keyframe(b, JPEG, "testsrc2=s="+size)
		b.Run("JPEG/"+size, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				img, err := DecodeJPEG(unit)
				if err != nil {
					b.Fatal(err)
				}
				shrink(img)
			}
		})
	}
}
