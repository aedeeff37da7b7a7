package console_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// alarm is an alarm as a device tells it.
func (s *seeder) alarm(dev string, n uint64, a report.Alarm, at time.Time) {
	a.ID, a.N = fmt.Sprintf("%016x", n), n
	if a.State == "" {
		a.State = report.AlarmRaised
	}
	if a.Since.IsZero() {
		a.Since = at
	}
	seq := 100 + n
	s.batch(dev, report.Event, seq, seq+1, at, s.record(dev, report.Event, seq, at, report.ClockSynced, report.KindAlarm, a))
}

// trouble adds alarms of all kinds, orders and pictures, to province.
func (s *seeder) trouble() {
	at := s.now
	var members []string
	for i := range 12 {
		members = append(members, fmt.Sprintf("stream/lantai%d-%d", i/6+1, i%6+1))
	}
	s.alarm("cam-kp3b", 1, report.Alarm{
		Source: "group/switch-lt2", Label: "Switch KP3B lantai 2", Condition: "switch_down", Severity: report.Critical, Confidence: 1, Cause: "power",
		Text:   report.Text{ID: "Sakelar jaringan mati atau terputus", EN: "Network switch is dead or cut off"},
		Action: report.Text{ID: "Periksa listrik sakelar dan kabel menuju sakelar itu.", EN: "Check the switch's power and the cable to it."},
		Detail: "12 of 12 behind Switch KP3B lantai 2 failed together", Hides: members, Hidden: 12,
	}, at.Add(-4*time.Minute))
	s.alarm("cam-kp3b", 2, report.Alarm{
		Source: "stream/south", Condition: "covered", Severity: report.Major, Confidence: 0.94, Cause: "camera", State: report.AlarmAcknowledged,
		Text:   report.Text{ID: "Lensa tertutup", EN: "Lens is covered"},
		Action: report.Text{ID: "Kirim orang untuk melihat kamera: lensa ditutup, dicat atau tertutup benda.", EN: "Send somebody to look: the lens is covered, painted or blocked."},
		Detail: "spread of the picture 1.2 for 40 s", By: "Sari Wulandari", Note: "tim lapangan berangkat",
	}, at.Add(-31*time.Minute))
	s.alarm("kiosk-7", 3, report.Alarm{
		Source: "stream/lobby", Condition: "silent", Severity: report.Major, Confidence: 1, State: report.AlarmFlapping, Flapping: true,
		Text:   report.Text{ID: "Kamera tersambung tetapi tidak mengirim gambar", EN: "Camera is connected but sends no picture"},
		Action: report.Text{ID: "Nyalakan ulang kamera; bila berulang, periksa kabel dan beban jaringan.", EN: "Restart the camera; if it comes back, check the cable and the load of the network."},
	}, at.Add(-95*time.Second))
	s.alarm("kiosk-7", 4, report.Alarm{
		Source: "stream/gate", Condition: "blurred", Severity: report.Minor, Confidence: 0.81, Cause: "camera",
		Text:   report.Text{ID: "Gambar kabur", EN: "Picture is blurred"},
		Action: report.Text{ID: "Bersihkan lensa dan periksa fokusnya.", EN: "Clean the lens and check its focus."},
		Detail: "sharpness 0.03 of a learned 0.24 for 6 min",
	}, at.Add(-7*time.Minute))
	s.alarm("kiosk-7", 5, report.Alarm{
		Source: "stream/gate", Condition: "clock", Severity: report.Warning, Confidence: 1,
		Text:   report.Text{ID: "Jam kamera tidak tepat", EN: "Camera's clock is wrong"},
		Action: report.Text{ID: "Atur NTP di kamera; rekamannya tidak dapat menjadi bukti waktu.", EN: "Set up NTP in the camera; its recordings are no evidence of a time."},
		Detail: "42 s ahead", State: report.AlarmHidden, HiddenBy: "stream/gate:down",
	}, at.Add(-2*time.Hour))
	s.alarm("kiosk-7", 6, report.Alarm{
		Source: "stream/gate", Condition: "frozen", Severity: report.Major, State: report.AlarmCleared, False: true, By: "Budi", Note: "jalan memang kosong",
		Text: report.Text{ID: "Gambar membeku", EN: "Picture is frozen"},
	}, at.Add(-5*time.Hour))
	s.alarm("kiosk-7", 7, report.Alarm{
		Source: "stream/lobby", Condition: "down", Severity: report.Major, State: report.AlarmCleared, Detail: "timeout: no answer for 5 s",
		Text: report.Text{ID: "Kamera tidak dapat dihubungi", EN: "Camera can't be reached"},
	}, at.Add(-3*time.Hour))
	s.batch("kiosk-7", report.Telemetry, 50, 51, at, s.record("kiosk-7", report.Telemetry, 50, at, report.ClockSynced, report.KindDeviceStats, report.DeviceStats{Alarms: &report.AlarmCounts{Raised: 41, False: 3, CameraDays: 1240}}))
	looked := at.Add(-6 * time.Second)
	s.stream("kiosk-7", report.StreamState{Name: "gate", State: "playing", Codec: "H264", Width: 1920, Height: 1080, Proto: "tcp", Picture: &report.PictureState{
		Checked: true, Looked: &looked, Info: []string{"night"},
		Found: []report.PictureVerdict{{Condition: "blurred", Confidence: 0.81, Since: at.Add(-7 * time.Minute), Detail: "sharpness 0.03 of a learned 0.24"}},
	}}, at)
	s.pictures(at)
}

