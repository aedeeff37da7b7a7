package console

// appTexts are the words of applications.
var appTexts = map[string][2]string{
	"apps":       {"Aplikasi", "Applications"},
	"appintro":   {"Layanan publik dilihat dari tempat warga berdiri: setiap perangkat di lapangan memeriksanya sendiri.", "The public services, seen from where citizens stand: every device in the field looks for itself."},
	"noapps":     {"Belum ada perangkat yang memeriksa aplikasi. Tambahkan apps di konfigurasinya.", "No device looks at applications yet. Add apps to its configuration."},
	"noappshere": {"Perangkat ini tidak memeriksa aplikasi.", "This device looks at no applications."},
	"app.reach":  {"tempat dapat memakainya", "places can use it"},
	"app.place":  {"Tempat", "Place"},
	"app.cert":   {"Sertifikat", "Certificate"},
	"app.took":   {"Waktu jawab", "Answer took"},
	"app.days":   {"hari lagi", "days left"},
	"app.over":   {"hari lewat", "days over"},
	"app.more":   {"tempat lainnya; API menyebut semuanya", "more places; the API names them all"},
	"c.app":      {"Aplikasi", "Application"},

	"state.slow":        {"lambat", "slow"},
	"state.wrong":       {"jawaban keliru", "wrong answer"},
	"state.unreachable": {"tak terjangkau", "unreachable"},
	"state.checking":    {"sedang diperiksa", "being checked"},

	"appclass.dns":         {"namanya tidak ditemukan", "its name is not found"},
	"appclass.refused":     {"peladen menolak sambungan", "the server refuses the connection"},
	"appclass.unreachable": {"tidak ada jalan ke peladennya", "there is no way to its server"},
	"appclass.timeout":     {"tidak menjawab pada waktunya", "no answer in time"},
	"appclass.tls":         {"sertifikat atau sambungan aman bermasalah", "its certificate or secure connection is bad"},
	"appclass.closed":      {"sambungan diputus sebelum dijawab", "the connection ended before an answer"},
	"appclass.protocol":    {"yang menjawab bukan peladen web", "what answers is no web server"},
	"appclass.redirect":    {"dialihkan ke tempat yang tidak semestinya", "it leads to where it should not"},
	"appclass.status":      {"menjawab dengan kode galat", "it answers with an error"},
	"appclass.text":        {"halamannya bukan yang semestinya", "its page is not the right one"},
	"appclass.slow":        {"menjawab terlalu lama", "it takes too long"},

	"kind.app": {"Aplikasi", "Application"},
}
