package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What is watched: 1080p25 at 4 Mbit/s, a keyframe each 2 s.
const (
	streamsVideo  = 8 * time.Second // of video, repeated
	streamsSettle = 3 * time.Second // after all play, until it is measured
	streamsTime   = 8 * time.Second // of each measurement
	clockTicks    = 100             // USER_HZ of Linux
)

// streamsContestant reads n streams and prints "ready" once all are read; it
// ends with its standard input.
type streamsContestant struct {
	name  string
	what  string
	n     int
	start func(url string, n int) []*exec.Cmd
}

// streamsContestants are measured in turns. The first is the measure of the
// second, the decode of all.
var streamsContestants = []streamsContestant{
	{"library, doing nothing, 50 streams", "library", 50, ourStreams("library")},
	{"Kentongan, packets alone, 50 streams", "watcher", 50, ourStreams("watcher")},
	{"library, doing nothing, 200 streams", "library200", 200, ourStreams("library")},
	{"Kentongan, packets alone, 200 streams", "watcher200", 200, ourStreams("watcher")},
	{"Kentongan, packets alone, 1 stream", "watcher1", 1, ourStreams("watcher")},
	{"Kentongan, and a keyframe decoded each 5 s, 50 streams", "pictures", 50, ourStreams("pictures")},
	{"ffmpeg -c copy", "copy", 2, ffmpegStreams("-c", "copy")},
	{"ffmpeg, full decode", "decode", 1, ffmpegStreams()},
}

func ourStreams(kind string) func(string, int) []*exec.Cmd {
	return func(url string, n int) []*exec.Cmd {
		self, err := os.Executable()
		if err != nil {
			self = os.Args[0]
		}
		return []*exec.Cmd{exec.Command(self, streamsWord, kind, url, strconv.Itoa(n))}
	}
}

// ffmpegStreams is a process for each stream, as ffmpeg is used.
func ffmpegStreams(output ...string) func(string, int) []*exec.Cmd {
	return func(url string, n int) (all []*exec.Cmd) {
		for range n {
			args := append([]string{"-v", "error", "-threads", "1", "-rtsp_transport", "tcp", "-i", url, "-an"}, output...)
			all = append(all, exec.Command("ffmpeg", append(args, "-f", "null", "-")...))
		}
		return all
	}
}

// streamsResult is of one turn.
type streamsResult struct {
	core float64 // per cent of one core, of all its processes
	rss  float64 // bytes, likewise
}

// measureStreams watches a real H.264 stream in each way, each in processes of
// its own, so that the server's time is nobody's.
func measureStreams(s *settings) ([]table, error) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		return nil, fmt.Errorf("streams: %w; install Debian's package ffmpeg", err)
	}
	dir, err := os.MkdirTemp(s.dir, "kentongan-streams-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := s.step("streams: encode %v of 1080p25", streamsVideo); err != nil {
		return nil, err
	}
	url, stop, err := streamsSource(dir)
	if err != nil {
		return nil, err
	}
	defer stop()
	results := map[string][]streamsResult{}
	for round := range s.streams {
		for i := range streamsContestants {
			c := streamsContestants[(i+round)%len(streamsContestants)]
			if err := s.step("streams: round %d of %d: %s", round+1, s.streams, c.name); err != nil {
				return nil, err
			}
			r, err := measureStreamsTurn(c, url)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			results[c.what] = append(results[c.what], r)
		}
	}
	return []table{streamsTable(s, results)}, nil
}

// streamsSource encodes a video and has ffmpeg publish it again and again to a
// server in a process of its own.
func streamsSource(dir string) (url string, stop func(), err error) {
	file := filepath.Join(dir, "1080p25.mp4")
	encode := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=1920x1080:rate=25:duration=%d,noise=alls=12:allf=t", int(streamsVideo.Seconds())),
		"-c:v", "libx264", "-preset", "superfast", "-profile:v", "high", "-pix_fmt", "yuv420p", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-bf", "0",
		"-b:v", "4M", "-maxrate", "4M", "-bufsize", "4M", file)
	if out, err := encode.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("encode: %w: %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	server := exec.Command(self, streamsWord, "server")
	hold, said, err := startAndHear(server)
	if err != nil {
		return "", nil, fmt.Errorf("server: %w", err)
	}
	url = said.first
	publish := exec.Command("ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", file, "-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", url)
	if err := publish.Start(); err != nil {
		_ = hold.Close()
		_ = server.Wait()
		return "", nil, fmt.Errorf("publish: %w", err)
	}
	stop = func() {
		_ = publish.Process.Kill()
		_ = publish.Wait()
		_ = hold.Close()
		_ = server.Wait()
	}
	if _, err := said.next(); err != nil { // it says so when ffmpeg publishes
		stop()
		return "", nil, fmt.Errorf("ffmpeg does not publish: %w", err)
	}
	return url, stop, nil
}

