// Package brokerauth says who may publish and read what on the broker, and
// writes it as Mosquitto and as NATS want it.
//
// An identity is the common name of a certificate. A device's is its id, which
// has no dot; every other has one, so that nobody can enrol as any of them.
package brokerauth

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/agencies"
)

// Names of the roles that every installation has.
const (
	Centre  = "kentongan.centre"
	Fanout  = "kentongan.fanout"
	Police  = "kentongan.police"
	Monitor = "kentongan.monitor"
)

// role is an identity and the MQTT filters that it may publish to and read.
type role struct {
	name, says    string
	write, read   []string
	onlyMosquitto bool // what it reads does not exist on NATS
}

const (
	agencyAll = report.AgencyRoot + "/#"
	sharedAll = report.SharedRoot + "/#"
	eachAck   = report.Root + "/+/ack/+"
	eachCmd   = report.Root + "/+/cmd/+"
)

func roles(m *agencies.Map) []role {
	all := []role{
		{name: Centre, says: "The centre's ingest reads everything and writes receipts and orders.",
			write: []string{eachAck, eachCmd}, read: []string{report.UpFilter, report.StateFilter, eachAck, eachCmd}},
		{name: Fanout, says: "The centre's fan-out writes what agencies and police may see, and reads what\nstands there, to take away what should not stand there any more.",
			write: []string{agencyAll, sharedAll}, read: []string{agencyAll, sharedAll}},
		{name: Police, says: "The police, by their bridge: shared cameras, nothing else.",
			read: []string{sharedAll}},
		{name: Monitor, says: "Who watches the broker itself.",
			read: []string{"$SYS/#"}, onlyMosquitto: true},
	}
	if m == nil {
		return all
	}
	for _, a := range m.All() {
		for _, o := range a.Operators {
			all = append(all, role{name: o, says: "An operator of " + a.Name + ".", read: []string{report.AgencyRoot + "/" + a.Name + "/#"}})
		}
	}
	return all
}

// deviceWrites and deviceReads are the branch of one device; %u stands for it.
var (
	deviceWrites = []string{report.Root + "/%u/up/#", report.Root + "/%u/state/#"} // the last stands for .../state too
	deviceReads  = []string{report.Root + "/%u/ack/+", report.Root + "/%u/cmd/+"}
)

const mosquittoHead = `# Who may read and write what; ` + "`kentongan-centre broker mosquitto-acl`" + ` writes the
# same with the operators of the agencies in it.
#
# The device's id (%u, its certificate's common name) is the only variable level:
# a wildcard for an agency above it would let one agency write as another (seen
# in a trial). Device ids have no dot, every other name has one, so that nobody
# can enrol as any of them.
`

// Mosquitto writes an access list. Devices need no line each, since a pattern
// stands for all. Those in barred may do nothing, which holds for their open
// sessions too once Mosquitto has read the list again; a list of revoked
// certificates alone lets those go on.
func Mosquitto(w io.Writer, m *agencies.Map, barred []string) error {
	b := bufio.NewWriter(w)
	fmt.Fprint(b, mosquittoHead)
	for _, r := range roles(m) {
		fmt.Fprintf(b, "\n# %s\nuser %s\n", strings.ReplaceAll(r.says, "\n", "\n# "), r.name)
		if r.name != Centre { // the patterns below hold for it too
			fmt.Fprintf(b, "topic deny %s/#\n", report.Root)
		}
		both := map[string]bool{}
		for _, f := range r.write {
			both[f] = true
		}
		for _, f := range r.read {
			if both[f] {
				fmt.Fprintf(b, "topic readwrite %s\n", f)
			} else {
				fmt.Fprintf(b, "topic read %s\n", f)
			}
		}
	}
	for _, d := range barred {
		fmt.Fprintf(b, "\n# Revoked.\nuser %s\ntopic deny #\n", d)
	}
	fmt.Fprint(b, "\n# A device: its own branch, and nothing of the centre's in it.\n")
	for _, f := range deviceWrites {
		fmt.Fprintf(b, "pattern write %s\n", f)
	}
	for _, f := range deviceReads {
		fmt.Fprintf(b, "pattern read %s\n", f)
	}
	return b.Flush()
}

const natsHead = `# Written by ` + "`kentongan-centre broker nats-users`" + `: a user for each certificate, by its
# subject. Who is not here can't connect, and who is taken out is disconnected when
# the servers read it again (nats-server --signal reload).
users = [
`

// NATS writes the users of a NATS cluster: each role, and each device.
func NATS(w io.Writer, m *agencies.Map, devices []string) error {
	b := bufio.NewWriter(w)
	fmt.Fprint(b, natsHead)
	for _, r := range roles(m) {
		if r.onlyMosquitto {
			continue
		}
		// What a QoS 1 subscription is delivered by. Nobody can subscribe to it
		// by MQTT: the server makes the subscription itself.
		natsUser(b, r.name, r.write, append([]string{"$MQTT/sub/#"}, r.read...))
	}
	for _, d := range devices {
		natsUser(b, d, of(d, deviceWrites), of(d, deviceReads))
	}
	fmt.Fprint(b, "]\n")
	return b.Flush()
}

func of(device string, filters []string) (out []string) {
	for _, f := range filters {
		out = append(out, strings.ReplaceAll(f, "%u", device))
	}
	return out
}

// natsUser writes one user. An empty list would mean everything.
func natsUser(w io.Writer, name string, write, read []string) {
	fmt.Fprintf(w, "  {user: \"CN=%s\", allowed_connection_types: [\"MQTT\"], permissions: {publish: %s, subscribe: %s}}\n",
		name, natsList(write), natsList(read))
}

func natsList(filters []string) string {
	if len(filters) == 0 {
		return `{deny: [">"]}`
	}
	var all []string
	for _, f := range filters {
		all = append(all, natsSubjects(f)...)
	}
	return `["` + strings.Join(all, `", "`) + `"]`
}

// natsSubjects is an MQTT filter as NATS has it: levels are parted by dots, and
// a filter that ends in /# stands for the level above as well. No filter of ours
// has a dot.
func natsSubjects(filter string) []string {
	s := strings.NewReplacer("/", ".", "+", "*", "#", ">").Replace(filter)
	if above, ok := strings.CutSuffix(s, ".>"); ok {
		return []string{above, s}
	}
	return []string{s}
}

// ReadDevices reads ids, one a line; empty lines and what follows a # are passed
// over. Each is given once. An error names the line.
func ReadDevices(r io.Reader, name string) ([]string, error) {
	var all []string
	seen := map[string]bool{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		id, _, _ := strings.Cut(lines.Text(), "#")
		if id = strings.TrimSpace(id); id == "" || seen[id] {
			continue
		}
		if !report.ValidDevice(id) {
			return nil, fmt.Errorf("%s:%d: %q can't be a device's id; write 1 to 40 of a-z, 0-9 and hyphen, one a line", name, n, report.Clip(id, 60))
		}
		seen[id] = true
		all = append(all, id)
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = errors.New("a line is too long; write one id a line")
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return all, nil
}
