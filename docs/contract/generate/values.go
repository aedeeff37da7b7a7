package main

import (
	"time"

	"kentongan/agent/report"
)

// at is when the examples were made.
var at = time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)

const exampleEpoch report.Epoch = 0x0f3a9c1d2e4b5a67

var exampleTicket = report.NewTicket(7, 1).String()

func ptr[T any](v T) *T { return &v }

// bodies is an example of each kind of record.
var bodies = map[string]any{
	report.KindPress: report.Press{
		Ticket: exampleTicket, Line: "road", ServiceCode: "jalan-rusak", Category: "infrastruktur",
		Label: report.Text{ID: "Jalan rusak", EN: "Damaged road"}, Presses: 2, PIN: "7K2M",
	},
	report.KindCancel: report.Cancel{Ticket: exampleTicket, Line: "road", By: "button"},

	report.KindBoot:   report.Boot{Version: "1.4.0", Go: "go1.26.8", Arch: "arm", Board: "gpio", Epoch: exampleEpoch, Clean: true},
	report.KindGap:    report.Gap{Lane: report.Telemetry, Epoch: exampleEpoch, From: 120, To: 480, Count: 361, Reason: report.GapFull},
	report.KindDamage: report.Damage{Lane: report.Event, Segment: "000041.seg", Offset: 8192, Bytes: 512, Detail: "bad checksum", Saved: "000041.seg.damaged"},
	report.KindClock:  report.ClockSet{Boot: "1f2e3d4c", BootedAt: at.Add(-time.Hour), StepMS: -1500, Clock: report.ClockSynced},
	report.KindStream: report.StreamState{
		Name: "gate", State: "playing", Since: at, URL: "rtsp://10.0.0.9/live", Codec: "H264", Width: 1920, Height: 1080, Proto: "tcp",
		Picture: &report.PictureState{Checked: true, Looked: ptr(at), Found: []report.PictureVerdict{{Condition: "blurred", Confidence: 0.9, Since: at}}},
	},
	report.KindLine:    report.LineState{Line: "road", State: "chatter", Count: 12},
	report.KindUplink:  report.UplinkState{State: "connected", Broker: "broker.example:8883"},
	report.KindReceipt: report.ReceiptRefused{Lane: report.Complaint, Reason: "hash", Epoch: exampleEpoch, Seq: 31, Detail: "record 31 has another hash here"},
	report.KindAlarm: report.Alarm{
		ID: "5f0c9a1d2e4b5a67", N: 12, Source: "stream/gate", Label: "Gerbang", Condition: "silent", Severity: report.Major, State: report.AlarmRaised,
		Since: at, Confidence: 1, Text: report.Text{ID: "Kamera tidak mengirim gambar.", EN: "The camera sends no picture."},
		Action: report.Text{ID: "Periksa daya dan kabel kamera.", EN: "Check the camera's power and cable."},
	},
	report.KindApp: report.AppState{
		Name: "e-pormas", State: report.AppSlow, Class: "slow", Since: at, URL: "https://epormas.example/", Label: report.Text{ID: "Pengaduan", EN: "Complaints"},
		Status: 200, CertExpires: at.Add(30 * 24 * time.Hour), CertDays: ptr(30),
	},
	report.KindCommand:     report.CommandResult{ID: "5f0c9a1d2e4b5a67", Name: report.OrderSnapshot, State: report.CommandSucceeded, TookMS: 420},
	report.KindSnapshot:    report.Snapshot{ID: "5f0c9a1d2e4b5a67", Stream: "gate", Who: "Sari", Reason: "laporan warga", Format: "jpeg", Width: 1280, Height: 720, TakenAt: at, Size: 5, SHA256: report.HashLine([]byte("bytes")), Pieces: 1},
	report.KindSelfTest:    report.SelfTest{OK: false, Checks: []report.SelfTestCheck{{Name: "lamp saved", OK: true}, {Name: "printer", Detail: "paper_out"}}},
	report.KindPrinter:     report.PrinterState{State: "paper_low", Dropped: 2},
	report.KindRecovery:    report.Recovery{Stream: "gate", Step: report.RecoveryReboot, Result: report.RecoveryBegun, Class: "timeout", Cause: "camera", FaultMS: 300_000},
	report.KindInput:       report.InputState{Line: "mains", Kind: "mains", Active: true, AgoMS: 1200},
	report.KindPage:        report.PageUse{Did: report.PagePicture, From: "192.168.1.20", Detail: "gate"},
	report.KindCertificate: report.Certificate{State: "renewed", Serial: "5f0c9a1d2e4b5a67", NotAfter: ptr(at.Add(90 * 24 * time.Hour))},
	report.KindConfig:      report.Config{State: report.ConfigRefused, Version: "6c1d0b9f2a7e4c58d3b16f0a9e8274cb5d31f6e0a49b7c82ed05f3a1764b29c8", Line: 14, Column: 10, Path: "streams[2].url", Detail: `no host in "rtsp:///live"; write rtsp://HOST/PATH`, Problems: 1},
	report.KindUpdate:      report.Update{Number: 41, Version: "v1.4.0", State: report.UpdateWentBack, Detail: "start: it ended 3 times without being well", Before: 40, Starts: 3, Failures: 3},
	report.KindWatchdog:    report.WatchdogState{State: "running", Name: "bcm2835-wdt", TimeoutS: 15, CausedBoot: true},
	report.KindDisk:        report.DiskRefusal{Place: "telemetry", Error: "no space left on device", Since: at, ForMS: 5000, Calls: 3, Records: 40, Over: true},
	report.KindEpoch: report.NewEpoch{
		Was: 0x1122334455667788, Epoch: exampleEpoch, Held: map[report.Lane]uint64{report.Event: 812}, Moved: map[report.Lane]uint64{report.Complaint: 3},
	},

	report.KindStreamStats: report.StreamStats{
		Name: "gate", WindowMS: 10_000, FPS: 15.02, BitsPerS: 1_843_200, Packets: 184_223, PacketsLost: 3, SinceFrameMS: 61, LossRatio: 0.001, JitterMS: 4.2, GOP: 30,
		ClockOffsetMS: ptr(int64(-120)),
	},
	report.KindDeviceStats: report.DeviceStats{
		RSSBytes: 22_020_096, Goroutines: 41, DiskFree: 21_474_836_480, Backlog: map[report.Lane]int64{report.Complaint: 0, report.Event: 2, report.Telemetry: 40},
		SpoolBytes: 104_857_600, LoadAvg1: 0.31, TempMilliC: 51_200, UplinkUp: true, UplinkSentB: 1_200_345, UplinkRecvB: 80_123, UplinkEpochs: 2,
		Alarms: &report.AlarmCounts{Raised: 3, CameraDays: 41.5, FalseRate: ptr(0.0), Active: 1},
	},
	report.KindAppStats:      report.AppStats{Name: "e-pormas", Status: 200, DNSMS: 12.1, ConnectMS: 33.4, TLSMS: 70.2, FirstByteMS: 210, TotalMS: 402.5, Hops: 1, Family: "ip4", Method: "GET", Bytes: 18_220, BytesPerDay: 5_247_360},
	report.KindReading:       report.Reading{Sensor: "panel", Temperature: ptr(41.5), Humidity: ptr(62.0)},
	report.KindSnapshotPiece: report.SnapshotPiece{ID: "5f0c9a1d2e4b5a67", Of: 1, Data: []byte("bytes")},
}

