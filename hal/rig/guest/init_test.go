//go:build rigguest

package guest

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// capture makes the tests of sensors print what the kernel shows of them.
var capture = flag.Bool("capture", false, "print the sensors' files")

// TestMain is the first process of the machine: it mounts, runs the tests and
// switches the machine off.
func TestMain(m *testing.M) {
	if os.Getpid() != 1 {
		fmt.Println("these tests are the init of hal/rig's machine and run nowhere else")
		os.Exit(2)
	}
	status := 1
	if err := boot(); err != nil {
		fmt.Println("boot:", err)
	} else {
		status = m.Run()
	}
	fmt.Printf("\nRIG exit %d\n", status)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func boot() error {
	for _, m := range []struct{ kind, at string }{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/tmp"}} {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	if err := loadModules(); err != nil {
		return err
	}
	console, err := unix.IoctlGetTermios(0, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	console.Lflag &^= unix.ECHO // or the answers stand among the questions
	return unix.IoctlSetTermios(0, unix.TCSETS, console)
}

var answers = bufio.NewReader(os.Stdin)

// outside asks the rig to do something to the machine and returns when it has.
func outside(format string, args ...any) error {
	fmt.Printf("\nRIG "+format+"\n", args...)
	answer, err := answers.ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the rig's answer: %w", err)
	}
	if answer = strings.TrimSpace(answer); answer != "ok" {
		return fmt.Errorf("rig: %s", answer)
	}
	return nil
}
