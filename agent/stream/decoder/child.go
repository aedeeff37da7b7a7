package decoder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of a process.
const (
	startDeadline = 15 * time.Second // until it has decoded our own keyframes; a Pi Zero takes some seconds
	killDeadline  = 5 * time.Second
	niceness      = 15
	dataLimit     = 512 << 20 // RLIMIT_DATA while it starts; an ffmpeg 5.1 of Debian has 94 MB then
)

// styles are the two ways to say that each picture comes out as it went in:
// fps_mode is there since ffmpeg 5.1, vsync goes away some day.
var styles = [...][]string{{"-fps_mode", "passthrough"}, {"-vsync", "passthrough"}}

var (
	errOptions = errors.New("this ffmpeg does not know our options")
	errGone    = errors.New("the process ended")
)

// child is one ffmpeg process. It belongs to one goroutine.
type child struct {
	cmd  *exec.Cmd
	in   *os.File
	out  *os.File
	errs *complaints
	done chan struct{} // closed when the process is gone
	wait error         // how it ended; read after done

	s       syntax
	markers [greys][]byte
	slack   int // fills behind a sign
	owed    int // fills that come before the next picture
	got     int // bytes of the picture that is coming in
	frame   Picture
}

// start starts a process and sees that it decodes. The end of ctx ends that.
func start(ctx context.Context, o Options, s syntax, style int) (*child, error) {
	args := []string{
		"-nostdin", "-hide_banner", "-loglevel", "repeat+error", "-protocol_whitelist", "pipe",
		"-noautorotate", // one H.265 camera's display orientation would turn the pictures of all
		"-threads", "1", "-flags", "low_delay", "-probesize", "32", "-analyzeduration", "0", "-f", s.format, "-i", "pipe:0",
		"-map", "0:v:0", "-filter_threads", "1",
	}
	args = append(args, styles[style]...)
	args = append(args, "-s", fmt.Sprintf("%dx%d", Width, Height), "-pix_fmt", "yuv420p", "-f", "rawvideo", "pipe:1")
	c, err := spawn(o.FFmpeg, args)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = c.cmd.Process.Kill() })()
	c.s, c.markers, c.slack = s, s.markers(), firstSlack
	// The first keyframe is what ffmpeg takes the stream's form from.
	_, err = c.look(append(append([]byte(nil), s.delimiter...), c.markers[fillGrey]...), time.Now().Add(startDeadline))
	c.slack = firstSlack // what its start took says nothing
	if err == nil {
		err = c.confine(o.Memory)
	}
	if err != nil {
		err = fmt.Errorf("start %s: %w", o.FFmpeg, c.because(err))
		if c.gone() && strings.Contains(err.Error(), "Unrecognized option") {
			err = fmt.Errorf("%w: %w", errOptions, err)
		}
		c.kill()
		return nil, err
	}
	return c, nil
}

// spawn starts the program with pipes, less priority and limits.
//
// The kernel sends Pdeathsig when the thread ends that started the child, not
// the process; so that thread is kept for this child alone, and ends with it.
func spawn(program string, args []string) (*child, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	c := &child{cmd: cmd, done: make(chan struct{})}
	theirs, err := c.pipes()
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
	}()
	if err != nil {
		c.closePipes()
		return nil, err
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness)
		err := cmd.Start()
		started <- err
		if err == nil {
			c.wait = cmd.Wait()
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		c.closePipes()
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go c.errs.read()
	if err := c.limits(); err != nil {
		c.kill()
		return nil, err
	}
	return c, nil
}

// pipes makes the three pipes. It returns the child's ends.
func (c *child) pipes() (theirs []*os.File, err error) {
	open := func(ours, their **os.File, ourEndWrites bool) {
		if err != nil {
			return
		}
		r, w, e := os.Pipe()
		if err = e; e != nil {
			return
		}
		if *ours, *their = r, w; ourEndWrites {
			*ours, *their = w, r
		}
		theirs = append(theirs, *their)
	}
	var in, out, errs, complain *os.File
	open(&c.in, &in, true)
	open(&c.out, &out, false)
	open(&complain, &errs, false)
	if complain != nil {
		c.errs = newComplaints(complain)
	}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = in, out, errs
	return theirs, err
}

func (c *child) closePipes() {
	for _, f := range []*os.File{c.in, c.out} {
		if f != nil {
			_ = f.Close()
		}
	}
	if c.errs != nil {
		c.errs.close()
	}
}

// limits holds from before the first byte of a camera. Without them it is not
// used.
func (c *child) limits() error {
	pid := c.cmd.Process.Pid
	// The agent has to live when memory ends, not this.
	_ = os.WriteFile(filepath.Join("/proc", strconv.Itoa(pid), "oom_score_adj"), []byte("900"), 0)
	for resource, most := range map[int]uint64{unix.RLIMIT_DATA: dataLimit, unix.RLIMIT_FSIZE: 0, unix.RLIMIT_CORE: 0} {
		if err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: most, Max: most}, nil); err != nil && !c.gone() {
			return fmt.Errorf("limit the decoder: %w", err)
		}
	}
	return nil
}

// confine lets the process take so much memory more than it has now, after its
// start. (What it maps at its start differs between builds by hundreds of MB.)
func (c *child) confine(more int64) error {
	pid := c.cmd.Process.Pid
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if err != nil {
		return fmt.Errorf("limit the decoder: %w", err)
	}
	first, _, _ := strings.Cut(string(text), " ")
	pages, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return fmt.Errorf("limit the decoder: statm: %w", err)
	}
	most := uint64(pages*int64(os.Getpagesize()) + more)
	if err := unix.Prlimit(pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: most, Max: most}, nil); err != nil {
		return fmt.Errorf("limit the decoder: %w", err)
	}
	return nil
}

// gone tells whether the process has ended.
func (c *child) gone() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// state says how it ended, or that it has closed its output.
func (c *child) state() error {
	if c.gone() && c.wait != nil {
		return fmt.Errorf("%w: %w", errGone, c.wait)
	}
	return errGone
}

// because adds to an error what the process complained of.
func (c *child) because(err error) error {
	if _, text := c.errs.take(); text != "" {
		return fmt.Errorf("%w (%s)", err, text)
	}
	return err
}

// kill ends the process, also one that is stopped, and waits until it is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	select {
	case <-c.done:
	case <-time.After(killDeadline): // in the kernel, on a disk that hangs; it goes when it can
	}
	c.closePipes()
}