// arguments is an example of each order's arguments.
var arguments = map[string]any{
	report.OrderRestart:  report.RestartArgs{Who: "Sari", Reason: "laporan warga"},
	report.OrderIdentify: report.IdentifyArgs{Seconds: 60, Who: "Sari"},
	report.OrderLogs:     report.LogsArgs{Who: "Sari", Reason: "kamera sering putus"},
	report.OrderProfile:  report.ProfileArgs{What: report.ProfileCPU, Seconds: 10, Who: "Sari", Reason: "prosesor sibuk"},
	report.OrderConfig:   report.ConfigArgs{Version: 1_795_000_000_000, Text: "device: kiosk-7\n", Who: "Sari", Reason: "kamera baru"},
	report.OrderKeys:     report.KeysArgs{Trust: []string{exampleCentre.public}, Retire: []string{"kentongan-centre+1a2b3c4d"}},
	report.OrderSnapshot: report.SnapshotArgs{Stream: "gate", Who: "Sari", Reason: "laporan warga"},
	report.OrderAckAlarm: report.AckAlarmArgs{Alarm: "5f0c9a1d2e4b5a67", Who: "Sari", Note: "tim berangkat"},
	report.OrderUpdate:   report.UpdateArgs{URL: "https://centre.example/firmware/41", Number: 41, Who: "Sari", Until: ptr(at.Add(time.Hour))},
	report.OrderTicket: report.TicketStatus{
		Ticket: exampleTicket, State: report.TicketAssigned, At: at, Note: report.Text{ID: "Dinas PU menindaklanjuti.", EN: "The public works agency follows it up."},
	},
}

