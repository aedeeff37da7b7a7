package doctor

import (
	"strings"

	"kentongan/agent/report"
)

// Row is one thing that a check can find, in words. Braces stand for what was
// seen.
type Row struct {
	Cause string // CHECK.WHAT
	State State
	Seen  report.Text
	Next  report.Text // one sentence: what to do
}

// Check is the check that finds it.
func (r Row) Check() string { return r.Cause[:strings.LastIndexByte(r.Cause, '.')] }

// Title is the name of a check.
type Title struct {
	ID   string
	Name report.Text
}

// Titles are the checks, in the order in which they depend on one another.
func Titles() []Title { return titles }

// Rows are all causes, in the order of their checks.
func Rows() []Row {
	var all []Row
	for _, t := range titles {
		for i := range rows {
			if r := rows[i].row(); r.Check() == t.ID {
				all = append(all, r)
			}
		}
		all = append(all, rowOf(t.ID+hung))
	}
	return all
}

var titles = []Title{
	{"config", report.Text{ID: "Konfigurasi", EN: "Configuration"}},
	{"files", report.Text{ID: "Berkas", EN: "Files"}},
	{"board", report.Text{ID: "Papan", EN: "Board"}},
	{"power", report.Text{ID: "Daya", EN: "Power"}},
	{"memory", report.Text{ID: "Memori", EN: "Memory"}},
	{"time", report.Text{ID: "Jam", EN: "Clock"}},
	{"disk", report.Text{ID: "Penyimpanan", EN: "Disk"}},
	{"wear", report.Text{ID: "Kartu memori", EN: "Memory card"}},
	{"spool", report.Text{ID: "Antrean disk", EN: "Spool"}},
	{"line", report.Text{ID: "Jalur", EN: "Line"}},
	{"sensor", report.Text{ID: "Sensor", EN: "Sensor"}},
	{"network", report.Text{ID: "Jaringan", EN: "Network"}},
	{"route", report.Text{ID: "Rute", EN: "Route"}},
	{"dns", report.Text{ID: "DNS", EN: "DNS"}},
	{"broker.tcp", report.Text{ID: "Broker", EN: "Broker"}},
	{"mtu", report.Text{ID: "Ukuran paket", EN: "Packet size"}},
	{"identity", report.Text{ID: "Sertifikat", EN: "Certificate"}},
	{"broker.tls", report.Text{ID: "Broker TLS", EN: "Broker TLS"}},
	{"broker.login", report.Text{ID: "Broker masuk", EN: "Broker login"}},
	{"broker.acl", report.Text{ID: "Broker izin", EN: "Broker ACL"}},
	{"centre", report.Text{ID: "Pusat", EN: "Centre"}},
	{"camera", report.Text{ID: "Kamera", EN: "Camera"}},
	{"ffmpeg", report.Text{ID: "ffmpeg", EN: "ffmpeg"}},
	{"service", report.Text{ID: "Layanan", EN: "Service"}},
	{"update", report.Text{ID: "Versi", EN: "Version"}},
}

func titleOf(id, subject string) report.Text {
	name := report.Text{ID: id, EN: id}
	for _, t := range titles {
		if t.ID == id {
			name = t.Name
		}
	}
	if subject != "" {
		name.ID, name.EN = name.ID+" "+subject, name.EN+" "+subject
	}
	return name
}

// rowOf finds a row. A check that did not come back has one of its own, made
// here: it is the same for all.
func rowOf(cause string) Row {
	for i := range rows {
		if rows[i].cause == cause {
			return rows[i].row()
		}
	}
	if strings.HasSuffix(cause, hung) {
		return Row{
			cause, Fail,
			report.Text{ID: "tidak menjawab dalam 5 detik", EN: "no answer within 5 seconds"},
			report.Text{ID: "Periksa lagi sebentar kemudian; bila tetap begitu, nyalakan ulang papan dan lihat `dmesg`.", EN: "Try again in a while; if it stays so, restart the board and look at `dmesg`."},
		}
	}
	return Row{cause, Fail, report.Text{ID: cause, EN: cause}, report.Text{}} // a test holds that there is none
}

// entry is a row as it stands in the table: strings alone, so that the table is
// data of the program and not code that makes it at each start.
type entry struct {
	cause          string
	state          State
	seenID, seenEN string
	nextID, nextEN string
}

func (e *entry) row() Row {
	return Row{e.cause, e.state, report.Text{ID: e.seenID, EN: e.seenEN}, report.Text{ID: e.nextID, EN: e.nextEN}}
}

