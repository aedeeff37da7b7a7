package main

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/cmd/kentongan/ptytest"
)

// setUp walks kentongan setup on a terminal, with an enrolment link of this centre,
// after another device's, and wants an enrolled device whose files are its own alone.
func setUp(t *testing.T, program, used, link, device string) {
	t.Helper()
	dir := t.TempDir()
	x := ptytest.Start(t, exec.Command(program, "setup", "--config", filepath.Join(dir, "k.yaml"), "--data", filepath.Join(dir, "data"), "--lang", "id", "--no-doctor"))
	x.Answer("Tautan pendaftaran", used)
	x.Expect("Token sudah dipakai")
	x.Answer("✗ pendaftaran gagal, lihat di atas", link)
	x.Expect("Terdaftar sebagai " + device)
	for _, step := range [][2]string{
		{"Nama lokasi", ""}, {"Cari kamera", "t"}, {"Alamat kamera lain", ""}, {"Jalur GPIO", "none"}, {"Halaman untuk ponsel", "t"}, {"anjing penjaga", "t"},
	} {
		x.Answer(step[0], step[1])
	}
	x.Expect("k.yaml: good: device " + device)
	x.Ends(0)
	for _, secret := range []string{link, used} {
		if _, token, _ := strings.Cut(secret, "#"); strings.Contains(x.Said(), token) {
			t.Error("a token is shown as it is typed")
		}
	}
	if out, err := exec.Command(program, "config", "check", filepath.Join(dir, "k.yaml")).CombinedOutput(); err != nil {
		t.Errorf("config check: %v\n%s", err, out)
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		info, err := d.Info()
		if err != nil {
			return err
		}
		if mode := info.Mode(); mode != 0o600 {
			t.Errorf("%s has mode %v", path, mode)
		}
		if name := d.Name(); strings.HasSuffix(name, ".answers") || strings.HasSuffix(name, ".draft") || strings.HasSuffix(name, ".new") {
			t.Errorf("left: %s", path)
		}
		return nil
	})
	if err != nil || files < 3 { // configuration, key, certificate
		t.Errorf("%d files: %v", files, err)
	}
}