// retained is an example of each state, and of what is passed on.
var retained = map[string]any{
	"state.device": report.DeviceState{
		V: 1, State: report.Online, Session: "1f2e3d4c-0a1b2c3d.1", Since: at, Version: "1.4.0", Boot: "1f2e3d4c", Epoch: exampleEpoch,
		Site: "Balai Kota", Lat: -6.12, Lon: 106.15, Streams: []string{"gate"}, Apps: []string{"e-pormas"}, Lines: []string{"road"},
		Heads:        []report.Head{{Lane: report.Complaint, Epoch: exampleEpoch, First: 1, Next: 3}},
		Capabilities: []string{"kiosk", "streams"}, RecordKey: exampleDevice.public,
	},
	"state.stream": bodies[report.KindStream],
	"state.app":    bodies[report.KindApp],
	"state.alarms": report.AlarmSet{V: 1, N: 12, Ledger: "a1b2c3d4", Count: 1, Alarms: []report.AlarmLine{
		{ID: "5f0c9a1d2e4b5a67", N: 12, Source: "stream/gate", Condition: "silent", Severity: report.Major, State: report.AlarmRaised, Since: at},
	}},
	"shared.stream": sharedGate,
	"shared.event":  report.SharedEvent{V: 1, Device: "kiosk-7", Epoch: exampleEpoch, Seq: 12, Time: at, Clock: report.ClockSynced, Stream: &sharedGate},
}

var sharedGate = report.SharedStream{
	V: 1, Device: "kiosk-7", Site: "Balai Kota", Lat: -6.12, Lon: 106.15, Name: "gate", State: "playing", Since: at,
	Codec: "H264", Width: 1920, Height: 1080, Picture: []string{"black"},
}

// broken are messages that are not valid: an example, what is done to it, why it
// is wrong.
var broken = []struct {
	name, schema, why string
	change            func(m map[string]any)
}{
	{"no-prev", "record.press", "complaints and events carry prev", func(m map[string]any) { delete(m, "prev") }},
	{"seq-zero", "record.press", "seq counts from 1", func(m map[string]any) { m["seq"] = 0 }},
	{"seq-text", "record.press", "seq is a number", func(m map[string]any) { m["seq"] = "1" }},
	{"other-version", "record.press", "v is 1", func(m map[string]any) { m["v"] = 2 }},
	{"other-lane", "record.press", "a press is in the complaint lane", func(m map[string]any) { m["lane"] = "event" }},
	{"device-with-slash", "record.boot", "a device's id is one level of a topic", func(m map[string]any) { m["device"] = "kiosk/7" }},
	{"epoch-short", "record.boot", "an epoch has 16 hex digits", func(m map[string]any) { m["epoch"] = "f3a9c1d2e4b5a67" }},
	{"clock-unknown", "record.boot", "clock is synced, estimated or unset", func(m map[string]any) { m["clock"] = "good" }},
	{"no-body", "record.boot", "each record has a body", func(m map[string]any) { delete(m, "body") }},
	{"no-ticket", "record.press", "a press has a ticket", func(m map[string]any) { delete(m["body"].(map[string]any), "ticket") }},
	{"gap-of-no-lane", "record.gap", "a gap is in one of the three lanes", func(m map[string]any) { m["body"].(map[string]any)["lane"] = "log" }},
	{"gap-before-zero", "record.gap", "numbers are not negative", func(m map[string]any) { m["body"].(map[string]any)["from"] = -1 }},
	{"hash-in-hex", "record.snapshot", "hashes are base64", func(m map[string]any) {
		m["body"].(map[string]any)["sha256"] = "0f3a9c1d2e4b5a670f3a9c1d2e4b5a670f3a9c1d2e4b5a670f3a9c1d2e4b5a67"
	}},
	{"time-without-zone", "state.stream", "times are RFC 3339", func(m map[string]any) { m["since"] = "2026-11-26 10:00:00" }},
	{"stream-without-name", "state.stream", "a stream has a name", func(m map[string]any) { delete(m, "name") }},
	{"alarms-no-list", "state.alarms", "alarms is a list", func(m map[string]any) { m["alarms"] = "none" }},
	{"snapshot-without-reason", "command.snapshot", "who orders a picture says why", func(m map[string]any) { delete(m, "reason") }},
	{"head-without-epoch", "batch.head", "a head names its epoch", func(m map[string]any) { delete(m["head"].(map[string]any), "epoch") }},
}
