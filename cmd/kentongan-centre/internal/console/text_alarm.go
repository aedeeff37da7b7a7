package console

import "maps"

// texts are all words of the pages: Indonesian, English.
var texts = joined(pageTexts, alarmTexts, appTexts)

func joined(all ...map[string][2]string) map[string][2]string {
	out := map[string][2]string{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

// alarmTexts are the words of alarms, orders and pictures.
var alarmTexts = map[string][2]string{
	"alarms":       {"Alarm", "Alarms"},
	"alarmintro":   {"Yang merah sekarang, sejak kapan, sebabnya dan langkahnya. Satu penyebab menjadi satu alarm: kamera di belakang sakelar yang mati tidak ditampilkan satu per satu.", "What is red now, since when, why, and what to do. One cause is one alarm: cameras behind a dead switch do not stand here one by one."},
	"noalarms":     {"Tidak ada alarm.", "No alarms."},
	"noended":      {"Belum ada alarm yang selesai.", "No alarm has ended yet."},
	"endedalarms":  {"Selesai belum lama ini", "Ended lately"},
	"activealarms": {"Sekarang", "Now"},
	"unacked":      {"belum ditangani", "not taken by anybody"},
	"falserate":    {"Alarm palsu", "False alarms"},
	"falserate2":   {"per 1.000 hari-kamera", "per 1,000 camera-days"},
	"falsenone":    {"belum cukup lama diamati", "not watched for long enough"},
	"camdays":      {"hari-kamera", "camera-days"},
	"deviceaway":   {"Perangkat luring: begini keadaannya terakhir kali.", "The device is offline: this is how it was last."},
	"explains":     {"Menjelaskan", "Explains"},
	"others":       {"lainnya", "others"},
	"certainty":    {"keyakinan", "confidence"},
	"andmore":      {"dan lainnya", "and more"},
	"onlyset":      {"Rinciannya belum tiba.", "Its details have not arrived yet."},

	"sev.critical": {"kritis", "critical"},
	"sev.major":    {"berat", "major"},
	"sev.minor":    {"ringan", "minor"},
	"sev.warning":  {"peringatan", "warning"},

	"astate.raised":       {"baru", "new"},
	"astate.acknowledged": {"ditangani", "taken"},
	"astate.flapping":     {"hilang-timbul", "comes and goes"},
	"astate.hidden":       {"dijelaskan alarm lain", "explained by another"},
	"astate.cleared":      {"selesai", "over"},
	"astate.false":        {"alarm palsu", "false alarm"},

	"cause.camera":      {"Kamera", "Camera"},
	"cause.power":       {"Listrik", "Power"},
	"cause.network":     {"Jaringan", "Network"},
	"cause.credentials": {"Nama pengguna atau sandi", "User name or password"},
	"cause.board":       {"Perangkat kita sendiri", "Our own device"},

	"source.stream": {"kamera", "camera"},
	"source.app":    {"aplikasi", "application"},
	"source.group":  {"kelompok", "group"},
	"source.device": {"perangkat", "device"},
	"source.sensor": {"sensor", "sensor"},

	"ack":          {"Tangani atau nyatakan palsu", "Take it, or call it false"},
	"ackgo":        {"Saya tangani", "I take it"},
	"falsego":      {"Alarm palsu", "False alarm"},
	"who":          {"Nama Anda", "Your name"},
	"whohint":      {"Dicatat. Pusat ini belum mempunyai akun: nama yang ditulis dipercaya.", "It is recorded. This centre has no accounts yet: the name is believed as it is written."},
	"note":         {"Catatan", "Note"},
	"ackwaits":     {"Dikirim ke perangkat, jawabannya ditunggu", "Sent to the device, its answer is awaited"},
	"ackoffline":   {"Menunggu perangkat daring", "Waits for the device to come online"},
	"by":           {"oleh", "by"},
	"err.who":      {"Nama Anda kosong. Siapa yang memerintah selalu dicatat; kembali dan isilah.", "Your name is empty. Who orders is always recorded; go back and write it."},
	"err.reason":   {"Alasannya kosong. Mengapa gambar diminta selalu dicatat; kembali dan isilah.", "The reason is empty. Why a picture is asked for is always recorded; go back and write it."},
	"err.many":     {"Terlalu banyak perintah menunggu untuk perangkat ini. Tunggu jawabannya, atau sampai waktunya habis.", "Too many orders wait for this device already. Wait for its answers, or until they expire."},
	"err.form":     {"Isian ini tidak dapat dibaca.", "This form could not be read."},
	"err.noalarm":  {"Alarm itu tidak ada di sini.", "There is no such alarm here."},
	"err.nostream": {"Perangkat ini tidak mempunyai kamera bernama itu.", "This device has no camera of that name."},
	"err.nopic":    {"Gambar itu tidak ada di sini, atau tidak ada lagi.", "That picture is not here, or not any more."},
	"notdone":      {"Tidak dilakukan", "Not done"},

	"stream":             {"Kamera", "Camera"},
	"verdict":            {"Penilaian gambar", "What the picture shows"},
	"pic.good":           {"Gambar diperiksa, tidak ada kelainan", "The picture is checked, and nothing is wrong with it"},
	"pic.unknown":        {"Perangkat belum mengatakan apa pun tentang gambarnya.", "The device has not said anything of the picture yet."},
	"pic.not":            {"Gambar tidak diperiksa", "The picture is not checked"},
	"pic.looked":         {"Terakhir dilihat", "Looked at last"},
	"pic.night":          {"malam", "night"},
	"pic.colour_cast":    {"warna condong", "colour cast"},
	"picwhy.off":         {"dimatikan di konfigurasi", "switched off in the configuration"},
	"picwhy.no_decoder":  {"tidak ada ffmpeg di perangkat", "there is no ffmpeg on the device"},
	"picwhy.decoder":     {"pembaca gambar sedang gagal", "the decoder fails at the moment"},
	"picwhy.quarantine":  {"gambar kamera ini merusak pembaca gambar", "this camera's pictures broke the decoder"},
	"picwhy.no_keyframe": {"tidak ada gambar kunci yang utuh", "no keyframe came whole"},
	"picwhy.too_large":   {"gambar kuncinya terlalu besar", "its keyframes are too large"},
	"cond.frozen":        {"membeku", "frozen"},
	"cond.black":         {"hitam", "black"},
	"cond.white":         {"putih", "white"},
	"cond.covered":       {"tertutup", "covered"},
	"cond.blurred":       {"kabur", "blurred"},
	"cond.moved":         {"bergeser", "moved"},
	"cond.garbage":       {"rusak", "damaged"},

	"pictures":        {"Gambar yang diminta", "Pictures that were asked for"},
	"nopictures":      {"Belum ada gambar yang diminta dari kamera ini.", "No picture was asked for of this camera yet."},
	"ask":             {"Minta gambar", "Ask for a picture"},
	"askgo":           {"Minta gambar", "Ask for a picture"},
	"askintro":        {"Gambar hanya meninggalkan lokasi atas perintah. Siapa yang meminta dan alasannya dicatat di sini dan di perangkat; bagian yang dirahasiakan ditutup sebelum dikirim.", "A picture leaves the site on an order only. Who asked and why is recorded here and on the device; parts that are private are painted over before it leaves."},
	"reason":          {"Alasan", "Reason"},
	"reasonhint":      {"laporan warga 0007-0001-S", "report 0007-0001-S"},
	"keptfor":         {"Dihapus sendiri setelah", "Erased by itself after"},
	"erase":           {"Hapus gambar", "Erase picture"},
	"erasego":         {"Hapus", "Erase"},
	"taken":           {"Diambil", "Taken"},
	"askedby":         {"Diminta", "Asked for"},
	"pieces":          {"potongan", "pieces"},
	"openpic":         {"Buka ukuran penuh", "Open in full size"},
	"downloadpic":     {"Unduh MP4", "Download the MP4"},
	"picalt":          {"Gambar kamera", "Picture of camera"},
	"orders":          {"Perintah terbaru", "Newest orders"},
	"noorders":        {"Belum ada perintah.", "No orders yet."},
	"order.snapshot":  {"Minta gambar", "Picture"},
	"order.ack-alarm": {"Tangani alarm", "Alarm taken"},

	"ostate.open":       {"menunggu jawaban", "awaits an answer"},
	"ostate.unanswered": {"tidak dijawab", "not answered"},
	"ostate.succeeded":  {"dilakukan", "done"},
	"ostate.failed":     {"gagal", "failed"},
	"ostate.rejected":   {"ditolak perangkat", "refused by the device"},
	"oreason.expired":   {"waktunya sudah habis menurut jam perangkat", "over by the device's clock"},
	"oreason.early":     {"belum waktunya menurut jam perangkat", "too early by the device's clock"},
	"oreason.clock":     {"jam perangkat belum disetel", "the device's clock is not set"},
	"oreason.unknown":   {"versi perangkat ini tidak mengenalnya", "this device's version does not know it"},
	"oreason.replay":    {"sudah pernah datang", "it came before"},
	"oreason.arguments": {"isinya tidak masuk akal baginya", "its arguments make no sense to it"},

	"pstate.waiting": {"sedang tiba", "arriving"},
	"pstate.whole":   {"utuh, cocok dengan catatan perangkat", "whole, and as the device recorded it"},
	"pstate.damaged": {"tidak cocok dengan catatan perangkat", "not what the device recorded"},
	"pstate.missing": {"ada potongan yang tidak datang; mintalah lagi", "pieces did not come; ask again"},
	"pstate.erased":  {"dihapus", "erased"},
	"pstate.expired": {"dihapus karena umurnya", "erased by its age"},

	"kind.alarm":    {"Alarm", "Alarm"},
	"kind.command":  {"Perintah", "Order"},
	"kind.snapshot": {"Gambar dikirim", "Picture sent"},
	"kind.stranger": {"Pesan yang bukan dari pusat ditolak", "A message that is not the centre's was refused"},
}
