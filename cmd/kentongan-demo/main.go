// Command kentongan-demo shows the whole line on one machine: two cameras, a
// kiosk's buttons, the device with its spool, a broker, and the centre with its
// page. It serves a bench beside the centre's page, where a person presses
// buttons and breaks things.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kentongan-demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	began := time.Now()
	flags := flag.NewFlagSet("kentongan-demo", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8080", "address of the centre's page; a free port is taken when this one is not free")
	bench := flags.String("bench", "127.0.0.1:8090", "address of the bench; the same")
	screen := flags.String("screen", "127.0.0.1:8070", "address of the kiosk's screen; the same")
	programs := flags.String("programs", "", "folder of kentongan and kentongan-centre (default: this program's own)")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *programs == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program's folder: %w", err)
		}
		*programs = filepath.Dir(self)
	}
	dir, err := os.MkdirTemp("", "kentongan-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	s, err := openSite(ctx, siteOptions{
		Dir:      dir,
		Centre:   filepath.Join(*programs, "kentongan-centre"),
		Device:   filepath.Join(*programs, "kentongan"),
		PageAddr: freeOr(*listen),

		ScreenAddr: *screen,
	})
	if s != nil {
		defer s.close()
	}
	if err != nil {
		return err
	}
	operator, err := s.centre.furnish(ctx)
	if err != nil {
		return err
	}
	return serveBench(ctx, s, freeOr(*bench), func(url string) {
		fmt.Printf(welcome, s.centre.enter, operator, url, s.screen, time.Since(began).Round(time.Millisecond))
	})
}

const welcome = `
Kentongan is running.

  the centre's page   %s
                      (this link lets you in once, as an admin)
  … of one agency     %s
                      (the same, as an operator of Public Works: in another browser)
  the bench           %s
  the kiosk's screen  %s

Try, with both open side by side:
  1. press a button on the bench: yellow when it is saved, green when the centre has it
  2. cut the network, press a few times (yellow only), join it again: green, and each arrives once
  3. cut the device's power while you press, and switch it on again: nothing confirmed is lost
  4. silence or unplug a camera: an alarm within 12 s, one for both; put it back
  5. two or three minutes after the start, when the device knows the pictures, cover the
     lobby's camera or freeze one (the gate's is H.264, which needs ffmpeg): its packets
     go on, yet within a minute or so the picture is an alarm; take it on the centre's
     page, and order a picture there
  6. kill the centre and start it again
  7. touch a service on the kiosk's screen, look its ticket and PIN up there, and
     change its status on the centre's page of complaints; take the printer's paper out
  8. switch the mains off, open the cabinet's door, heat it: the device's page at the
     centre shows the reading, and the alarm comes at once, for heat after a minute

Up in %v. Ctrl-C ends everything and leaves nothing behind.
`

// freeOr returns addr when it can be listened on, and a free port of loopback
// when somebody else has it.
func freeOr(addr string) string {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "127.0.0.1:0"
	}
	l.Close()
	return addr
}