// heard is what a process says, line by line.
type heard struct {
	first string
	r     *bufio.Reader
}

func (h *heard) next() (string, error) {
	line, err := h.r.ReadString('\n')
	return strings.TrimSpace(line), err
}

// startAndHear starts a process that ends with its standard input, and returns
// that and what it says, once it has said something.
func startAndHear(cmd *exec.Cmd) (hold io.Closer, said *heard, err error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	said = &heard{r: bufio.NewReader(out)}
	if said.first, err = said.next(); err != nil {
		_ = in.Close()
		_ = cmd.Wait()
		return nil, nil, fmt.Errorf("it said %q: %w", said.first, err)
	}
	return in, said, nil
}

func measureStreamsTurn(c streamsContestant, url string) (r streamsResult, err error) {
	cmds := c.start(url, c.n)
	defer func() {
		for _, cmd := range cmds {
			if cmd.Process != nil {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
		}
	}()
	for _, cmd := range cmds {
		if len(cmd.Args) > 1 && cmd.Args[1] == streamsWord {
			_, _, err = startAndHear(cmd)
		} else {
			err = cmd.Start()
		}
		if err != nil {
			return r, err
		}
	}
	time.Sleep(streamsSettle)
	before, began := 0.0, time.Now()
	for _, cmd := range cmds {
		t, _, err := family(cmd.Process.Pid)
		if err != nil {
			return r, err
		}
		before += t
	}
	time.Sleep(streamsTime)
	for _, cmd := range cmds {
		t, rss, err := family(cmd.Process.Pid)
		if err != nil {
			return r, fmt.Errorf("it ended: %w", err)
		}
		r.core, r.rss = r.core+t, r.rss+rss
	}
	r.core = 100 * (r.core - before) / time.Since(began).Seconds()
	if r.core == 0 {
		return r, fmt.Errorf("it used no processor time: nothing was read")
	}
	return r, nil
}

// family is the processor time in seconds, and the memory in bytes, of a process
// and of those that it has started: a decoder is one.
func family(pid int) (seconds, rss float64, err error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, 0, err
	}
	found := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		id, rest, _ := strings.Cut(string(text), " (")
		_, rest, _ = strings.Cut(rest, ") ") // the name may hold spaces
		f := strings.Fields(rest)            // state, parent, ...: field 3 and on of proc(5)
		if len(f) < 22 || f[0] == "Z" || id != strconv.Itoa(pid) && f[1] != strconv.Itoa(pid) {
			continue
		}
		found = found || id == strconv.Itoa(pid)
		user, err1 := strconv.ParseFloat(f[11], 64)
		system, err2 := strconv.ParseFloat(f[12], 64)
		pages, err3 := strconv.ParseFloat(f[21], 64)
		if err := errors.Join(err1, err2, err3); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", file, err)
		}
		seconds += (user + system) / clockTicks
		rss += pages * float64(os.Getpagesize())
	}
	if !found {
		return 0, 0, fmt.Errorf("process %d is not there", pid)
	}
	return seconds, rss, nil
}

func streamsTable(s *settings, results map[string][]streamsResult) table {
	per := func(what string, n int) (core []float64) {
		for _, r := range results[what] {
			core = append(core, r.core/float64(n))
		}
		return core
	}
	decode, library := per("decode", 1), per("library", 50)
	t := table{
		title: "Watching 1080p25 at 4 Mbit/s over TCP",
		head:  []string{"contestant", "% of a core for each stream (least–most)", "beside the library doing nothing", "of a full decode", "% of a core in all", "RSS in all, MiB"},
		notes: []string{
			fmt.Sprintf("%d rounds of %v each, %v after all streams play. Processor time and memory are those of the contestant's own processes, without the server. Those of a keyframe each 5 s hold the ffmpeg that decodes them. Both clients of the library read the same packets; doing nothing is a callback that returns.", s.streams, streamsTime, streamsSettle),
		},
	}
	for _, c := range streamsContestants {
		core := per(c.what, c.n)
		beside := library
		if c.n == 200 {
			beside = per("library200", 200)
		}
		var all, rss []float64
		for _, r := range results[c.what] {
			all, rss = append(all, r.core), append(rss, r.rss)
		}
		t.add(c.name, spread(core), number(median(ratios(core, beside))), "1/"+number(median(ratios(decode, core))), number(median(all)), mib(median(rss)))
	}
	one, many := results["watcher1"], results["watcher200"]
	var each []float64
	for i := range min(len(one), len(many)) {
		each = append(each, (many[i].rss-one[i].rss)/199)
	}
	t.notes = append(t.notes, fmt.Sprintf("From 1 stream to 200, Kentongan's memory grows by %s KiB for each.", kib(median(each))))
	return t
}
