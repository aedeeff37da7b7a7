package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"kentongan/agent"
	"kentongan/agent/doctor"
	"kentongan/agent/report"
	"kentongan/agent/statuspage"
	"kentongan/firmware"
	"kentongan/firmware/units"
)

const statusUsage = `kentongan status [--lang id|en] [--json]

Says whether the service runs and which version it is, and how the device is: what
its technician's page shows, as the agent said it up to 15 seconds ago. A service
that systemd starts again and again is told apart from one that runs.

Options:
  --lang LANG  id or en (default: en where LC_ALL, LC_MESSAGES or LANG begins
               with it, else id)
  --json       as JSON; device is what the page has as /status.json

Status 0 is a service that runs, 1 one that does not, or not for long. Whether the
device is well is 'kentongan doctor'. Without root, the device is not shown.

Examples:
  kentongan status
  kentongan status --json`

// serviceState is what the service does.
type serviceState string

const (
	stateRuns         serviceState = "runs"
	stateStarts       serviceState = "starts"
	stateCrashLoop    serviceState = "crash-loop" // ends and is started again, and again
	stateStopped      serviceState = "stopped"
	stateFailed       serviceState = "failed"
	stateNotInstalled serviceState = "not-installed"
)

// serviceStatus is what `kentongan status --json` prints.
type serviceStatus struct {
	State    serviceState     `json:"state"`
	Agent    string           `json:"agent,omitempty"`    // how it says it is
	Since    string           `json:"since,omitempty"`    // of this start, RFC 3339
	Restarts int              `json:"restarts"`           // by systemd, since the service was started
	LastEnd  string           `json:"last_end,omitempty"` // why it ended, where it did by itself
	Boot     string           `json:"at_boot,omitempty"`  // enabled, disabled
	Firmware *firmware.Status `json:"firmware,omitempty"`
	Trouble  string           `json:"trouble,omitempty"` // of looking

	Device *statuspage.Status `json:"device,omitempty"` // as its page shows it
	Unseen string             `json:"unseen,omitempty"` // why there is no newer Device
}

func runStatus(_ context.Context, e env, args []string) int {
	o := newOptions("kentongan status", statusUsage)
	lang := o.String("lang", "", "")
	asJSON := o.Bool("json", false, "")
	if _, status, ok := o.parse(e, args); !ok {
		return status
	}
	in, status, ok := o.lang(e, *lang)
	if !ok {
		return status
	}
	s := lookAtService()
	s.lookAtDevice(runtimeDirectory())
	if disk, err := firmware.OpenDisk(units.UpdateDir); err == nil {
		if f, err := firmware.NewDir(disk).Status(); err == nil {
			s.Firmware = &f
		}
		disk.Close()
	}
	if *asJSON {
		_ = printJSON(e.stdout, s) // to a pipe that was closed
	} else {
		fmt.Fprint(e.stdout, s.text())
		s.showDevice(doctor.Show{W: e.stdout, Lang: in, Colours: colourful(e)})
	}
	if s.State != stateRuns {
		return exitFailed
	}
	return exitGood
}

// lookAtDevice reads what the agent said last.
func (s *serviceStatus) lookAtDevice(dir string) {
	said, ago, err := agent.ReadSaid(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return // it does not run, or not as a service
	case errors.Is(err, fs.ErrPermission):
		s.Unseen = "sudo kentongan status"
		return
	case err != nil:
		s.Unseen = err.Error()
		return
	}
	s.Device = &said.Status
	if ago > agent.SaidLately || ago < -agent.SaidLately {
		s.Unseen = fmt.Sprintf("the agent said this %v ago", ago.Truncate(time.Second))
	}
}

// showDevice writes the rows of the device as the doctor writes its findings.
func (s *serviceStatus) showDevice(show doctor.Show) {
	both := func(text string) report.Text { return report.Text{ID: text, EN: text} }
	if s.Unseen != "" || s.Device != nil {
		fmt.Fprintln(show.W)
	}
	if s.Unseen != "" {
		show.Finding(doctor.Finding{State: doctor.Warn, Title: report.Text{ID: "Tidak terlihat", EN: "Not seen"}, Seen: both(s.Unseen)})
	}
	if s.Device == nil {
		return
	}
	for _, row := range s.Device.Rows(show.Lang == doctor.English) {
		state := doctor.State(row.Mark)
		if row.Mark == "" {
			state = doctor.Skipped
		}
		show.Finding(doctor.Finding{State: state, Title: both(row.Name), Seen: both(row.Text)})
	}
}

