package statuspage

import (
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
)

// TestRows: what is on the page is in a terminal, too, in both languages, what is
// wrong first and marked.
func TestRows(t *testing.T) {
	volts := 4.7
	s := Status{
		Version: "1.2.3", Board: "sim", Clock: report.ClockUnset, Mirror: "read-only",
		Link:    Link{Broker: "b:1883", Error: "connection refused"},
		Lanes:   []Lane{{Name: report.Complaint, Waiting: 3, Used: 1 << 20, Quota: 8 << 20, Error: "input/output error"}},
		Streams: []Stream{{StreamState: report.StreamState{Name: "gate", State: "failed", Class: "auth"}}, {StreamState: report.StreamState{Name: "hall", State: "playing"}, FPS: 25, BitsPerS: 2_000_000}},
		Lines:   []Line{{Name: "road", Kind: "button", State: "ok", Active: true}, {Name: "door", Kind: "door", State: "busy", Detail: "by gpioset"}},
		Sensors: []Sensor{{Name: "ups", Volts: &volts}},
		Alarms:  []report.Alarm{{Source: "stream/gate", Severity: report.Major, Text: report.Text{ID: "Kamera mati", EN: "A camera is dead"}}},
		Config:  ConfigState{File: "k.yaml", From: "page", TrialMS: time.Minute.Milliseconds(), NeedsRestart: []string{"spool"}, Outcome: "no centre", Wrong: []Problem{{3, 4, "page.listen", "no address"}}},
	}
	for english, want := range map[bool]string{
		false: `fail Keadaan: tidak tersambung ke pusat
fail Keadaan: penyimpanan Pengaduan: input/output error
fail Keadaan: kamera gate: GAGAL
fail Keadaan: jam belum disetel
fail Pusat: TERPUTUS b:1883 connection refused
fail Pengaduan: 3 menunggu, 1.0 MiB / 8.0 MiB input/output error
fail Cermin penyimpanan:: read-only
fail kamera gate: GAGAL: nama pengguna atau kata sandi salah
ok kamera hall: menyiarkan, 25 fps, 2000 kbit/s
ok tombol road: DITEKAN / AKTIF
fail pintu door: DIPAKAI PROGRAM LAIN by gpioset
ok sensor ups: 4.7 V
fail BESAR: stream/gate: Kamera mati
 Konfigurasi: Dipakai: halaman ini k.yaml
warn Konfigurasi: Percobaan: kembali ke yang lama dalam 1m0s bila pusat tidak terjangkau dan Anda tidak memilih Pertahankan.
warn Konfigurasi: Baru berlaku setelah mulai ulang: spool
fail Konfigurasi: Yang terakhir dicoba dibatalkan: no centre
fail Konfigurasi: Berkas di perangkat diubah dan tidak dipakai: baris 3, kolom 4: page.listen: no address`,
		true: `fail State: no link to the centre
fail State: store Complaints: input/output error
fail State: camera gate: FAILED
fail State: the clock is not set
fail Centre: NOT CONNECTED b:1883 connection refused
fail Complaints: 3 waiting, 1.0 MiB / 8.0 MiB input/output error
fail Mirror of the store:: read-only
fail camera gate: FAILED: wrong user name or password
ok camera hall: plays, 25 fps, 2000 kbit/s
ok button road: PRESSED / ACTIVE
fail door door: USED BY ANOTHER PROGRAM by gpioset
ok sensor ups: 4.7 V
fail MAJOR: stream/gate: A camera is dead
 Configuration: In use: this page k.yaml
warn Configuration: On trial: the old one comes back in 1m0s unless the centre is reached or you choose Keep it.
warn Configuration: Counts after a restart only: spool
fail Configuration: The last one tried was undone: no centre
fail Configuration: The file on the device was changed and is not used: line 3, column 4: page.listen: no address`,
	} {
		var got []string
		for _, r := range s.Rows(english) {
			got = append(got, r.Mark+" "+r.Name+": "+r.Text)
		}
		if text := strings.Join(got[:len(got)-2], "\n"); text != strings.ReplaceAll(want, "::", ":") {
			t.Errorf("english %v:\n%s", english, text)
		}
	}
	var none Status
	none.Link.Connected, none.Clock = true, report.ClockSynced
	if first := none.Rows(true)[0]; first != (Row{"ok", "State", "All is well."}) {
		t.Errorf("nothing is wrong: %+v", first)
	}
}
