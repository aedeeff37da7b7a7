package statuspage

import (
	"net/http"
	"strings"

	"kentongan/agent/report"
)

// lang is the page's language.
type lang string

const (
	indonesian lang = "id"
	english    lang = "en"
)

// language is what a request asks for: by its address, the choice of before, or
// the browser's.
func language(r *http.Request) lang {
	if l := lang(r.URL.Query().Get("lang")); l == indonesian || l == english {
		return l
	}
	if c, err := r.Cookie("lang"); err == nil && lang(c.Value) == english {
		return english
	} else if err == nil {
		return indonesian
	}
	if strings.HasPrefix(r.Header.Get("Accept-Language"), "en") {
		return english
	}
	return indonesian
}

// t is a text. A key that there is not is shown as it is; a test looks for those.
func (l lang) t(key string) string {
	two, ok := texts[key]
	switch {
	case !ok:
		return key
	case l == english:
		return two[1]
	}
	return two[0]
}

func (l lang) of(t report.Text) string {
	if l == english && t.EN != "" || t.ID == "" {
		return t.EN
	}
	return t.ID
}

// word is the text of a state or class, or the word itself where none is known.
func (l lang) word(group, word string) string {
	if _, ok := texts[group+"."+word]; ok {
		return l.t(group + "." + word)
	}
	return word
}

