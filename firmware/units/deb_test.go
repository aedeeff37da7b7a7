package units

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"kentongan/firmware"
)

// copyTree copies the repository's files to another directory.
func copyTree(t *testing.T, to string) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "bin", "dist", "build", "docs/images"}, name) {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		}
		if !d.Type().IsRegular() { // a worktree's .git is one
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), b, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// kit are packages, made as `make deb` makes them.
type kit struct {
	dir, maker string
	keys       keyring
}

// newKit builds the programs as v1, twice, in two directories, and holds them
// against each other.
func newKit(t *testing.T) kit {
	t.Helper()
	k := kit{dir: t.TempDir()}
	if err := os.Chmod(k.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	k.maker = filepath.Join(t.TempDir(), "package")
	if out, err := exec.Command("go", "build", "-C", "../package", "-o", k.maker, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	k.keys = newKeyring(t, k.dir)
	for _, tree := range []string{"a", "b/further down"} {
		copyTree(t, k.tree(tree))
		for _, p := range []string{"kentongan", "kentongan-boot"} {
			cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "nethttpomithttp2", "-ldflags", "-s -w -X main.version=v1", "-o", k.built(tree, p), "./cmd/"+p)
			cmd.Dir = k.tree(tree)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("go build: %v\n%s", err, out)
			}
		}
	}
	for _, p := range []string{"kentongan", "kentongan-boot"} {
		same(t, k.built("a", p), k.built("b/further down", p))
	}
	return k
}

func (k kit) tree(name string) string     { return filepath.Join(k.dir, "tree", name) }
func (k kit) built(tree, p string) string { return filepath.Join(k.tree(tree), "dist-"+p) }

// release makes a signed release of v1's program; packed fast, not well.
func (k kit) release(t *testing.T, number uint64, dir string) string {
	t.Helper()
	program, err := os.ReadFile(k.built("a", "kentongan"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	packed := z.EncodeAll(program, nil)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "payload.zst"), string(packed))
	put(t, filepath.Join(dir, firmware.KeysName), string(k.keys.note))
	k.keys.sign(t, firmware.Release{Number: number, Version: "v1", Issued: time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC), Keys: 1, Payload: []firmware.Payload{{
		Platform: firmware.ThisBoard().Platform, Size: int64(len(program)), SHA256: hash(program),
		Packed: firmware.File{Name: "payload.zst", Size: int64(len(packed)), SHA256: hash(packed)},
	}}}, dir)
	return dir
}

func hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// deb makes the package of a version out of a tree.
func (k kit) deb(t *testing.T, tree, version string, number uint64) string {
	t.Helper()
	out := filepath.Join(k.tree(tree), "out")
	if err := os.MkdirAll(out, 0o755); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(k.maker, "deb", "--root", k.tree(tree), "--version", version, "--arch", "amd64", "--time", "1790000000", "--out", out,
		"--program", k.built(tree, "kentongan"), "--launcher", k.built(tree, "kentongan-boot"), "--release", k.release(t, number, filepath.Join(out, version))).CombinedOutput()
	if err != nil {
		t.Fatalf("package deb: %v\n%s", err, said)
	}
	return strings.TrimSpace(string(said))
}

// same holds two files against each other.
func same(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("built in two directories, %s has other bytes: %s, %s", filepath.Base(a), hash(x)[:12], hash(y)[:12])
	}
}

const apt = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends --allow-downgrades -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "

