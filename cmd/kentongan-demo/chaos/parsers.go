package main

import (
	"fmt"
	"strings"
)

// reader is something that reads bytes of others.
type reader struct {
	what, from string
	files      string // that parse them, where the calls of parsing functions can be seen
	targets    string // package Fuzz..., comma-separated
}

// parsers are all that read foreign bytes: what came over a network, off a card that
// may have failed, out of a chip, or from somebody's hands.
var parsers = []reader{
	{"configuration", "technician, centre", "agent/config/load.go agent/config/hide.go agent/config/enrolled.go", "agent/config FuzzParse, agent/config FuzzHide, agent/config FuzzWithEnrolment"},
	{"hours of updates", "technician", "agent/update/hours.go", "agent/update FuzzHours"},
	{"settings on the card", "technician", "", "firmware/card FuzzParse"},
	{"a file with a password or a code", "technician", "", "cmd/kentongan FuzzPasswordFile"},
	{"a screen's texts of another language", "technician", "agent/kiosk/screen/language.go", "agent/kiosk/screen FuzzLanguage"},
	{"the technician's page: code, cookie, configuration, and its small files", "guest in the LAN", "agent/statuspage/page.go agent/statuspage/session.go agent/statuspage/pair.go agent/web/guard.go", "agent/statuspage FuzzPost"},
	{"the kiosk's touch", "citizen", "", "agent/kiosk/screen FuzzParseSlip"},
	{"small files of the data directory", "a card that failed", "agent/erasure_mark.go agent/parts.go agent/remoteconfig.go agent/running.go agent/savefile.go", "agent FuzzSmallFiles"},
	{"list of believed keys", "a card that failed", "agent/keyring.go", "agent FuzzOpenKeyring"},
	{"alarms, kept", "a card that failed", "agent/alarm/memory.go", "agent/alarm FuzzDecode"},
	{"orders, kept", "a card that failed", "agent/command/memory.go", "agent/command FuzzMemory"},
	{"tickets and complaints' states, kept", "a card that failed", "agent/kiosk/numbers.go agent/kiosk/ask.go", "agent/kiosk FuzzMemory"},
	{"what a camera was tried with, kept", "a card that failed", "agent/stream/ladder.go", "agent/stream FuzzActed"},
	{"learned pictures", "a card that failed", "agent/stream/picture/marshal.go", "agent/stream/picture FuzzUnmarshal, agent/stream/picture FuzzAdd"},
	{"spool: segments and cursor", "a card that failed", "agent/spool/segment.go agent/spool/survey.go agent/spool/walk.go agent/spool/cursor.go agent/spool/carry.go", "agent/spool FuzzSegment, agent/spool FuzzCursor"},
	{"records and batches", "device, broker", "agent/report/record.go agent/report/batch.go", "agent/report FuzzDecodeBatch"},
	{"topics", "broker", "", "agent/report FuzzParseTopic"},
	{"hashes and epochs", "device, centre", "agent/report/chain.go", "agent/report FuzzHash"},
	{"keys", "technician, centre", "agent/report/key.go", "agent/report FuzzKey"},
	{"checkpoints", "device", "", "agent/report FuzzReadCheckpoint"},
	{"receipts", "broker", "", "agent/report FuzzOpenAck"},
	{"orders", "broker", "agent/command/command.go", "agent/report FuzzOpenOrder"},
	{"tickets", "citizen", "", "agent/report FuzzParseTicket"},
	{"links for enrolling", "technician", "agent/report/enrol.go", "agent/report FuzzParseEnrolLink"},
	{"a centre's answers to enrolling", "a stranger's server", "agent/enrol/certs.go agent/enrol/client.go", "agent/enrol FuzzParseAnswer, agent/enrol FuzzDecodeEnrolment"},
	{"MQTT packets", "broker", "agent/uplink/frame.go agent/uplink/talker.go", "agent/uplink FuzzFramer, agent/uplink FuzzTalker"},
	{"applications' answers", "web servers", "agent/appcheck/answer.go", "agent/appcheck FuzzAnswer"},
	{"RTSP: lines, descriptions, redirects", "camera", "agent/stream/line.go agent/stream/mend.go", "agent/stream FuzzLine, agent/stream FuzzDescription, agent/stream FuzzRedirect"},
	{"RTP: packets, payloads, parameter sets, keyframes", "camera", "agent/stream/payload.go", "agent/stream FuzzMeter, agent/stream FuzzPayload, agent/stream FuzzSPS, agent/stream FuzzTap"},
	{"pictures over HTTP, and their challenges", "camera", "", "agent/stream FuzzFetched, agent/stream FuzzChallenge"},
	{"JPEG", "camera", "agent/stream/decoder/jpeg.go", "agent/stream/decoder FuzzJPEG"},
	{"tables of the kernel's network", "who sends to the board", "agent/stream/network.go", "agent/stream FuzzTables"},
	{"ONVIF: SOAP, discovery, challenges", "camera, guest in the LAN", "agent/onvif/xml.go", "agent/onvif FuzzParse, agent/onvif FuzzMatches, agent/onvif FuzzChallenge"},
	{"printer's answers, and what is printed", "printer", "", "agent/kiosk/printer FuzzFirstAnswer, agent/kiosk/printer FuzzReceipt"},
	{"events of lines", "kernel", "", "hal/gpio FuzzEvent"},
	{"a TPM's answers, and the key files that it wrapped", "chip, a card that failed", "hal/tpm/answer.go hal/tpm/key.go", "hal/tpm FuzzAnswer, hal/tpm FuzzKeyFile"},
	{"sensors: 1-Wire, SHT3x, AHT20, BME280, sysfs", "chip", "", "hal/sensors FuzzW1, hal/sensors FuzzSHT3x, hal/sensors FuzzAHT20, hal/sensors FuzzBME280, hal/sensors FuzzFigure"},
	{"requests to the simulated board", "who plays it", "hal/sim/socket.go", "hal/sim FuzzRequest"},
	{"systemd's properties", "systemctl", "", "cmd/kentongan FuzzReadShow"},
	{"the agent's word that it is well", "agent", "cmd/kentongan-boot/judge.go", "cmd/kentongan-boot FuzzHealthy"},
	{"the launcher's state", "a card that failed", "firmware/state.go", "firmware FuzzState"},
	{"update bundles", "a stranger's server", "firmware/source.go", "firmware FuzzBundle"},
	{"release and key lists", "a stranger's server", "firmware/release.go", "firmware FuzzRelease, firmware FuzzKeys"},
	{"packed programs", "a stranger's server", "", "firmware FuzzPayload"},
	{"centre: what is published", "device, broker", "cmd/kentongan-centre/internal/ingest/arrive.go", "cmd/kentongan-centre/internal/ingest FuzzArrive"},
	{"centre: bodies of records", "device", "cmd/kentongan-centre/internal/store/commit.go cmd/kentongan-centre/internal/store/withheld.go cmd/kentongan-centre/internal/store/moved.go cmd/kentongan-centre/internal/store/audit_commit.go cmd/kentongan-centre/internal/store/audit_read.go cmd/kentongan-centre/internal/store/read_fleet.go", "cmd/kentongan-centre/internal/store FuzzBody"},
	{"centre: events as people read them", "device", "cmd/kentongan-centre/internal/console/happening.go", "cmd/kentongan-centre/internal/console FuzzHappening"},
	{"centre: forms, API, addresses", "browser, program", "cmd/kentongan-centre/internal/console/api.go cmd/kentongan-centre/internal/console/auth.go cmd/kentongan-centre/internal/console/device_orders.go cmd/kentongan-centre/internal/console/login.go cmd/kentongan-centre/internal/console/rollouts.go cmd/kentongan-centre/internal/console/tickets.go", "cmd/kentongan-centre/internal/console FuzzForms, cmd/kentongan-centre/internal/console FuzzBox"},
	{"centre: passkeys (WebAuthn, CBOR)", "browser", "cmd/kentongan-centre/internal/access/passkey.go", "cmd/kentongan-centre/internal/access FuzzPasskey"},
	{"centre: hashes of passwords", "database", "cmd/kentongan-centre/internal/access/password.go", "cmd/kentongan-centre/internal/access FuzzHash"},
	{"centre: texts of orders", "operator", "", "cmd/kentongan-centre/internal/orders FuzzTexts"},
	{"centre: stages of a rollout", "operator", "", "cmd/kentongan-centre/internal/rollout FuzzStages"},
	{"centre: Open311", "anybody", "", "cmd/kentongan-centre/internal/open311 FuzzFilter"},
	{"centre: requests to enrol", "a stranger's device", "cmd/kentongan-centre/internal/enrol/server.go cmd/kentongan-centre/internal/enrol/redeem.go", "cmd/kentongan-centre/internal/enrol FuzzRequest"},
	{"centre: a broker's CONNACK", "broker", "", "cmd/kentongan-centre/internal/enrol FuzzConnack"},
	{"centre: list of agencies", "operator", "cmd/kentongan-centre/internal/agencies/agencies.go", "cmd/kentongan-centre/internal/agencies FuzzParse"},
	{"centre: list of devices", "operator", "cmd/kentongan-centre/internal/brokerauth/brokerauth.go", "cmd/kentongan-centre/internal/brokerauth FuzzReadDevices"},
	{"centre: what is passed on to agencies, and its place", "device, disk", "cmd/kentongan-centre/internal/fanout/records.go cmd/kentongan-centre/internal/fanout/position.go", "cmd/kentongan-centre/internal/fanout FuzzRecords"},
	{"centre: Home Assistant's discovery", "other programs", "cmd/kentongan-centre/internal/homeassistant/homeassistant.go", "cmd/kentongan-centre/internal/homeassistant FuzzOurs"},
	{"centre: lines of the audit's roots", "disk", "cmd/kentongan-centre/internal/audit/root.go", "cmd/kentongan-centre/internal/audit FuzzRootLine"},
}

