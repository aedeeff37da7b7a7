package alarm

import (
	"time"

	"kentongan/agent/report"
)

// Kiosk is the source kiosk: there is one on a device.
const Kiosk Kind = "kiosk"

// kioskRows are the conditions of a kiosk. A disk that was slow once, or a button
// that somebody leaned on, is over before an operator could look.
var kioskRows = []Condition{
	{
		Kind: Kiosk, Name: "out_of_service", Severity: report.Critical, Raise: 10 * time.Second, Clear: 10 * time.Second, Hides: []string{"button", "self_test"},
		Text:   report.Text{ID: "Kios tidak melayani: pengaduan tidak tersimpan", EN: "Kiosk out of service: complaints are not kept"},
		Action: report.Text{ID: "Periksa kartu SD, jalur tombol dan lampu kios itu; warga melihat lampu merah.", EN: "Check that kiosk's SD card, button lines and lamps; citizens see red."},
	},
	{
		Kind: Kiosk, Name: "button", Severity: report.Major, Raise: 10 * time.Second, Clear: 10 * time.Second,
		Text:   report.Text{ID: "Sebagian tombol kios rusak", EN: "Some buttons of the kiosk are out of order"},
		Action: report.Text{ID: "Lihat tombol mana di halaman perangkat; periksa kabel, tombol macet atau basah.", EN: "See which on the device's page; look for a cut wire, a stuck or a wet button."},
	},
	{
		Kind: Kiosk, Name: "printer", Severity: report.Minor, Raise: time.Minute, Clear: 10 * time.Second,
		Text:   report.Text{ID: "Pencetak kios tidak mencetak", EN: "The kiosk's printer does not print"},
		Action: report.Text{ID: "Isi kertas, tutup penutupnya, periksa kabel dan daya pencetak.", EN: "Put paper in, close the cover, check the printer's cable and power."},
	},
	{
		Kind: Kiosk, Name: "self_test", Severity: report.Minor,
		Text:   report.Text{ID: "Uji harian kios gagal", EN: "The kiosk's daily self-test failed"},
		Action: report.Text{ID: "Lihat bagian yang gagal di catatan perangkat; uji diulang besok.", EN: "See which part failed in the device's records; the test is repeated tomorrow."},
	},
}
