package console

import (
	"slices"
	"strconv"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

func newestFirst(list []store.Order) {
	slices.SortStableFunc(list, func(a, b store.Order) int { return b.Asked.Compare(a.Asked) })
}

// updateText says how far a new version has come.
func updateText(lang string, u report.Update) string {
	number := ""
	if u.Number > 0 {
		number = " " + strconv.FormatUint(u.Number, 10)
	}
	why := ""
	if u.Code != "" {
		why = sayAfter(lang, "ucode", u.Code)
	}
	return join(say(lang, "kind.update")+number, u.Version, sayAfter(lang, "ustate", u.State), why, u.Detail)
}

// orderTexts are the words of orders to a device as a whole.
var orderTexts = map[string][2]string{
	"orders":       {"Perintah untuk perangkat", "Orders to the device"},
	"noorders":     {"Belum ada perintah.", "No orders yet."},
	"orderhint":    {"Perintah ditandatangani pusat dan dicatat beserta nama Anda. Perangkat yang luring menerimanya saat daring lagi, selama masih berlaku.", "An order is signed by the centre and kept with your name. A device that is offline gets it when it is back, while it still holds."},
	"o.identify":   {"Kedipkan lampu", "Blink its lamps"},
	"o.identify2":  {"Untuk menemukannya di antara perangkat lain di tempat itu.", "To find it among others at the place."},
	"o.seconds":    {"Selama (detik)", "For (seconds)"},
	"o.restart":    {"Mulai ulang agen", "Restart the agent"},
	"o.restart2":   {"Kamera tidak diamati selama beberapa detik. Pengaduan yang sudah tersimpan tidak hilang. Berlaku satu jam.", "Cameras are not watched for some seconds. Complaints that are stored are not lost. Holds for one hour."},
	"o.logs":       {"Minta log", "Fetch its log"},
	"o.logs2":      {"Baris terbaru dari log agen. Berlaku satu jam.", "The newest lines of the agent's log. Holds for one hour."},
	"o.profile":    {"Ambil profil program", "Profile the agent"},
	"o.profile2":   {"Untuk pengembang: ke mana waktu prosesor dan memori agen pergi. Perangkat menolak selama versi atau konfigurasi baru dicoba. Berlaku satu jam; dibuka dengan go tool pprof.", "For developers: where the agent's processor time and memory go. The device refuses while a new version or configuration is on trial. Holds for one hour; go tool pprof opens it."},
	"o.what":       {"Yang diukur", "What is measured"},
	"o.cpuseconds": {"Selama (detik, hanya prosesor)", "For (seconds, processor only)"},
	"o.config":     {"Ganti konfigurasi", "Change the configuration"},
	"o.config2":    {"Seluruh dokumen, bukan sebagian. Perangkat memeriksanya, mencobanya, dan kembali ke yang lama bila pusat tidak terjangkau dengannya. Berlaku satu jam.", "The whole document, not a part of it. The device checks it, tries it, and goes back to the old one if it can't reach the centre with it. Holds for one hour."},
	"o.text":       {"Konfigurasi (YAML)", "Configuration (YAML)"},
	"o.update":     {"Perbarui perangkat lunak", "Update the software"},
	"o.update2":    {"Perangkat memeriksa tanda tangan rilis dengan kunci yang tidak dimiliki pusat, mencobanya, dan kembali ke versi lama bila gagal. Berlaku 24 jam.", "The device verifies the release's signatures with keys that the centre does not have, tries it, and goes back to the old version if it fails. Holds for 24 hours."},
	"o.url":        {"Alamat rilis", "Address of the release"},
	"o.number":     {"Nomor rilis (kosong: yang terbaru)", "Number of the release (empty: the newest)"},
	"o.now":        {"Sekarang juga, di luar jam pembaruan", "Now, also outside the hours for updates"},
	"o.go":         {"Perintahkan", "Order it"},
	"logsof":       {"Log dan profil yang tiba", "Logs and profiles that came"},
	"c.release":    {"Nomor rilis", "Release number"},

	"err.seconds": {"Lamanya 1 sampai 600 detik.", "Between 1 and 600 seconds."},
	"err.profile": {"Pilih apa yang diukur; prosesor selama 1 sampai 30 detik.", "Choose what is measured; the processor for 1 to 30 seconds."},
	"err.config":  {"Konfigurasinya kosong atau lebih dari 12 KiB.", "The configuration is empty, or larger than 12 KiB."},
	"err.address": {"Itu bukan alamat rilis. Tulis https://HOST/JALUR, tanpa nama pengguna dan sandi.", "That is no address of a release. Write https://HOST/PATH, without a user name or password."},
	"err.number":  {"Nomor rilis adalah bilangan bulat, atau kosong.", "The number of a release is a whole number, or empty."},

	"order.restart":  {"Mulai ulang", "Restart"},
	"order.identify": {"Kedipkan lampu", "Blink"},
	"order.logs":     {"Minta log", "Log"},
	"order.profile":  {"Profil", "Profile"},
	"order.config":   {"Konfigurasi", "Configuration"},
	"order.update":   {"Pembaruan", "Update"},
	"order.keys":     {"Kunci pusat", "Keys of the centre"},

	"profile.cpu":       {"prosesor", "processor"},
	"profile.heap":      {"memori", "memory"},
	"profile.goroutine": {"goroutine", "goroutines"},

	"order.ticket-status": {"Status pengaduan", "Status of a complaint"},
	"kind.certificate":    {"Sertifikat perangkat", "The device's certificate"},

	"kind.config":    {"Konfigurasi di perangkat", "The device's configuration"},
	"cstate.applied": {"diubah dan berlaku", "changed, and counts"},
	"cstate.refused": {"salah, yang lama tetap berlaku", "not valid, the old one stays"},
	"cstate.line":    {"baris", "line"},
	"cstate.restart": {"baru berlaku setelah mulai ulang", "counts after a restart only"},

	"kind.update":      {"Rilis", "Release"},
	"ustate.fetched":   {"sudah diunduh", "was fetched"},
	"ustate.refused":   {"ditolak", "was refused"},
	"ustate.trying":    {"sedang dicoba", "is on trial"},
	"ustate.committed": {"terbukti baik", "is proven"},
	"ustate.went-back": {"gagal; kembali ke versi lama", "failed; the version before runs again"},
}