// pictures adds one that is here, one that did not come whole, and orders.
func (s *seeder) pictures(at time.Time) {
	shot := picture()
	for i, reason := range []string{"laporan warga 0007-000E-7, jalan rusak", "memeriksa kabut"} {
		asked := at.Add(-time.Duration(20*(i+1)) * time.Minute)
		id := fmt.Sprintf("5f0c9a1d2e4b5a%02x", i)
		_, err := s.st.AddOrder(context.Background(), store.Order{ID: id, Device: "kiosk-7", Name: report.OrderSnapshot, Subject: "gate", Who: "Sari Wulandari", Reason: reason, Asked: asked, Expires: asked.Add(10 * time.Minute)},
			func(uint64) ([]byte, error) { return []byte("note"), nil })
		if err != nil {
			s.t.Fatal(err)
		}
		seq := 200 + uint64(2*i)
		rec := report.Snapshot{ID: id, Stream: "gate", Who: "Sari Wulandari", Reason: reason, Format: "jpeg", Width: 640, Height: 360, TakenAt: asked, Size: len(shot), SHA256: report.Hash(sha256.Sum256(shot)), Pieces: len(report.CutSnapshot(id, shot))}
		s.batch("kiosk-7", report.Event, seq, seq+2, asked, s.record("kiosk-7", report.Event, seq, asked, report.ClockSynced, report.KindSnapshot, rec),
			s.record("kiosk-7", report.Event, seq+1, asked, report.ClockSynced, report.KindCommand, report.CommandResult{ID: id, Name: report.OrderSnapshot, State: report.CommandSucceeded}))
		for n, p := range report.CutSnapshot(id, shot) {
			if i == 0 || n > 0 {
				seq := 300 + uint64(100*i+n)
				s.batch("kiosk-7", report.Telemetry, seq, seq+1, asked, s.record("kiosk-7", report.Telemetry, seq, asked, report.ClockSynced, report.KindSnapshotPiece, p))
			}
		}
	}
	if _, err := s.st.Upkeep(context.Background(), at, 7*24*time.Hour); err != nil {
		s.t.Fatal(err)
	}
}

// picture is a JPEG of several pieces.
func picture() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 640, 360))
	for y := range 360 {
		for x := range 640 {
			img.Set(x, y, color.RGBA{uint8(40 + y/3 + (x*y)%17), uint8(90 + y/4 + (x^y)%13), uint8(150 - y/4 + x%11), 255})
		}
	}
	var b bytes.Buffer
	_ = jpeg.Encode(&b, img, &jpeg.Options{Quality: 85}) // to memory
	return b.Bytes()
}