func lookAtService() serviceStatus {
	system, err := findInit(exists)
	switch {
	case err != nil:
		return serviceStatus{State: stateNotInstalled, Trouble: err.Error()}
	case !installed(system):
		return serviceStatus{State: stateNotInstalled}
	case system == initSystemd:
		out, err := exec.Command("systemctl", "show", units.Main, "--property="+strings.Join(shown, ",")).Output()
		if err != nil {
			return serviceStatus{State: stateFailed, Trouble: fmt.Sprintf("systemctl show: %v", err)}
		}
		return readShow(string(out), time.Now())
	}
	out, err := exec.Command(initScript, "status").CombinedOutput()
	return readScript(strings.TrimSpace(string(out)), err)
}

// readScript understands what an init script said of its service, by the statuses
// that LSB gave them. kardianos/service takes all but 0 for an error on SysV.
func readScript(said string, err error) serviceStatus {
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return serviceStatus{State: stateRuns}
	case ended && exit.ExitCode() == 3:
		return serviceStatus{State: stateStopped}
	case ended && exit.ExitCode() == 8: // OpenRC's, of one that starts
		return serviceStatus{State: stateStarts}
	case ended && said != "": // it ended without being told to; nobody starts it again
		return serviceStatus{State: stateFailed, LastEnd: said}
	}
	return serviceStatus{State: stateFailed, Trouble: fmt.Sprintf("%s status: %v", initScript, err)}
}

// shown are the properties that tell a crash loop from a service that runs:
// `is-active` says activating to both a first start and the tenth.
var shown = []string{"ActiveState", "SubState", "Result", "NRestarts", "StatusText", "ExecMainStartTimestamp", "ExecMainStatus", "UnitFileState"}

// settled is how long a service that was restarted has to run before its
// restarts are history.
const settled = time.Minute

// readShow understands `systemctl show`.
func readShow(text string, now time.Time) serviceStatus {
	p := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			p[k] = v
		}
	}
	s := serviceStatus{Agent: p["StatusText"], Boot: p["UnitFileState"]}
	s.Restarts, _ = strconv.Atoi(p["NRestarts"]) // absent is none
	since, err := time.Parse("Mon 2006-01-02 15:04:05 MST", p["ExecMainStartTimestamp"])
	if err == nil {
		s.Since = since.Format(time.RFC3339)
	}
	if p["Result"] != "success" && p["Result"] != "" {
		s.LastEnd = fmt.Sprintf("%s, status %s", p["Result"], p["ExecMainStatus"])
	}
	switch p["ActiveState"] {
	case "active", "reloading":
		s.State = stateRuns
		if s.Restarts > 0 && err == nil && now.Sub(since) < settled {
			s.State = stateCrashLoop
		}
	case "activating":
		s.State = stateStarts
		if p["SubState"] == "auto-restart" || s.Restarts > 0 {
			s.State = stateCrashLoop
		}
	case "failed":
		s.State = stateFailed
	default:
		s.State = stateStopped
	}
	return s
}

// stateText is for people.
var stateText = map[serviceState]string{
	stateRuns:         "berjalan / runs",
	stateStarts:       "sedang mulai / is starting",
	stateCrashLoop:    "MATI BERULANG / ENDS AND IS STARTED AGAIN",
	stateStopped:      "berhenti / stopped",
	stateFailed:       "GAGAL / FAILED",
	stateNotInstalled: "belum dipasang / not installed",
}

var stateNext = map[serviceState]string{
	stateCrashLoop:    "journalctl -u kentongan -n 50",
	stateFailed:       "journalctl -u kentongan -n 50",
	stateStopped:      "sudo kentongan start",
	stateNotInstalled: "sudo kentongan install",
}

func (s serviceStatus) text() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("service", "%s", stateText[s.State])
	if s.Since != "" && s.State != stateStopped {
		row("since", "%s, restarted %d times", s.Since, s.Restarts)
	}
	if s.LastEnd != "" {
		row("last end", "%s", s.LastEnd)
	}
	if s.Agent != "" {
		row("agent", "%s", s.Agent)
	}
	if s.Boot != "" {
		row("at boot", "%s", s.Boot)
	}
	if f := s.Firmware; f != nil {
		row("version", "%s, slot %s", versionOf(f.Version, f.Running), f.Slot)
		if f.Trial != nil {
			row("tried", "%s: %s %s", versionOf(f.Trial.Version, f.Trial.Number), f.Trial.State, f.Trial.Reason)
		}
	}
	if s.Trouble != "" {
		row("trouble", "%s", s.Trouble)
	}
	if s.State == stateStopped && !exists(units.Config) {
		row("next", "sudo kentongan enrol; %s is missing", units.Config)
	} else if next := stateNext[s.State]; next != "" {
		if s.State == stateFailed && !exists("/run/systemd/system") {
			next = "sudo kentongan start; kentongan logs" // the journal's commands are systemd's
		}
		row("next", "%s", next)
	}
	return b.String()
}