// texts are Indonesian and English.
var texts = map[string][2]string{
	"title":       {"Halaman teknisi", "Technician's page"},
	"skip":        {"Langsung ke isi", "Skip to the content"},
	"languages":   {"Bahasa", "Language"},
	"enter":       {"Masuk", "Enter"},
	"enter.hint":  {"Ketik kode yang dicetak perangkat. Di konsol atau SSH perangkat: sudo kentongan pair", "Type the code that the device prints. On its console or by SSH: sudo kentongan pair"},
	"enter.code":  {"Kode", "Code"},
	"enter.print": {"Peramban memperingatkan karena perangkat membuat sertifikatnya sendiri. Cocokkan sidik jari SHA-256 di peramban dengan yang dicetak di samping kode sebelum mengetik kode.", "The browser warns because the device made its certificate itself. Compare the SHA-256 fingerprint in the browser with the one printed beside the code before you type the code."},
	"leave":       {"Keluar", "Leave"},
	"noscript":    {"Tanpa JavaScript halaman ini dimuat ulang setiap 10 detik; tombol di bawah memerlukan JavaScript.", "Without JavaScript this page loads itself anew every 10 seconds; the buttons below need JavaScript."},
	"stale":       {"Data basi: perangkat tidak menjawab. Dicoba lagi.", "Stale: the device does not answer. Trying again."},

	"row.state":  {"Keadaan", "State"},
	"row.link":   {"Pusat", "Centre"},
	"good":       {"Semua baik.", "All is well."},
	"look":       {"Perlu dilihat:", "To be looked at:"},
	"alarms":     {"Alarm", "Alarms"},
	"none":       {"Tidak ada.", "None."},
	"since":      {"sejak", "since"},
	"next":       {"Langkah:", "What to do:"},
	"detail":     {"Rincian", "Detail"},
	"link":       {"Jalur ke pusat", "Link to the centre"},
	"spool":      {"Antrean di perangkat", "Waiting on the device"},
	"waiting":    {"menunggu", "waiting"},
	"streams":    {"Kamera", "Cameras"},
	"lines":      {"Tombol dan kontak", "Buttons and contacts"},
	"lines.hint": {"Sentuh tombol: barisnya berubah seketika.", "Touch a button: its row changes at once."},
	"sensors":    {"Sensor", "Sensors"},
	"machine":    {"Perangkat", "Device"},
	"picture":    {"Lihat gambar", "Show picture"},
	"picture.of": {"Gambar kamera", "Picture of camera"},
	"taken":      {"Diambil", "Taken"},
	"masked":     {"Gambar tidak ditampilkan: page.pictures tidak diizinkan dalam konfigurasi.", "No picture: page.pictures is not allowed in the configuration."},

	"identify":       {"Kedipkan lampu perangkat", "Blink the device's lamp"},
	"identified":     {"Berkedip 30 detik:", "Blinks for 30 seconds:"},
	"tools":          {"Alat", "Tools"},
	"doctor":         {"Pemeriksaan (doctor)", "Checks (doctor)"},
	"doctor.run":     {"Jalankan pemeriksaan", "Run the checks"},
	"doctor.works":   {"Memeriksa…", "Checking…"},
	"doctor.done":    {"Pemeriksaan selesai.", "All checks are done."},
	"log":            {"Log terbaru", "Newest log"},
	"log.show":       {"Tampilkan log", "Show the log"},
	"config":         {"Konfigurasi", "Configuration"},
	"config.load":    {"Buka konfigurasi", "Open the configuration"},
	"config.text":    {"Isi konfigurasi (rahasia tampil sebagai xxxxx dan tetap berlaku)", "Text of the configuration (secrets show as xxxxx and stay)"},
	"config.check":   {"Periksa", "Check"},
	"config.apply":   {"Terapkan", "Apply"},
	"config.keep":    {"Pertahankan", "Keep it"},
	"config.from":    {"Dipakai:", "In use:"},
	"config.trial":   {"Percobaan: kembali ke yang lama dalam {t} bila pusat tidak terjangkau dan Anda tidak memilih Pertahankan.", "On trial: the old one comes back in {t} unless the centre is reached or you choose Keep it."},
	"config.undone":  {"Yang terakhir dicoba dibatalkan:", "The last one tried was undone:"},
	"config.wrong":   {"Berkas di perangkat diubah dan tidak dipakai:", "The file on the device was changed and is not used:"},
	"config.restart": {"Baru berlaku setelah mulai ulang:", "Counts after a restart only:"},
	"from.file":      {"berkas", "the file"},
	"from.centre":    {"perintah pusat", "the centre's order"},
	"from.page":      {"halaman ini", "this page"},
	"checked":        {"Benar. Belum diterapkan.", "It is right. It is not applied yet."},
	"applied":        {"Diterapkan sebagai percobaan. Agen mulai ulang dan halaman ini tersambung lagi sendiri.", "Applied, on trial. The agent starts anew and this page comes back by itself."},
	"kept":           {"Konfigurasi ini dipertahankan.", "This configuration stays."},
	"line":           {"baris", "line"},
	"column":         {"kolom", "column"},

	"version": {"Versi", "Version"}, "board": {"Papan", "Board"}, "clock": {"Jam", "Clock"}, "uptime": {"Hidup", "Up"},
	"memory": {"Memori agen", "Agent's memory"}, "disk": {"Sisa disk", "Disk free"}, "heat": {"Suhu", "Temperature"}, "load": {"Beban", "Load"},
	"clock.synced": {"disetel oleh layanan waktu", "kept by a time service"}, "clock.estimated": {"perkiraan", "estimated"}, "clock.unset": {"BELUM DISETEL", "NOT SET"},
	"up": {"tersambung", "connected"}, "down": {"TERPUTUS", "NOT CONNECTED"}, "sent": {"terkirim", "sent"}, "try": {"dicoba lagi", "tried again"},
	"active": {"DITEKAN / AKTIF", "PRESSED / ACTIVE"}, "idle": {"lepas", "idle"}, "changes": {"perubahan", "changes"},
	"mirror": {"Cermin penyimpanan:", "Mirror of the store:"}, "keyframes": {"keyframe tiap", "keyframe every"},

	"lane.complaint": {"Pengaduan", "Complaints"}, "lane.event": {"Kejadian", "Events"}, "lane.telemetry": {"Pengukuran", "Measurements"},
	"look.link": {"tidak tersambung ke pusat", "no link to the centre"}, "look.stream": {"kamera", "camera"}, "look.kiosk": {"kios", "kiosk"}, "look.lane": {"penyimpanan", "store"}, "look.clock": {"jam belum disetel", "the clock is not set"},

	"stream.playing": {"menyiarkan", "plays"}, "stream.silent": {"TANPA GAMBAR", "NO PICTURE"}, "stream.failed": {"GAGAL", "FAILED"},
	"stream.resolving": {"mencari alamat", "looks for its address"}, "stream.connecting": {"menyambung", "connects"}, "stream.authenticating": {"masuk", "logs in"}, "stream.negotiating": {"menyepakati", "negotiates"},
	"class.dns": {"nama tidak dikenal; periksa url atau DNS", "its name is not known; look at url or the DNS"}, "class.refused": {"tidak ada yang menjawab di porta itu; periksa porta dan layanan RTSP kamera", "nobody listens there; look at the port and the camera's RTSP service"},
	"class.unreachable": {"tidak ada jalan ke jaringan itu; periksa alamat, kabel dan subnet", "no way to that network; look at address, cable and subnet"}, "class.timeout": {"tidak menjawab; periksa daya, kabel dan alamat", "no answer; look at power, cable and address"},
	"class.tls": {"sertifikat atau TLS salah; periksa ca atau fingerprint", "certificate or TLS is wrong; look at ca or fingerprint"}, "class.auth": {"nama pengguna atau kata sandi salah", "wrong user name or password"},
	"class.not_found": {"jalur tidak ada; periksa bagian akhir url", "no such path; look at the end of url"}, "class.codec": {"codec tidak dapat diukur; pilih H.264, H.265 atau MJPEG", "no codec that can be measured; choose H.264, H.265 or MJPEG"},
	"class.no_media": {"tersambung, tetapi gambar tidak datang; coba transport: tcp", "connected, but no picture comes; try transport: tcp"}, "class.protocol": {"kamera tidak berbicara RTSP dengan benar; mulai ulang kamera", "the camera does not speak RTSP as it should; restart it"}, "class.closed": {"kamera memutus sambungan; mungkin terlalu banyak penonton", "the camera ended the connection; perhaps too many watch it"},
	"found.frozen": {"gambar beku", "frozen"}, "found.black": {"gambar hitam", "black"}, "found.white": {"gambar putih", "white"}, "found.covered": {"tertutup", "covered"}, "found.blurred": {"kabur", "blurred"}, "found.moved": {"bergeser", "moved"}, "found.garbage": {"gambar rusak", "broken picture"},
	"line.missing": {"TIDAK ADA", "MISSING"}, "line.busy": {"DIPAKAI PROGRAM LAIN", "USED BY ANOTHER PROGRAM"}, "line.refused": {"DITOLAK", "REFUSED"}, "line.stuck": {"MACET", "STUCK"}, "line.noisy": {"BERISIK", "NOISY"}, "line.lost": {"PERUBAHAN HILANG", "CHANGES LOST"},
	"kind.button": {"tombol", "button"}, "kind.mains": {"listrik", "mains"}, "kind.ups": {"UPS", "UPS"}, "kind.door": {"pintu", "door"}, "kind.water": {"air", "water"}, "kind.motion": {"gerak", "motion"}, "kind.tamper": {"sabotase", "tamper"}, "kind.other": {"kontak", "contact"},
	"severity.critical": {"KRITIS", "CRITICAL"}, "severity.major": {"BESAR", "MAJOR"}, "severity.minor": {"KECIL", "MINOR"}, "severity.warning": {"PERINGATAN", "WARNING"},
	"check.ok": {"baik", "good"}, "check.warn": {"perhatian", "attention"}, "check.fail": {"gagal", "failed"}, "check.skipped": {"dilewati", "skipped"},

	"err.over": {"Sesi berakhir; masuk lagi dengan kode baru.", "Your session is over; enter again with a new code."}, "err.form": {"Permintaan tidak terbaca atau terlalu besar.", "The request can't be read, or is too large."},
	"err.wrong": {"Kode salah atau sudah habis. Minta yang baru: sudo kentongan pair", "Wrong code, or it is over. Get a new one: sudo kentongan pair"}, "err.guesses": {"Terlalu banyak kode salah. Tunggu lima menit.", "Too many wrong codes. Wait five minutes."},
	"err.failed": {"Perangkat tidak dapat menyimpan sesi; periksa disknya.", "The device can't keep the session; look at its disk."}, "err.busy": {"Sedang dikerjakan untuk orang lain; coba lagi sebentar.", "It is being done for somebody else; try again in a moment."},
	"err.identify": {"Tidak dapat berkedip.", "It can't blink."}, "err.picture": {"Tidak ada gambar.", "There is no picture."}, "err.doctor": {"Pemeriksaan berhenti.", "The checks ended early."},
	"err.config": {"Konfigurasi tidak dapat dibaca atau diterapkan.", "The configuration can't be read or applied."}, "err.problems": {"Belum benar; yang lama tetap dipakai.", "Not right yet; the old one stays."}, "err.changed": {"Konfigurasi sudah berubah; buka lagi.", "The configuration has changed meanwhile; open it again."},
	"err.keep": {"Tidak ada percobaan yang dapat dipertahankan.", "There is no trial to keep."}, "err.gone": {"Perangkat tidak menjawab.", "The device does not answer."},
}