var rows = [...]entry{
	{"config.ok", OK, "{file}: perangkat {device}", "{file}: device {device}", "", ""},
	{"config.missing", Fail, "{file} tidak ada", "{file} is missing",
		"Buat dengan `sudo kentongan enrol`, atau mulai dari `kentongan config example kiosk`.",
		"Make it with `sudo kentongan enrol`, or begin with `kentongan config example kiosk`."},
	{"config.unreadable", Fail, "{detail}", "{detail}",
		"Jalankan dengan sudo: `sudo kentongan doctor`.",
		"Run it as root: `sudo kentongan doctor`."},
	{"config.invalid", Fail, "masalah: {count}; yang pertama: {problem}", "problems: {count}; the first: {problem}",
		"Perbaiki baris itu, lalu jalankan `kentongan config check {file}`.",
		"Mend that line, then run `kentongan config check {file}`."},
	{"files.ok", OK, "semua berkas yang disebut konfigurasi terbaca", "all files that the configuration names can be read", "", ""},
	{"files.unusable", Fail, "{problem}", "{problem}",
		"Sediakan berkas itu atau betulkan namanya, lalu jalankan `kentongan config check {file}`.",
		"Provide that file or correct its name, then run `kentongan config check {file}`."},

	{"board.ok", OK, "{board}", "{board}", "", ""},
	{"board.no_chip", Fail, "tidak ada chip GPIO di {dir}", "there is no GPIO chip in {dir}",
		"Pakai papan dan kernel yang punya GPIO, atau hapus tombol dan lampu dari konfigurasi.",
		"Use a board and a kernel with GPIO, or take buttons and lamps out of the configuration."},
	{"board.forbidden", Fail, "{detail}", "{detail}",
		"Jalankan dengan sudo; bila agen sendiri yang ditolak, masukkan penggunanya ke grup gpio.",
		"Run it as root; if the agent itself is refused, add its user to the group gpio."},

	{"power.ok", OK, "tegangan cukup, {temp}", "voltage is good, {temp}", "", ""},
	{"power.unknown", Skipped, "papan ini tidak melaporkan tegangannya; {temp}", "this board does not report its voltage; {temp}", "", ""},
	{"power.undervoltage", Fail, "tegangan kurang sekarang ({source})", "the voltage is too low now ({source})",
		"Pakai adaptor resmi 5,1 V dan kabel pendek yang tebal, dan lepas beban USB.",
		"Use the official 5.1 V supply and a short, thick cable, and unplug USB loads."},
	{"power.throttled", Fail, "prosesor diperlambat sekarang karena panas ({temp})", "the processor is slowed down now by heat ({temp})",
		"Beri ventilasi atau naungan pada kotak, lalu periksa lagi.",
		"Give the box air or shade, then check again."},
	{"power.was_low", Warn, "tegangan pernah kurang sejak papan menyala ({source})", "the voltage was too low since the board started ({source})",
		"Ganti adaptor atau kabel daya sebelum kartu memori rusak karenanya.",
		"Replace the supply or its cable before it damages the memory card."},
	{"power.was_hot", Warn, "prosesor pernah diperlambat karena panas ({temp})", "the processor was slowed down by heat ({temp})",
		"Periksa ventilasi dan sinar matahari pada kotak.",
		"Look at the box's ventilation and at the sun on it."},

	{"memory.ok", OK, "{free} dari {total} bebas", "{free} of {total} free", "", ""},
	{"memory.low", Fail, "hanya {free} dari {total} bebas", "only {free} of {total} free",
		"Hentikan program yang memakan memori (`ps aux --sort=-rss | head`), lalu `sudo kentongan restart`.",
		"End the program that takes the memory (`ps aux --sort=-rss | head`), then `sudo kentongan restart`."},

	{"time.ok", OK, "{now}, dijaga layanan waktu", "{now}, kept by a time service", "", ""},
	{"time.unset", Fail, "{now}: jam belum disetel sejak papan menyala", "{now}: the clock was not set since power on",
		"Sambungkan jaringan agar NTP menyetelnya, atau setel sendiri: `sudo date -s '2026-12-31 23:59'`.",
		"Connect the network so that NTP sets it, or set it yourself: `sudo date -s '2026-12-31 23:59'`."},
	{"time.behind", Fail, "{now}, padahal sudah pernah {known}", "{now}, but it has been {known} already",
		"Aktifkan layanan waktu (`sudo timedatectl set-ntp true`) dan periksa apakah NTP diizinkan jaringan.",
		"Switch the time service on (`sudo timedatectl set-ntp true`) and see that the network lets NTP through."},
	{"time.off", Fail, "{now}, selisih {off} dari jam {source}", "{now}, {off} from the clock of {source}",
		"Aktifkan layanan waktu (`sudo timedatectl set-ntp true`) dan periksa apakah NTP diizinkan jaringan.",
		"Switch the time service on (`sudo timedatectl set-ntp true`) and see that the network lets NTP through."},
	{"time.alone", Warn, "{now}, tetapi tidak ada layanan waktu yang menjaganya", "{now}, but no time service keeps it",
		"Aktifkan layanan waktu: `sudo timedatectl set-ntp true`.",
		"Switch the time service on: `sudo timedatectl set-ntp true`."},

	{"disk.ok", OK, "{free} dari {total} bebas", "{free} of {total} free", "", ""},
	{"disk.missing", Fail, "{dir} tidak ada", "{dir} is missing",
		"Buat direktorinya dengan `sudo kentongan install`, atau pasang penyimpanannya.",
		"Make the directory with `sudo kentongan install`, or mount its disk."},
	{"disk.readonly", Fail, "{dir} hanya dapat dibaca", "{dir} is mounted read-only",
		"Lihat `dmesg`: kartu mungkin rusak; selamatkan isinya dengan `kentongan spool export`, lalu ganti kartunya.",
		"Look at `dmesg`: the card may be failing; save what it holds with `kentongan spool export`, then replace it."},
	{"disk.full", Fail, "penuh: {free} dari {total} bebas", "full: {free} of {total} free",
		"Cari yang besar dengan `sudo du -xh / | sort -h | tail` dan hapus, tetapi jangan di {dir}.",
		"Find what is large with `sudo du -xh / | sort -h | tail` and remove it, but nothing in {dir}."},
	{"disk.inodes", Fail, "inode habis: {free} dari {total} bebas", "no inodes left: {free} of {total} free",
		"Cari direktori dengan terlalu banyak berkas (`sudo du --inodes -x / | sort -n | tail`) dan hapus isinya.",
		"Find the directory with too many files (`sudo du --inodes -x / | sort -n | tail`) and empty it."},
	{"disk.refuses", Fail, "tidak dapat menulis di {dir}: {detail}", "can't write in {dir}: {detail}",
		"Jalankan dengan sudo; bila tetap ditolak, lihat `dmesg` dan ganti kartunya.",
		"Run it as root; if it is still refused, look at `dmesg` and replace the card."},
	{"disk.low", Warn, "hampir penuh: {free} dari {total} bebas", "nearly full: {free} of {total} free",
		"Hapus yang tidak perlu sebelum penuh; `sudo du -xh / | sort -h | tail` menunjukkan yang besar.",
		"Remove what is not needed before it is full; `sudo du -xh / | sort -h | tail` shows what is large."},

	{"wear.ok", OK, "tidak ada galat ({device})", "no errors ({device})", "", ""},
	{"wear.unknown", Skipped, "sistem berkas ini tidak melaporkan galatnya ({device})", "this file system does not report its errors ({device})", "", ""},
	{"wear.errors", Fail, "galat sistem berkas pada {device}: {count}", "file system errors on {device}: {count}",
		"Selamatkan isinya dengan `kentongan spool export`, lalu ganti kartunya.",
		"Save what it holds with `kentongan spool export`, then replace the card."},
	{"wear.worn", Fail, "{device} sudah aus: {life}", "{device} is worn out: {life}",
		"Ganti penyimpanan ini pada kunjungan sekarang.",
		"Replace this storage on this visit."},
	{"wear.old", Warn, "{device} mulai aus: {life}", "{device} is wearing out: {life}",
		"Jadwalkan penggantian penyimpanan ini.",
		"Plan to replace this storage."},

	{"spool.ok", OK, "utuh; catatan menunggu: {waiting}", "sound; records waiting: {waiting}", "", ""},
	{"spool.held", OK, "utuh; catatan menunggu: {waiting}; dipegang kentongan ({pid})", "sound; records waiting: {waiting}; held by kentongan ({pid})", "", ""},
	{"spool.new", OK, "belum ada; agen membuatnya saat pertama berjalan", "none yet; the agent makes it when it first runs", "", ""},
	{"spool.large", OK, "utuh sejauh terbaca dalam 4 detik; catatan menunggu: {waiting}", "sound as far as could be read in 4 seconds; records waiting: {waiting}", "", ""},
	{"spool.stranger", Fail, "dikunci oleh proses {pid} ({who}), bukan kentongan", "locked by process {pid} ({who}), which is not kentongan",
		"Hentikan proses itu (`sudo kill {pid}`), lalu `sudo kentongan start`.",
		"End that process (`sudo kill {pid}`), then `sudo kentongan start`."},
	{"spool.damaged", Fail, "kerusakan: {count}; yang pertama: {fault}", "faults: {count}; the first: {fault}",
		"Simpan yang terbaca (`sudo kentongan spool export {dir} rescued`) dan ganti kartu bila rusak lagi; agen berjalan terus dengan yang utuh.",
		"Save what can be read (`sudo kentongan spool export {dir} rescued`), and replace the card if it happens again; the agent goes on with what is sound."},
	{"spool.owner", Fail, "{file} bukan milik {user}, pemilik {dir}", "{file} does not belong to {user}, who owns {dir}",
		"Kembalikan pemiliknya: `sudo chown -R {user} {dir}`.",
		"Give it back: `sudo chown -R {user} {dir}`."},
	{"spool.unreadable", Fail, "{detail}", "{detail}",
		"Jalankan dengan sudo: `sudo kentongan doctor`.",
		"Run it as root: `sudo kentongan doctor`."},

	{"line.ok", OK, "ada dan bebas", "there, and free", "", ""},
	{"line.held", OK, "dipegang kentongan", "held by kentongan", "", ""},
	{"line.played", OK, "papan tiruan", "on the simulated board", "", ""},
	{"line.missing", Fail, "{detail}", "{detail}",
		"Betulkan chip dan line di konfigurasi; `gpioinfo` menyebut semua namanya.",
		"Correct chip and line in the configuration; `gpioinfo` names them all."},
	{"line.busy", Fail, "dipakai oleh {who}", "used by {who}",
		"Hentikan program itu, atau lepaskan overlay yang memakainya di config.txt.",
		"End that program, or remove the overlay that uses it from config.txt."},
	{"line.refused", Fail, "{detail}", "{detail}",
		"Jalankan dengan sudo; bila agen sendiri yang ditolak, masukkan penggunanya ke grup gpio.",
		"Run it as root; if the agent itself is refused, add its user to the group gpio."},

	{"sensor.ok", OK, "{reading}", "{reading}", "", ""},
	{"sensor.played", OK, "papan tiruan", "on the simulated board", "", ""},
	{"sensor.missing", Fail, "tidak ditemukan: {detail}", "not found: {detail}",
		"Periksa kabel dan address sensor ini, dan apakah modul kernelnya dimuat.",
		"Check this sensor's wires and address, and that its kernel module is loaded."},
	{"sensor.power", Fail, "85 °C: nilai sebelum chip mengukur; dayanya terputus", "85 °C: what the chip holds before it measures; it loses its power",
		"Periksa kabel daya sensor dan resistor 4,7 kΩ antara data dan 3,3 V.",
		"Check the sensor's supply wire and the 4.7 kΩ resistor between data and 3.3 V."},
	{"sensor.wiring", Fail, "jawabannya bukan pengukuran: {detail}", "its answer is no measurement: {detail}",
		"Kencangkan atau pendekkan kabelnya; periksa hubung singkat dan resistor penariknya.",
		"Fasten or shorten its wires; look for a short circuit and at the pull-up resistor."},
	{"sensor.busy", Fail, "dipakai yang lain: {detail}", "somebody else uses it: {detail}",
		"Lepaskan driver kernel atau program yang memakai alamat itu.",
		"Release the kernel driver or the program that uses that address."},
	{"sensor.refused", Fail, "{detail}", "{detail}",
		"Jalankan dengan sudo; bila agen sendiri yang ditolak, beri grupnya hak baca.",
		"Run it as root; if the agent itself is refused, give its group the right to read."},

	{"network.ok", OK, "{interfaces}", "{interfaces}", "", ""},
	{"network.down", Fail, "tidak ada antarmuka yang tersambung ({interfaces})", "no interface is connected ({interfaces})",
		"Periksa kabel LAN dan lampunya, atau kartu SIM dan sinyal modem.",
		"Check the LAN cable and its lights, or the SIM card and the modem's signal."},
	{"network.address", Fail, "tersambung, tetapi tanpa alamat IP ({interfaces})", "connected, but without an IP address ({interfaces})",
		"Periksa server DHCP di jaringan ini, atau isi alamat tetap.",
		"Check this network's DHCP server, or set a fixed address."},
	{"network.missing", Fail, "antarmuka {name} yang diminta konfigurasi tidak ada; ada {interfaces}", "the interface {name} of the configuration does not exist; there is {interfaces}",
		"Pasang modem atau adaptornya, atau betulkan uplink.brokers[].interface.",
		"Plug that modem or adapter in, or correct uplink.brokers[].interface."},
	{"route.ok", OK, "ada jalan ke {to}", "there is a way to {to}", "", ""},
	{"route.none", Fail, "tidak ada rute ke {to}", "no route to {to}",
		"Isi gateway jaringan ini (DHCP atau tetap); `ip route` harus punya baris default.",
		"Set this network's gateway (by DHCP or fixed); `ip route` must show a default line."},
	{"dns.ok", OK, "{host} → {ip}", "{host} → {ip}", "", ""},
	{"dns.literal", OK, "{host}: alamat, tanpa DNS", "{host}: an address, no DNS needed", "", ""},
	{"dns.none", Fail, "tidak ada server DNS di {file}", "no DNS server in {file}",
		"Isi server DNS jaringan ini, lewat DHCP atau tetap.",
		"Set this network's DNS server, by DHCP or fixed."},
	{"dns.silent", Fail, "server DNS {servers} tidak menjawab", "the DNS server {servers} does not answer",
		"Periksa jaringan atau router ini, atau isi server DNS lain.",
		"Check this network or its router, or set another DNS server."},
	{"dns.unknown", Fail, "DNS tidak mengenal {host}", "DNS does not know {host}",
		"Betulkan nama di uplink.brokers[].url, atau minta pusat mendaftarkannya.",
		"Correct the name in uplink.brokers[].url, or ask the centre to register it."},
	{"dns.failed", Fail, "{detail}", "{detail}",
		"Periksa server DNS jaringan ini, atau isi yang lain.",
		"Check this network's DNS server, or set another."},
	{"dns.blocked", Fail, "DNS menjawab {host} → {ip}, yang bukan alamat broker", "DNS answers {host} → {ip}, which is no broker's address",
		"Minta pengelola jaringan mengecualikan nama itu dari penyaring DNS, atau pakai server DNS lain.",
		"Ask who runs the network to exempt that name from the DNS filter, or use another DNS server."},

	{"broker.tcp.ok", OK, "{addr} menjawab", "{addr} answers", "", ""},
	{"broker.tcp.agent", OK, "agen tersambung ke {addr}", "the agent is connected to {addr}", "", ""},
	{"broker.tcp.refused", Fail, "{addr} menolak: tidak ada broker di port itu", "{addr} refuses: no broker on that port",
		"Periksa port di uplink.brokers[].url, dan tanyakan pusat apakah brokernya berjalan.",
		"Check the port in uplink.brokers[].url, and ask the centre whether its broker runs."},
	{"broker.tcp.silent", Fail, "{addr} tidak menjawab", "{addr} does not answer",
		"Periksa apakah firewall jaringan ini mengizinkan port itu, dan tanyakan pusat.",
		"See that this network's firewall lets that port through, and ask the centre."},
	{"broker.tcp.unreachable", Fail, "tidak ada jalan ke {addr}: {detail}", "no way to {addr}: {detail}",
		"Periksa gateway dan alamat jaringan ini (`ip route`).",
		"Check this network's gateway and addresses (`ip route`)."},
	{"broker.tcp.failed", Fail, "{addr}: {detail}", "{addr}: {detail}",
		"Periksa alamat broker dan jaringan ini.",
		"Check the broker's address and this network."},
	{"mtu.ok", OK, "paket besar lewat", "large packets pass", "", ""},
	{"mtu.unknown", Skipped, "tidak dapat dinilai tanpa TLS", "can't be told without TLS", "", ""},
	{"mtu.blackhole", Fail, "paket besar hilang di jalan, paket kecil lewat", "large packets are lost on the way, small ones pass",
		"Turunkan MTU: `sudo ip link set {interface} mtu 1400`, dan beri tahu penyedia jaringan.",
		"Lower the MTU: `sudo ip link set {interface} mtu 1400`, and tell the network's provider."},

	{"identity.ok", OK, "{name}, berlaku sampai {until}", "{name}, valid until {until}", "", ""},
	{"identity.none", OK, "tidak dipakai di sini", "not used here", "", ""},
	{"identity.missing", Fail, "belum terdaftar: {file} tidak ada", "not enrolled: {file} is missing",
		"Minta tautan pendaftaran ke pusat, lalu `sudo kentongan enrol TAUTAN`.",
		"Ask the centre for an enrolment link, then `sudo kentongan enrol LINK`."},
	{"identity.broken", Fail, "{detail}", "{detail}",
		"Daftarkan lagi: minta tautan ke pusat, lalu `sudo kentongan enrol TAUTAN`.",
		"Enrol again: ask the centre for a link, then `sudo kentongan enrol LINK`."},
	{"identity.tpm", Fail, "{detail}", "{detail}",
		"Periksa uplink.tpm dan apakah TPM menyala: `ls -l /dev/tpmrm0`, dan `journalctl -k -g tpm`.",
		"Check uplink.tpm, and whether the TPM is on: `ls -l /dev/tpmrm0`, and `journalctl -k -g tpm`."},
	{"identity.unreadable", Fail, "{detail}", "{detail}",
		"Jalankan dengan sudo: `sudo kentongan doctor`.",
		"Run it as root: `sudo kentongan doctor`."},
	{"identity.expired", Fail, "sertifikat perangkat habis {until}", "the device's certificate ended {until}",
		"Daftarkan lagi: minta tautan ke pusat, lalu `sudo kentongan enrol TAUTAN`.",
		"Enrol again: ask the centre for a link, then `sudo kentongan enrol LINK`."},
	{"identity.future", Fail, "sertifikat perangkat baru berlaku {from}", "the device's certificate is valid only from {from}",
		"Setel jam perangkat dahulu; bila jamnya benar, daftarkan lagi.",
		"Set the device's clock first; if it is right, enrol again."},
	{"identity.other", Fail, "sertifikat ini milik {name}, konfigurasi menyebut {device}", "this certificate is {name}'s, the configuration says {device}",
		"Jangan menyalin kartu: daftarkan perangkat ini sendiri dengan `sudo kentongan enrol TAUTAN`.",
		"Don't copy cards: enrol this device by itself with `sudo kentongan enrol LINK`."},
	{"identity.ending", Warn, "sertifikat perangkat habis {until} dan belum diperbarui", "the device's certificate ends {until} and was not renewed",
		"Lihat log mengapa pembaruannya gagal: `journalctl -u kentongan | grep enrol`.",
		"See in the log why its renewal failed: `journalctl -u kentongan | grep enrol`."},

	{"broker.tls.ok", OK, "{version}, sertifikat sampai {until}", "{version}, certificate until {until}", "", ""},
	{"broker.tls.none", OK, "tidak dipakai (mqtt://)", "not used (mqtt://)", "", ""},
	{"broker.tls.portal", Fail, "halaman masuk jaringan menjawab di tempat broker ({detail})", "this network's login page answers in the broker's place ({detail})",
		"Buka halaman masuk jaringan ini dengan peramban, atau minta pengelola membebaskan perangkat ini.",
		"Open this network's login page in a browser, or ask who runs it to exempt this device."},
	{"broker.tls.authority", Fail, "sertifikat broker bukan dari otoritas di {ca}, melainkan {issuer}", "the broker's certificate is not by the authority in {ca} but by {issuer}",
		"Ambil ca.pem dari pusat ini lagi (`sudo kentongan enrol TAUTAN`); bila sudah benar, ada yang menyadap di jalan.",
		"Get ca.pem from this centre again (`sudo kentongan enrol LINK`); if it is right, somebody intercepts on the way."},
	{"broker.tls.name", Fail, "sertifikat broker untuk {names}, bukan {host}", "the broker's certificate is for {names}, not {host}",
		"Betulkan nama di uplink.brokers[].url, atau isi server_name.",
		"Correct the name in uplink.brokers[].url, or set server_name."},
	{"broker.tls.expired", Fail, "sertifikat broker habis {until}", "the broker's certificate ended {until}",
		"Beri tahu pusat: sertifikat brokernya harus diperbarui.",
		"Tell the centre: its broker's certificate has to be renewed."},
	{"broker.tls.future", Fail, "sertifikat broker baru berlaku {from}", "the broker's certificate is valid only from {from}",
		"Periksa jam perangkat; bila benar, beri tahu pusat.",
		"Check the device's clock; if it is right, tell the centre."},
	{"broker.tls.plain", Fail, "port itu tidak bicara TLS", "that port does not speak TLS",
		"Periksa port di uplink.brokers[].url: TLS biasanya 8883.",
		"Check the port in uplink.brokers[].url: TLS is usually 8883."},
	{"broker.tls.silent", Fail, "tersambung, tetapi TLS tidak dijawab", "connected, but TLS is not answered",
		"Tanyakan pusat apakah brokernya macet, dan pengelola jaringan apakah ada penyaring di jalan.",
		"Ask the centre whether its broker hangs, and who runs the network whether a filter is on the way."},
	{"broker.tls.failed", Fail, "{detail}", "{detail}",
		"Periksa ca, cert dan key di uplink.brokers[].",
		"Check ca, cert and key in uplink.brokers[]."},

	{"broker.login.ok", OK, "diterima sebagai {device}", "accepted as {device}", "", ""},
	{"broker.login.agent", OK, "agen tersambung", "the agent is connected", "", ""},
	{"broker.login.left", Skipped, "agen berjalan dan baru mulai; sambungannya tidak diganggu", "the agent runs and has just begun; its connection is left alone", "", ""},
	{"broker.login.password", Fail, "broker menolak nama pengguna atau kata sandi", "the broker refuses the user name or password",
		"Betulkan username dan password_file di uplink.brokers[].",
		"Correct username and password_file in uplink.brokers[]."},
	{"broker.login.not_allowed", Fail, "broker tidak mengizinkan perangkat ini masuk", "the broker does not let this device in",
		"Minta pusat memeriksa apakah perangkat ini terdaftar dan tidak diblokir.",
		"Ask the centre whether this device is enrolled, and not barred."},
	{"broker.login.revoked", Fail, "broker menolak sertifikat perangkat: dicabut", "the broker refuses the device's certificate: revoked",
		"Tanyakan pusat mengapa dicabut; lalu daftarkan lagi dengan tautan baru.",
		"Ask the centre why it was revoked; then enrol again with a new link."},
	{"broker.login.certificate", Fail, "broker menolak sertifikat perangkat: {detail}", "the broker refuses the device's certificate: {detail}",
		"Daftarkan lagi pada pusat ini: `sudo kentongan enrol TAUTAN`.",
		"Enrol again with this centre: `sudo kentongan enrol LINK`."},
	{"broker.login.not_mqtt", Fail, "yang menjawab bukan broker MQTT: {detail}", "what answers is no MQTT broker: {detail}",
		"Periksa host dan port di uplink.brokers[].url.",
		"Check host and port in uplink.brokers[].url."},
	{"broker.login.portal", Fail, "halaman masuk jaringan menjawab di tempat broker ({detail})", "this network's login page answers in the broker's place ({detail})",
		"Buka halaman masuk jaringan ini dengan peramban, atau minta pengelola membebaskan perangkat ini.",
		"Open this network's login page in a browser, or ask who runs it to exempt this device."},
	{"broker.login.silent", Fail, "tersambung, tetapi broker tidak menjawab", "connected, but the broker does not answer",
		"Tanyakan pusat apakah brokernya macet atau penuh.",
		"Ask the centre whether its broker hangs or is full."},
	{"broker.login.closed", Fail, "broker memutus sebelum menjawab", "the broker closes the connection before it answers",
		"Broker mungkin meminta TLS (mqtts://) atau sudah penuh; tanyakan pusat.",
		"The broker may want TLS (mqtts://), or have no room; ask the centre."},
	{"broker.login.unavailable", Fail, "broker menolak: {detail}", "the broker refuses: {detail}",
		"Tanyakan pusat tentang brokernya.",
		"Ask the centre about its broker."},
	{"broker.login.twice", Fail, "perangkat lain memakai nama {device} dan mengambil alih sambungan", "another device uses the name {device} and takes the connection over",
		"Cari perangkat yang kartunya disalin, dan daftarkan masing-masing dengan nama sendiri.",
		"Find the device whose card was copied, and enrol each with a name of its own."},
	{"broker.acl.ok", OK, "boleh mengirim di cabangnya sendiri", "may publish in its own branch", "", ""},
	{"broker.acl.unknown", Skipped, "broker ini tidak memberi tahu (hanya MQTT 3.1.1)", "this broker does not tell (MQTT 3.1.1 only)", "", ""},
	{"broker.acl.unasked", Skipped, "belum ada antrean, jadi tidak ada yang dikirim untuk mencoba", "there is no spool yet, so nothing was sent to try", "", ""},
	{"broker.acl.left", Skipped, "agen berjalan; sambungannya tidak diganggu", "the agent runs; its connection is left alone", "", ""},
	{"broker.acl.denied", Fail, "broker menerima masuk, tetapi menolak {topic}", "the broker lets the device in but denies {topic}",
		"Minta pusat memasang aturan broker lagi: `kentongan-centre broker mosquitto-acl`.",
		"Ask the centre to install the broker's rules again: `kentongan-centre broker mosquitto-acl`."},

	{"centre.ok", OK, "menjawab dengan tanda terima bertanda tangan", "answers with signed receipts", "", ""},
	{"centre.received", OK, "semua sudah diterima pusat", "the centre has received everything", "", ""},
	{"centre.unasked", Skipped, "belum ada catatan yang dapat ditanyakan", "there is no record yet to ask about", "", ""},
	{"centre.waiting", Skipped, "catatan menunggu: {waiting}, yang tertua {age}; terlalu baru untuk dinilai", "records waiting: {waiting}, the oldest {age}; too new to tell", "", ""},
	{"centre.broker", Warn, "acknowledge: broker; tidak ada pusat yang membuktikan penerimaan", "acknowledge: broker; no centre proves that records arrive",
		"Isi centre_key dan acknowledge: centre bila ada kentongan-centre.",
		"Set centre_key and acknowledge: centre where there is a kentongan-centre."},
	{"centre.silent", Fail, "broker tersambung, tetapi pusat tidak memberi tanda terima (catatan menunggu: {waiting})", "the broker is connected, but the centre gives no receipts (records waiting: {waiting})",
		"Hubungi pusat: kentongan-centre mungkin mati; catatan tetap aman di sini.",
		"Call the centre: kentongan-centre may be down; the records are safe here."},
	{"centre.key", Fail, "tanda terima ditandatangani kunci lain daripada centre_key", "receipts are signed by another key than centre_key",
		"Bandingkan centre_key dengan `kentongan-centre key` di pusat, atau daftarkan lagi.",
		"Compare centre_key with `kentongan-centre key` at the centre, or enrol again."},

	{"camera.ok", OK, "{codec} {size}, bingkai kunci datang", "{codec} {size}, keyframes come", "", ""},
	{"camera.dns", Fail, "nama {host} tidak dapat dicari: {detail}", "the name {host} can't be looked up: {detail}",
		"Pakai alamat IP kamera di url, atau betulkan DNS.",
		"Use the camera's IP address in url, or mend DNS."},
	{"camera.subnet", Fail, "{addr} tidak ada di jaringan papan ini ({networks})", "{addr} is in none of this board's networks ({networks})",
		"Samakan jaringan kamera dan papan, atau tambahkan alamat: `sudo ip addr add ALAMAT/24 dev {interface}`.",
		"Put camera and board into one network, or add an address: `sudo ip addr add ADDRESS/24 dev {interface}`."},
	{"camera.gone", Fail, "tidak ada yang menjawab di {addr}", "nobody answers at {addr}",
		"Periksa daya dan kabel kamera, lalu cari dengan `kentongan discover`.",
		"Check the camera's power and cable, then look for it with `kentongan discover`."},
	{"camera.refused", Fail, "{addr} menyala, tetapi tidak menerima RTSP di port itu", "{addr} is on, but takes no RTSP on that port",
		"Periksa port di url dan apakah RTSP diaktifkan di kamera; `kentongan discover --address {host}` mencarinya.",
		"Check the port in url and that RTSP is on in the camera; `kentongan discover --address {host}` finds it."},
	{"camera.busy", Fail, "kamera tidak punya tempat untuk penonton lagi", "the camera has no room for another viewer",
		"Tutup penonton lain (NVR, VLC) atau pakai aliran kecilnya.",
		"Close other viewers (NVR, VLC), or use its smaller stream."},
	{"camera.password", Fail, "kamera menolak nama pengguna atau kata sandi", "the camera refuses the user name or password",
		"Betulkan username dan password_file kamera ini.",
		"Correct this camera's username and password_file."},
	{"camera.secret", Fail, "{detail}", "{detail}",
		"Sediakan berkas kata sandi kamera ini agar dapat dibaca.",
		"See that this camera's password file can be read."},
	{"camera.path", Fail, "kamera tidak punya {path} (404)", "the camera has no {path} (404)",
		"Cari jalur yang benar dengan `kentongan discover --address {host}`.",
		"Find the right path with `kentongan discover --address {host}`."},
	{"camera.tls", Fail, "{detail}", "{detail}",
		"Betulkan ca atau fingerprint kamera ini.",
		"Correct this camera's ca or fingerprint."},
	{"camera.codec", Fail, "{detail}", "{detail}",
		"Setel kamera ke H.264 atau H.265 di halamannya.",
		"Set the camera to H.264 or H.265 on its own page."},
	{"camera.mute", Fail, "{addr} menerima sambungan dan tidak menjawab", "{addr} takes the connection and does not answer",
		"Kamera macet: matikan dan nyalakan lagi.",
		"The camera hangs: switch it off and on again."},
	{"camera.no_picture", Fail, "tersambung, tetapi tidak ada gambar yang datang", "connected, but no picture comes",
		"Nyalakan ulang kamera; bila tetap begitu, coba transport: tcp.",
		"Restart the camera; if it stays so, try transport: tcp."},
	{"camera.no_keyframe", Fail, "gambar datang tanpa bingkai kunci selama {wait}", "pictures come without a keyframe for {wait}",
		"Setel interval bingkai kunci (GOP, I-frame) kamera ke 1 sampai 2 detik.",
		"Set the camera's keyframe interval (GOP, I-frame) to 1 to 2 seconds."},
	{"camera.protocol", Fail, "{detail}", "{detail}",
		"Periksa apakah url menunjuk kamera RTSP, dan perbarui firmware kameranya.",
		"See that url names an RTSP camera, and update the camera's firmware."},
	{"ffmpeg.ok", OK, "{file}", "{file}", "", ""},
	{"ffmpeg.missing", Fail, "tidak ada ({file}); gambar H.264 dan H.265 tidak diperiksa", "missing ({file}); pictures of H.264 and H.265 are not checked",
		"Pasang dengan `sudo apt install ffmpeg`, atau setel pictures.ffmpeg: off.",
		"Install it with `sudo apt install ffmpeg`, or set pictures.ffmpeg: \"off\"."},
	{"ffmpeg.broken", Fail, "{file} tidak dapat dijalankan: {detail}", "{file} can't be run: {detail}",
		"Pasang lagi dengan `sudo apt install --reinstall ffmpeg`.",
		"Install it again with `sudo apt install --reinstall ffmpeg`."},

	{"service.ok", OK, "berjalan", "runs", "", ""},
	{"service.self", OK, "agen ini sendiri yang berjalan", "this very agent runs", "", ""},
	{"service.missing", Fail, "belum dipasang", "not installed",
		"Pasang dengan `sudo kentongan install`.",
		"Install it with `sudo kentongan install`."},
	{"service.by_hand", Warn, "belum dipasang; agen dijalankan dengan tangan", "not installed; the agent was started by hand",
		"Pasang agar hidup lagi bersama papan: `sudo kentongan install`.",
		"Install it, so that it starts with the board: `sudo kentongan install`."},
	{"service.crash_loop", Fail, "mati berulang ({restarts} kali; {detail})", "ends and is started again ({restarts} times; {detail})",
		"Baca sebabnya: `journalctl -u kentongan -n 50`.",
		"Read why: `journalctl -u kentongan -n 50`."},
	{"service.stopped", Fail, "berhenti", "stopped",
		"Jalankan dengan `sudo kentongan start`.",
		"Start it with `sudo kentongan start`."},
	{"service.failed", Fail, "gagal ({detail})", "failed ({detail})",
		"Baca sebabnya: `journalctl -u kentongan -n 50`.",
		"Read why: `journalctl -u kentongan -n 50`."},
	{"service.starting", Warn, "sedang mulai", "is starting",
		"Tunggu sebentar, lalu periksa lagi.",
		"Wait a little, then check again."},
	{"service.not_at_boot", Warn, "berjalan, tetapi tidak mulai bersama papan", "runs, but does not start with the board",
		"Aktifkan: `sudo systemctl enable kentongan`.",
		"Enable it: `sudo systemctl enable kentongan`."},

	{"update.ok", OK, "{version}, slot {slot}", "{version}, slot {slot}", "", ""},
	{"update.trial", Warn, "{version} sedang diuji", "{version} is on trial",
		"Tunggu 10 menit: versi ini akan tetap atau kembali sendiri.",
		"Wait 10 minutes: it stays, or goes back by itself."},
	{"update.went_back", Fail, "{version} dicoba dan dibatalkan: {detail}", "{version} was tried and taken back: {detail}",
		"Laporkan versi dan sebabnya ke pusat; versi lama tetap bekerja.",
		"Tell the centre the version and the reason; the old one goes on working."},
	{"update.refused", Fail, "tawaran versi ditolak: {detail}", "the offered version was refused: {detail}",
		"Laporkan ke pusat; bila dari stik, salin lagi berkasnya.",
		"Tell the centre; if it came on a stick, copy the files again."},
	{"update.broken", Fail, "{detail}", "{detail}",
		"Pasang lagi dengan `sudo kentongan install`; data tetap.",
		"Install again with `sudo kentongan install`; data stays."},
}