// TestPackage makes the package twice, in two directories, and takes the one
// through its life in a real systemd: install, upgrade, downgrade, remove,
// install again, purge.
func TestPackage(t *testing.T) {
	t.Parallel()
	if out, err := exec.Command("dpkg", "--print-architecture").Output(); err != nil || strings.TrimSpace(string(out)) != "amd64" {
		t.Skipf("dpkg is of %q, the package of amd64 (%v)", out, err)
	}
	k := newKit(t)
	older := k.deb(t, "a", "v1.0.0", 1)
	same(t, older, k.deb(t, "b/further down", "v1.0.0", 1))
	// The next one brings other examples.
	for _, e := range []string{"kiosk.yaml", "camera-gateway.yaml"} {
		file := filepath.Join(k.tree("a"), "cmd/kentongan/examples", e)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		put(t, file, "# of v1.1.0\n"+string(text))
	}
	newer := k.deb(t, "a", "v1.1.0", 2)
	rig := t.TempDir()
	putConfig(t, rig)
	for name, from := range map[string]string{"older.deb": older, "newer.deb": newer} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(rig, name), string(b))
	}
	if err := os.Chmod(rig, 0o755); err != nil { // apt reads as a user of its own
		t.Fatal(err)
	}

	m := boot(t, systemd, rig)
	m.run(apt + "install /rig/older.deb")
	for _, u := range Units {
		if got := m.run("cat /usr/lib/systemd/system/" + u); got != Text(u) {
			t.Errorf("%s is not the text that `kentongan install` writes:\n%s", u, got)
		}
	}
	if got := m.run("cat /usr/lib/sysusers.d/kentongan.conf /usr/lib/udev/rules.d/60-kentongan.rules"); got != Text(Sysusers)+Text(Rules) {
		t.Errorf("the user and the rules for devices are not what `kentongan install` writes:\n%s", got)
	}
	if s := m.packageStatus(); s.State != "stopped" || s.Boot != "enabled" || s.Firmware.Running != 1 {
		t.Errorf("installed, without a configuration: %+v", s)
	}
	m.fails("kentongan install --keys /rig/keys", "the package installed the service")
	m.fails("kentongan uninstall", "apt remove")
	m.run("systemd-analyze verify --man=no kentongan.service kentongan-judge.service kentongan-apply.path")
	if got := m.run("stat -c '%U %a' /etc/kentongan /var/lib/kentongan"); got != "kentongan 750\nkentongan 750\n" {
		t.Errorf("the folders are of %s", got)
	}
	if got := m.run(`bash -c '. /usr/share/bash-completion/completions/kentongan; COMP_WORDS=(kentongan upd); COMP_CWORD=1; _kentongan; echo "${COMPREPLY[@]}"'`); got != "update\n" {
		t.Errorf("bash completes upd to %q", got)
	}

	// A technician changes one example, and starts with a configuration.
	m.run("echo '# ours' >>/etc/kentongan/examples/kiosk.yaml")
	m.run("install -m 640 -g kentongan /rig/kentongan.yaml /etc/kentongan/ && kentongan start")
	if !m.active("kentongan-apply.path") {
		t.Error("kentongan-apply.path does not wait")
	}
	was := m.show(Main, "MainPID")

	// An upgrade is a trial like any update.
	m.run(apt + "install /rig/newer.deb")
	m.until("committed", func() bool {
		s := m.packageStatus()
		return s.Firmware.Trial != nil && s.Firmware.Trial.State == firmware.Committed && s.Firmware.Running == 2 && m.active(Main)
	})
	if now := m.show(Main, "MainPID"); now == was {
		t.Errorf("after the upgrade the process is still %s", now)
	}
	if got := m.run("tail -n 1 /etc/kentongan/examples/kiosk.yaml && head -n 1 /etc/kentongan/examples/kiosk.yaml.dpkg-dist /etc/kentongan/examples/camera-gateway.yaml"); !strings.HasPrefix(got, "# ours\n") || strings.Count(got, "# of v1.1.0\n") != 2 {
		t.Errorf("of the examples, one changed here, the upgrade made\n%s", got)
	}
	// Back by apt is refused by the launcher; what runs stays.
	if said := m.run(apt + "install /rig/older.deb 2>&1"); !strings.Contains(said, "what runs stays") {
		t.Errorf("the downgrade said %q", said)
	}
	m.until("running", func() bool { s := m.packageStatus(); return s.State == "runs" && s.Firmware.Running == 2 })

	m.run(apt + "remove kentongan")
	if out, err := m.try("pgrep", "-u", User); err == nil {
		t.Errorf("processes left: %s", out)
	}
	m.run("test -e /etc/kentongan/kentongan.yaml && test -d /var/lib/kentongan/spool && test ! -e /usr/lib/kentongan && test ! -e /usr/bin/kentongan")
	m.run(apt + "install /rig/newer.deb")
	m.until("running again", func() bool { return m.active(Main) })
	if said := m.run(apt + "purge kentongan"); !strings.Contains(said, Data+" stays") {
		t.Errorf("purge said %q", said)
	}
	if after := m.ours(); after != Data {
		t.Errorf("purge left\n%s", after)
	}
	m.run("test -d /var/lib/kentongan/spool")
	if s := m.show(Main, "LoadState"); s != "not-found" {
		t.Errorf("systemd still knows it: %s", s)
	}
}

// packageStatus is status of the program that the package put there.
func (m *machine) packageStatus() status {
	m.t.Helper()
	return m.statusOf("/usr/bin/kentongan")
}
