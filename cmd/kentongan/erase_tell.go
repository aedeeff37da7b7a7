package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"kentongan/agent/report"
)

// groupNames are what erase calls the groups of files.
var groupNames = map[string]report.Text{
	"keys":    {ID: "kunci, sertifikat, kode halaman", EN: "keys, certificate, the page's codes"},
	"records": {ID: "catatan: pengaduan, kejadian, pengukuran, gambar", EN: "records: complaints, events, measurements, pictures"},
	"kiosk":   {ID: "status pengaduan warga", EN: "what the centre said of tickets"},
	"cameras": {ID: "yang dipelajari dari kamera", EN: "what was learned of cameras"},
	"updates": {ID: "pembaruan yang sudah diambil", EN: "updates that were fetched"},
	"state":   {ID: "alarm, perintah, waktu, konfigurasi dari pusat", EN: "alarms, orders, time, the centre's configuration"},
	"mirror":  {ID: "salinan pengaduan", EN: "the copy of complaints"},
}

// tell says what is there, what stays, and what is out of reach.
func (x *eraser) tell() {
	p, out := x.plan, x.stdout
	fmt.Fprintf(out, x.say("Perangkat %s\n", "Device %s\n"), p.Device)
	if p.Begun {
		fmt.Fprintln(out, x.say("Penghapusan sudah dimulai dan terputus; ini melanjutkannya.", "An erasure was begun and cut off; this goes on with it."))
	}
	x.tellWaiting()
	for _, place := range p.Places {
		fmt.Fprintf(out, x.say("\nDihapus di %s:\n", "\nErased in %s:\n"), place.Dir)
		for _, c := range place.Counts {
			name := groupNames[c.Group]
			fmt.Fprintf(out, x.say("  %5d berkas %9.1f KiB  %s\n", "  %5d files %9.1f KiB  %s\n"), c.Files, float64(c.Bytes)/1024, x.say(name.ID, name.EN))
		}
		for _, name := range place.Kept {
			fmt.Fprintf(out, x.say("  tetap: %s (nomor tiket yang sudah keluar)\n", "  stays: %s (which tickets were given out)\n"), name)
		}
		if len(place.Left) > 0 {
			fmt.Fprintf(out, x.say("  bukan milik Kentongan, dibiarkan: %s\n", "  not of Kentongan, left: %s\n"), strings.Join(place.Left, ", "))
		}
	}
	for _, m := range p.Absent {
		fmt.Fprintf(out, x.say("\nCermin %s kosong: mungkin diskanya tidak terpasang.\n", "\nThe mirror %s holds nothing: perhaps its disk is not here.\n"), m)
	}
	x.tellConfig()
	x.tellBeyond()
}

func (x *eraser) tellWaiting() {
	p, dir := x.plan, filepath.Join(x.plan.Data, "spool")
	switch {
	case p.Settled: // said before it was begun
	case p.Unread != nil:
		fmt.Fprintf(x.stdout, x.say("Tidak diketahui apakah semua pengaduan sudah diterima pusat: %v\n", "Whether the centre has all complaints can't be told: %v\n"), p.Unread)
	case p.Waiting > 0:
		fmt.Fprintf(x.stdout, x.say(
			"Pengaduan yang BELUM dikonfirmasi pusat: %d\n  lihat:  kentongan spool dump %s --lane complaint\n  kirim:  sudo kentongan start, lalu sudo kentongan status\n",
			"Complaints that the centre has NOT confirmed: %d\n  see them:   kentongan spool dump %s --lane complaint\n  send them:  sudo kentongan start, then sudo kentongan status\n"), p.Waiting, dir)
	default:
		fmt.Fprintln(x.stdout, x.say("Pengaduan yang belum dikonfirmasi pusat: 0", "Complaints that the centre has not confirmed: 0"))
	}
}

func (x *eraser) tellConfig() {
	head := x.say("\nTetap, dengan kata sandi di dalamnya (--with-config menghapusnya):\n", "\nStays, with the passwords in it (--with-config erases it):\n")
	if x.how.Config {
		head = x.say("\nDihapus juga:\n", "\nErased as well:\n")
	}
	fmt.Fprint(x.stdout, head)
	for _, f := range x.plan.Config {
		fmt.Fprintf(x.stdout, "  %s\n", f)
	}
}

func (x *eraser) tellBeyond() {
	fmt.Fprintln(x.stdout, x.say("\nTidak terjangkau:", "\nNot reached:"))
	for _, f := range x.plan.Others {
		fmt.Fprintf(x.stdout, x.say("  %s: dinamai di konfigurasi; hapus sendiri\n", "  %s: named in the configuration; remove it by hand\n"), f)
	}
	fmt.Fprintf(x.stdout, x.say(
		`  pusat dan broker: cabut sertifikatnya di pusat: kentongan-centre ca revoke %[1]s
  log sistem: sudo journalctl --rotate && sudo journalctl --vacuum-time=1s
  direktori pembaruan dan program: tidak berisi data warga
  kartu citra Kentongan: kentongan.txt dan kentongan.yaml di partisi boot, /var/lib/kentongan-card/link,
    dan /etc/NetworkManager/system-connections: tautan pendaftaran, sandi Wi-Fi, PIN SIM. Hapus juga:
    selama link ada, perangkat mendaftar lagi; bila kentongan.txt berubah, kentongan.yaml disalin kembali
  TPM: kuncinya tidak disimpan di dalamnya; kosongkan TPM agar salinan lama tidak berguna
  blok kartu yang aus: blkdiscard seluruh kartu di komputer lain, atau hancurkan kartunya
Layanan tetap terpasang: sudo kentongan uninstall, bila papan tidak dipakai lagi.
`, `  the centre and the broker: revoke the certificate at the centre: kentongan-centre ca revoke %[1]s
  the system's log: sudo journalctl --rotate && sudo journalctl --vacuum-time=1s
  the update directory and the program: nothing of citizens is in them
  a card of the Kentongan image: kentongan.txt and kentongan.yaml on the boot partition, /var/lib/kentongan-card/link,
    and /etc/NetworkManager/system-connections: enrolment link, Wi-Fi passwords, SIM PIN. Remove them as well:
    while the link is there the device enrols again; when kentongan.txt changes, kentongan.yaml is copied back
  a TPM: no key is stored in it; clear the TPM, so that an old copy is of no use
  a card's worn blocks: blkdiscard the whole card in another computer, or destroy it
The service stays installed: sudo kentongan uninstall, where the board is not used again.
`), x.plan.Device)
}
