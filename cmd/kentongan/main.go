// Command kentongan is the program on the device: it watches cameras and
// buttons, keeps what they say on the disk, and brings it to the command
// centre.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Exit statuses.
const (
	exitGood   = 0
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 3
)

// env is what a command may touch of the process.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// command is one row of the table. run gets what follows the name, and returns
// the exit status.
type command struct {
	name, args, short string
	run               func(ctx context.Context, e env, args []string) int
}

var commands = []command{
	{"run", "[--config FILE] [--log-format text|json|journal]", "Run the agent until it is told to end.", runRun},
	{"enrol", "LINK | --centre URL --token TOKEN", "Get this device's certificate with a one-time token.", runEnrol},
	{"pair", "[--config FILE] [--json]", "Print a code for this device's page on a phone.", runPair},
	{"config", "check FILE | show FILE | diff FILE [OTHER] | schema | example NAME", "Check, show and compare configurations.", runConfig},
	{"doctor", "[--config FILE] [--lang id|en] [--json]", "Find out why the device does not work.", runDoctor},
	{"discover", "[--address HOST|RANGE]... [--json|--config]", "Find cameras and where their streams are.", runDiscover},
	{"logs", "[--lines N] [--follow] | --bundle [--output FILE]", "Print the log, or gather in one archive what support needs.", runLogs},
	{"setup", "[--config FILE] [--answers FILE]", "Make the first configuration by asking.", runSetup},
	{"test", "button|lamp|camera|printer|broker|watchdog", "Try what is connected, live.", runTest},
	{"spool", "ls|dump|verify|export DIR", "Look at what waits on the disk.", runSpool},
	{"erase", "[--dry-run] [--lose-complaints] [--with-config]", "Empty this device before it goes to somebody else.", runErase},
	{"install", "--keys FILE [--launcher FILE] [--no-start] [--dry-run]", "Make this program a service that starts with the board.", runInstall},
	{"uninstall", "[--dry-run]", "End the service and remove it; data stays.", runUninstall},
	{"start", "", "Start the service.", runStart},
	{"stop", "", "End the service in order.", runStop},
	{"restart", "", "End the service and start it again.", runRestart},
	{"status", "[--lang id|en] [--json]", "Say whether the service runs, and how the agent is.", runStatus},
	{"update", "status|check|apply|back [--from WHAT]", "Look for a new version, install one by hand, go back.", runUpdate},
	{"version", "[--json]", "Print the version.", runVersion},
}

func main() { os.Exit(program()) }

// sameSignal is how long after the first signal another one is still the same
// wish: timeout(1) and a closing terminal send one to the program and one to its
// group.
const sameSignal = time.Second

// program ends in order at the first SIGINT or SIGTERM; one that comes more than
// sameSignal later kills.
func program() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(sameSignal, stop) })
	return dispatch(ctx, env{os.Stdin, os.Stdout, os.Stderr}, commands, os.Args[1:])
}
