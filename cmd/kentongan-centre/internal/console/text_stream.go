package console

import "kentongan/agent/report"

// recoveryText says what was done about a camera.
func recoveryText(lang string, r report.Recovery) string {
	return join(say(lang, "kind.recovery")+" "+r.Stream, sayAfter(lang, "recovery", r.Step), sayAfter(lang, "recovery", r.Result), r.Detail)
}

// streamTexts are the words of devices about cameras, orders and receipts.
var streamTexts = map[string][2]string{
	"kind.recovery": {"Pemulihan kamera", "Recovery of a camera"},
	"kind.receipt":  {"Tanda terima yang tidak cocok ditolak", "A receipt that does not fit was refused"},

	"recovery.reconnect":   {"menyambung ulang", "connects again"},
	"recovery.transport":   {"mencoba cara pengiriman lain", "tries another transport"},
	"recovery.reboot":      {"kamera dinyalakan ulang", "camera told to start again"},
	"recovery.power_cycle": {"listrik kamera diputus sejenak", "camera's power cut for a moment"},
	"recovery.begun":       {"dimulai", "begun"},
	"recovery.done":        {"dilakukan", "done"},
	"recovery.failed":      {"gagal", "failed"},
	"recovery.healed":      {"kamera pulih", "camera plays again"},

	"class.unreachable": {"tidak ada jalan ke jaringannya", "there is no way to its network"},

	"cond.down":    {"kamera tidak dapat dihubungi", "camera can't be reached"},
	"cond.silent":  {"kamera tersambung tanpa gambar", "camera connected, no picture"},
	"cond.lossy":   {"banyak paket hilang", "many packets are lost"},
	"cond.clock":   {"jam kamera salah", "camera's clock is wrong"},
	"cond.fps":     {"jumlah gambar per detik tidak sesuai", "frame rate not as configured"},
	"cond.bitrate": {"laju data tidak sesuai", "bit rate not as configured"},
	"cond.gop":     {"jarak gambar kunci tidak sesuai", "keyframe interval not as configured"},
	"cond.codec":   {"jenis gambar tidak sesuai", "codec not as configured"},
	"cond.size":    {"ukuran gambar tidak sesuai", "size of the picture not as configured"},

	"pic.cast":       {"warna condong", "colour cast"},
	"pic.still":      {"tidak ada yang bergerak, jadi gambar beku tidak dapat dikenali", "nothing moves, so a frozen picture could not be told"},
	"pic.rate_drop":  {"laju data turun", "bit rate has fallen"},
	"picwhy.not_yet": {"segera dilihat untuk pertama kali", "the first look comes soon"},

	"oreason.forged":    {"tanda tangannya tidak cocok", "its signature does not fit"},
	"oreason.key":       {"ditandatangani oleh yang tidak dikenal perangkat", "signed by nobody that the device knows"},
	"oreason.malformed": {"bukan perintah", "it is no order"},
	"oreason.large":     {"terlalu besar", "it is too large"},
	"oreason.device":    {"untuk perangkat atau perintah lain", "it is for another device or command"},
	"oreason.life":      {"masa berlakunya terlalu lama", "it would hold for too long"},
}