// own are the files that parse nothing foreign, and why.
var own = map[string]string{
	"agent/commands.go":                             "a record of its own spool",
	"agent/config/files.go":                         "PEM blocks of files that the configuration names, by the standard library",
	"agent/doctor.go":                               "records of its own spool",
	"agent/doctor/machine.go":                       "/proc and /sys, which the kernel writes",
	"agent/doctor_uplink.go":                        "its own certificate, by the standard library",
	"agent/enrol/identity.go":                       "its own certificate, by the standard library",
	"agent/enrolment.go":                            "its own key",
	"agent/figures.go":                              "what it said itself, in memory that only it writes",
	"agent/kiosk/screen/alive.go":                   "its own page",
	"agent/kiosk/screen/chromium/axe.go":            "a browser that tests start",
	"agent/kiosk/screen/chromium/chromium.go":       "a browser that tests start",
	"agent/page.go":                                 "its own log",
	"agent/spool/open.go":                           "random bytes",
	"agent/statuspage/certificate.go":               "its own certificate, by the standard library",
	"agent/stream/config.go":                        "a fingerprint of the configuration",
	"agent/stream/decoder/marker.go":                "constants",
	"agent/tryout_page.go":                          "its own page",
	"cmd/kentongan-boot/apply.go":                   "what a program says that was signed and verified",
	"cmd/kentongan/terminal.go":                     "lines that the technician types, or wrote into a file",
	"cmd/kentongan/test_lamp.go":                    "lines that the technician types",
	"hal/tpm/command.go":                            "what it sends; answers are read by answer.go",
	"hal/sim/client.go":                             "the simulated board",
	"cmd/kentongan-centre/internal/audit":           "records that were taken, decoded as they were then",
	"cmd/kentongan-centre/internal/ca":              "its own keys and certificates",
	"cmd/kentongan-centre/internal/rollout/pick.go": "its own hash",
	"cmd/kentongan-centre/internal/pgtest":          "a database that tests start",
	"cmd/kentongan-centre/internal/devicetest":      "devices that tests start",
	"cmd/kentongan-centre/internal/store":           "columns that it wrote itself, from what was decoded then",
}

// list splits the targets.
func (p reader) list() (all []string) {
	for t := range strings.SplitSeq(p.targets, ",") {
		all = append(all, strings.TrimSpace(t))
	}
	return all
}

// parserTable writes the list as the document has it.
func parserTable() string {
	var out strings.Builder
	out.WriteString("\n| bytes | from | fuzz targets |\n| --- | --- | --- |\n")
	for _, p := range parsers {
		fmt.Fprintf(&out, "| %s | %s | `%s` |\n", p.what, p.from, strings.Join(p.list(), "`<br>`"))
	}
	return out.String() + "\n"
}
