package main

import "strings"

// enrolTexts are what enrol says: in Indonesian where the environment says so.
func enrolTexts(getenv func(string) string) map[string]string {
	which := 1
	if strings.HasPrefix(locale(getenv), "id") {
		which = 0
	}
	out := map[string]string{}
	for key, texts := range enrolText {
		out[key] = texts[which]
	}
	return out
}

// enrolText has each text in Indonesian and in English.
var enrolText = map[string][2]string{
	"ask.token":    {"Token:", "Token:"},
	"ask.link":     {"Tautan:", "Link:"},
	"step.key":     {"1/5 membuat kunci perangkat", "1/5 making the device's key"},
	"step.contact": {"2/5 menghubungi pusat", "2/5 asking the centre who it is"},
	"step.request": {"3/5 meminta sertifikat", "3/5 asking for a certificate"},
	"step.brokers": {"4/5 menanyakan alamat broker", "4/5 asking for the brokers"},
	"step.save":    {"5/5 menyimpan", "5/5 saving"},
	"done":         {"Terdaftar sebagai %s; sertifikat berlaku sampai %s. Konfigurasi: %s", "Enrolled as %s; the certificate is good until %s. Configuration: %s"},
	"retry":        {"belum berhasil (%v); dicoba lagi", "not yet (%v); trying again"},
	"again":        {"Jalankan perintah yang sama sekali lagi; token tetap berlaku untuk perangkat ini.", "Run the same command again; the token stays good for this device."},
	"byhand":       {"Konfigurasi tidak dapat diubah otomatis. Tulis bagian ini di dalamnya, lalu jalankan perintah yang sama sekali lagi:", "The configuration can't be changed by itself. Write this into it and run the same command again:"},
	"tpm":          {"TPM tidak dapat dibuka. Periksa `ls -l %s`: jika tidak ada, nyalakan TPM di pengaturan firmware; jika tidak diizinkan, jalankan dengan sudo. Tanpa --tpm dan uplink.tpm kunci disimpan dalam berkas.", "The TPM can't be opened. See `ls -l %s`: where there is none, switch the TPM on in the firmware's settings; where it is not permitted, run this with sudo. Without --tpm and uplink.tpm the key is kept in a file."},
	"erasing":      {"Penghapusan isi perangkat belum selesai. Selesaikan dulu: sudo kentongan erase", "The erasure of this device was not finished. Finish it first: sudo kentongan erase"},
	"pin":          {"Pusat ini bukan pusat yang membuat token. Periksa alamat pusat dan tokennya.", "This is not the centre that made the token. Check the centre's address and the token."},

	"refused":             {"Pusat menolak. Mintalah token baru.", "The centre refuses. Ask for a new token."},
	"refused.token":       {"Token tidak dikenal di pusat ini. Periksa lagi, atau minta token baru.", "The centre knows no such token. Read it again, or ask for a new one."},
	"refused.used":        {"Token sudah dipakai oleh perangkat lain. Jika bukan Anda, beri tahu pusat; minta token baru.", "The token was used by another device. If that was not you, tell the centre; ask for a new one."},
	"refused.expired":     {"Masa berlaku token habis. Minta token baru.", "The token has expired. Ask for a new one."},
	"refused.withdrawn":   {"Token sudah dicabut. Minta token baru.", "The token was withdrawn. Ask for a new one."},
	"refused.claimed":     {"Nama perangkat ini sudah dipakai perangkat lain. Untuk mengganti papan, minta token dengan --replace.", "Another device holds this id. For a new board in its place, ask for a token made with --replace."},
	"refused.record_key":  {"Kunci catatan perangkat ini berbeda. Minta token baru.", "The device signs its records with another key. Ask for a new token."},
	"refused.certificate": {"Pusat tidak mengenal sertifikat perangkat ini. Minta token baru.", "The centre does not know this device's certificate. Ask for a new token."},
	"refused.revoked":     {"Sertifikat perangkat ini dicabut. Hubungi pusat.", "This device's certificate is revoked. Talk to the centre."},
}
