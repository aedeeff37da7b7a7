package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kentongan/broker-config/brokertest"
	"kentongan/hal/rig"
)

// patience is for what an emulated machine does beside other work.
const patience = 15 * time.Minute

// TestCard builds a card, boots it in an emulated machine, and takes it through a
// technician's day: settings with a mistake, then good ones, a device that enrols
// with a real centre, and a power cut.
func TestCard(t *testing.T) {
	onlyOnRequest(t)
	p := newPlace(t)
	keys := p.keyList()
	card := filepath.Join(p.dir, "card.img")
	p.build(keys, card)
	p.startCentre()
	parts := partitions(t, card)
	rootBefore := hashOf(t, card, parts[1])
	if err := os.Truncate(card, size(t, card)+256<<20); err != nil { // a larger card than the image
		t.Fatal(err)
	}

	t.Log("settings with a mistake")
	p.write(card, parts[0], "wifi = Pos\nwifi_password = short\n")
	m := p.boot(card, parts[0])
	m.says("kentongan.txt:2: wifi_password: sandi Wi-Fi")
	m.says("PROBE done")
	m.kill()
	if status := p.read(card, parts[0], "kentongan-status.txt"); !strings.Contains(status, "SOMETHING IS WRONG") || !strings.Contains(status, "ADA YANG SALAH") {
		t.Errorf("status on the card: %q", status)
	}
	m.has("PROBE root overlay", "PROBE writes to the root: yes", "PROBE left by an earlier start on the root: no", "PROBE starts counted on the data partition: 1")
	m.hasNot("PROBE connection kentongan-wifi")
	if n := m.number(`PROBE data MiB: (\d+)`); n < 200 {
		t.Errorf("the data partition has %d MiB on a card with 256 MiB more than the image", n)
	}

	t.Log("good settings")
	p.write(card, parts[0], "wifi = Pos 1\r\nwifi_password = 12345678\r\napn = m2m\r\nlink = "+p.token()+"\r\n")
	m = p.boot(card, parts[0])
	m.says("THE DEVICE IS ENROLLED")
	p.online(m, true)
	m.says("PROBE done")
	m.kill() // as a power cut, with the device at work
	if status := p.read(card, parts[0], "kentongan-status.txt"); !strings.Contains(status, "TERDAFTAR") || strings.Contains(status, "12345678") {
		t.Errorf("status on the card: %q", status)
	}
	m.has("PROBE connection kentongan-wifi 802-11-wireless", "PROBE connection kentongan-cellular gsm", "PROBE left by an earlier start on the root: no", "PROBE starts counted on the data partition: 2")

	t.Log("after a power cut")
	p.online(m, false)
	m = p.boot(card, parts[0])
	p.online(m, true)
	m.says("PROBE done")
	m.kill()
	m.hasNot("ENROLLED", "SOMETHING IS WRONG")
	m.has("PROBE left by an earlier start on the root: no", "PROBE starts counted on the data partition: 3", "PROBE connection kentongan-wifi 802-11-wireless")
	if out := p.centre("ca", "list"); strings.Count(out, "kiosk-7") != 1 {
		t.Errorf("certificates: %s", out)
	}
	if hashOf(t, card, parts[1]) != rootBefore {
		t.Error("three starts have changed the root partition, which is read-only")
	}
}

// probe looks at the device from inside, since nobody can log in there.
const probe = `#!/bin/sh
say() { echo "PROBE $*" >/dev/console; }
say "root $(findmnt -no FSTYPE /)"
[ -e /etc/was-here ] && say "left by an earlier start on the root: yes" || say "left by an earlier start on the root: no"
echo x >/etc/was-here && say "writes to the root: yes" || say "writes to the root: no"
echo x >>/data/starts
say "starts counted on the data partition: $(wc -l </data/starts)"
sync
say "data MiB: $(df -m --output=size /data | tail -n 1 | tr -d ' ')"
n=0
until nmcli -t general status >/dev/null 2>&1 || [ $n -ge 120 ]; do sleep 1; n=$((n + 1)); done
nmcli -t -f NAME,TYPE connection show | tr : ' ' | while read -r name type; do say "connection $name $type"; done
say "failed units: $(systemctl --failed --no-legend --plain | cut -d' ' -f1 | tr '\n' ' ')"
say done
`

const probeUnit = `[Unit]
Description=Tells the test what the card became
After=kentongan-card.service NetworkManager.service
[Service]
Type=oneshot
ExecStart=/usr/lib/probe
[Install]
WantedBy=multi-user.target
`

// place is the office: keys, a broker, a centre.
type place struct {
	t      *testing.T
	dir    string // short
	tree   string
	broker string // port
	page   string
	login  string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	for _, program := range []string{"qemu-system-aarch64", "mosquitto", "mmdebstrap", "mcopy", "sfdisk"} {
		if _, err := exec.LookPath(program); err != nil {
			if _, err := os.Stat("/usr/sbin/" + program); err != nil {
				t.Fatalf("no %s; Debian's packages qemu-system-arm, mosquitto, mmdebstrap, qemu-user-static, mtools, dosfstools and fdisk are needed", program)
			}
		}
	}
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	dir, err := os.MkdirTemp("", "card")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	tree, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, dir: dir, tree: tree}
	p.run("go", "build", "-o", filepath.Join(dir, "centre"), "kentongan/cmd/kentongan-centre")
	return p
}

func (p *place) run(name string, args ...string) string {
	p.t.Helper()
	c := exec.CommandContext(p.t.Context(), name, args...)
	c.Dir = p.dir
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if name == "go" {
		c.Dir = p.tree
	}
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		p.t.Fatalf("%s: %v\n%s%s", strings.Join(c.Args, " "), err, out.Bytes(), said.Bytes())
	}
	return out.String()
}

// centre runs a command of the centre on its data.
func (p *place) centre(args ...string) string {
	p.t.Helper()
	return p.run(filepath.Join(p.dir, "centre"), append(args, "--data", "office")...)
}

func (p *place) keyList() string {
	p.t.Helper()
	bundle := func(args ...string) string {
		return strings.TrimSpace(p.run(filepath.Join(p.dir, "centre"), append([]string{"bundle"}, args...)...))
	}
	root, release := bundle("keygen", "--out", "root", "root"), bundle("keygen", "--out", "release", "release")
	bundle("keys", "--version", "1", "--threshold", "1", "--out", "keylist", "--root", root, "--release", release)
	bundle("sign", "--key", "root", "keylist")
	return filepath.Join(p.dir, "keylist")
}

// build makes the card, with a look inside on it.
func (p *place) build(keys, card string) {
	p.t.Helper()
	files := filepath.Join(p.dir, "files")
	for name, text := range map[string]string{"usr/lib/probe": probe, "etc/systemd/system/probe.service": probeUnit} {
		file := filepath.Join(files, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			p.t.Fatal(err)
		}
	}
	wants := filepath.Join(files, "etc/systemd/system/multi-user.target.wants")
	if err := os.MkdirAll(wants, 0o755); err != nil {
		p.t.Fatal(err)
	}
	link := filepath.Join(wants, "probe.service")
	if err := os.Symlink("/etc/systemd/system/probe.service", link); err != nil && !os.IsExist(err) {
		p.t.Fatal(err)
	}
	began := time.Now()
	p.run(filepath.Join(p.tree, "firmware/image/build"), "--keys", keys, "--out", card, "--files", files)
	p.t.Logf("built in %v", time.Since(began).Round(time.Second))
}

// TestCardsAreTheSame: the same inputs make the same bytes.
func TestCardsAreTheSame(t *testing.T) {
	onlyOnRequest(t)
	p := newPlace(t)
	keys := p.keyList()
	one, two := filepath.Join(p.dir, "one.img"), filepath.Join(p.dir, "two.img")
	p.build(keys, one)
	p.build(keys, two)
	parts := partitions(t, one)
	for i, part := range append(parts, partition{0, parts[0].start}) {
		if hashOf(t, one, part) != hashOf(t, two, part) {
			t.Errorf("part %d is not the same in two builds", i+1)
		}
	}
}

func onlyOnRequest(t *testing.T) {
	t.Helper()
	if os.Getenv("KENTONGAN_IMAGE_TEST") == "" {
		t.Skip("it builds and boots a whole Debian, which takes half an hour: make image-test")
	}
}

// startCentre follows docs/how-to/enrol.md; devices reach it at 10.0.2.2.
func (p *place) startCentre() {
	p.t.Helper()
	p.broker = freePort(p.t)
	enrol, page := freePort(p.t), freePort(p.t)
	p.page = "http://127.0.0.1:" + page
	p.centre("ca", "init", "--root-dir", "stick", "--name", "Test")
	p.centre("ca", "server", "--out", "try/tls", "10.0.2.2", "127.0.0.1")
	p.centre("ca", "client", "--out", "try/tls", "kentongan.centre")
	p.centre("ca", "crl", "--out", "try/tls/crl.pem")
	tls := filepath.Join(p.dir, "try", "tls")
	for from, to := range map[string]string{"10.0.2.2.pem": "server.pem", "10.0.2.2.key": "server.key"} {
		if err := os.Rename(filepath.Join(tls, from), filepath.Join(tls, to)); err != nil {
			p.t.Fatal(err)
		}
	}
	p.background(exec.Command(filepath.Join(p.tree, "broker-config/mosquitto/start"), "try", p.broker))
	p.until("Mosquitto listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+p.broker)
		return err == nil && c.Close() == nil
	})
	p.background(exec.Command(filepath.Join(p.dir, "centre"), "run", "--data", "office", "--listen", "127.0.0.1:"+page, "--broker", "mqtts://127.0.0.1:"+p.broker,
		"--ca", "try/tls/ca.pem", "--cert", "try/tls/kentongan.centre.pem", "--key", "try/tls/kentongan.centre.key",
		"--enrol", "127.0.0.1:"+enrol, "--enrol-host", "10.0.2.2", "--announce", "mqtts://10.0.2.2:"+p.broker, "--crl", "try/tls/crl.pem", "--log", "warn"))
	p.until("the centre answers", func() bool {
		r, err := http.Get(p.page + "/healthz")
		return err == nil && r.Body.Close() == nil
	})
	p.centre("user", "add", "--name", "test", "--role", "viewer")
	p.login = strings.TrimSpace(p.centre("user", "token", "--name", "test"))
}

var linkForm = regexp.MustCompile(`(?m)^link +(\S+)$`)

func (p *place) token() string {
	p.t.Helper()
	m := linkForm.FindStringSubmatch(p.centre("token", "new", "--device", "kiosk-7"))
	if m == nil {
		p.t.Fatal("no link with the token")
	}
	return m[1]
}

// online waits until the centre sees the device, or sees it no more.
func (p *place) online(m *machine, want bool) {
	p.t.Helper()
	p.until(fmt.Sprintf("the centre sees kiosk-7 online: %v", want), func() bool {
		if want {
			m.alive()
		}
		req, err := http.NewRequest(http.MethodGet, p.page+"/api/v1/devices", nil)
		if err != nil {
			p.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+p.login)
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		defer r.Body.Close()
		var answer struct {
			Devices []struct {
				Device, State string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
			p.t.Fatalf("the centre's devices: %v", err)
		}
		for _, d := range answer.Devices {
			if d.Device == "kiosk-7" {
				return (d.State == "online") == want
			}
		}
		return false
	})
}

func (p *place) background(c *exec.Cmd) {
	p.t.Helper()
	var said bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = p.dir, &said, &said
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // killed
		if p.t.Failed() {
			p.t.Logf("%s said:\n%s", filepath.Base(c.Path), said.Bytes())
		}
	})
}

func (p *place) until(what string, is func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// write puts the settings onto the card, as a technician's computer does.
func (p *place) write(card string, boot partition, text string) {
	p.t.Helper()
	file := filepath.Join(p.dir, "settings")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.run("mcopy", "-o", "-i", fmt.Sprintf("%s@@%d", card, boot.start), file, "::kentongan.txt")
}

func (p *place) read(card string, boot partition, name string) string {
	p.t.Helper()
	return p.run("mtype", "-i", fmt.Sprintf("%s@@%d", card, boot.start), "::"+name)
}

// machine is an emulated board with the card in it.
type machine struct {
	p      *place
	cancel func()
	began  time.Time
	over   chan struct{}

	mu      sync.Mutex // guards console
	console strings.Builder
}

// boot starts the kernel and the first RAM disk of the card's boot partition.
func (p *place) boot(card string, boot partition) *machine {
	p.t.Helper()
	kernel, initrd := filepath.Join(p.dir, "vmlinuz"), filepath.Join(p.dir, "initrd.img")
	at := fmt.Sprintf("%s@@%d", card, boot.start)
	p.run("mcopy", "-o", "-i", at, "::vmlinuz", kernel)
	p.run("mcopy", "-o", "-i", at, "::initrd.img", initrd)
	line, err := os.ReadFile("cmdline")
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(p.t.Context())
	m := &machine{p: p, cancel: cancel, began: time.Now(), over: make(chan struct{})}
	r, err := rig.Start(ctx, rig.Spec{
		Board: rig.Boards[0], Kernel: kernel, Initrd: initrd, Dir: p.dir, Image: card, Memory: "1G", Network: true, Reboots: true,
		Append: strings.TrimSpace(string(line)) + " console=ttyAMA0 systemd.show_status=1",
	})
	if err != nil {
		cancel()
		p.t.Fatal(err)
	}
	go func() {
		defer close(m.over)
		_, _ = r.Serve(func(line string) { // killed
			m.mu.Lock()
			defer m.mu.Unlock()
			if os.Getenv("KENTONGAN_RIG_CONSOLE") != "" {
				fmt.Fprintf(os.Stderr, "%7.2f %s\n", time.Since(m.began).Seconds(), line)
			}
			m.console.WriteString(line + "\n")
		})
	}()
	p.t.Cleanup(func() {
		m.kill()
		if p.t.Failed() {
			p.t.Logf("console:\n%s", m.text())
		}
	})
	return m
}

// kill pulls the plug.
func (m *machine) kill() {
	m.cancel()
	<-m.over
}

func (m *machine) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.console.String()
}

func (m *machine) alive() {
	m.p.t.Helper()
	select {
	case <-m.over:
		m.p.t.Fatal("the machine is off")
	default:
	}
}

func (m *machine) says(what string) {
	m.p.t.Helper()
	m.p.until("the console says "+what, func() bool {
		if strings.Contains(m.text(), what) {
			return true
		}
		m.alive()
		return false
	})
	m.p.t.Logf("%v after power on: %s", time.Since(m.began).Round(time.Second), what)
}

func (m *machine) has(all ...string) {
	m.p.t.Helper()
	for _, what := range all {
		if !strings.Contains(m.text(), what) {
			m.p.t.Errorf("the console does not say %q", what)
		}
	}
}

func (m *machine) hasNot(all ...string) {
	m.p.t.Helper()
	for _, what := range all {
		if strings.Contains(m.text(), what) {
			m.p.t.Errorf("the console says %q", what)
		}
	}
}

func (m *machine) number(form string) int {
	m.p.t.Helper()
	found := regexp.MustCompile(form).FindStringSubmatch(m.text())
	if found == nil {
		m.p.t.Errorf("the console says nothing of the form %s", form)
		return 0
	}
	n, _ := strconv.Atoi(found[1]) // digits
	return n
}

// partition is a part of the card, in bytes.
type partition struct{ start, size int64 }

func partitions(t *testing.T, card string) (all []partition) {
	t.Helper()
	out, err := exec.Command("sfdisk", "--json", card).Output()
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		PartitionTable struct {
			Partitions []struct{ Start, Size int64 }
		}
	}
	if err := json.Unmarshal(out, &table); err != nil {
		t.Fatal(err)
	}
	for _, p := range table.PartitionTable.Partitions {
		all = append(all, partition{p.Start * 512, p.Size * 512})
	}
	if len(all) != 3 {
		t.Fatalf("%d partitions", len(all))
	}
	return all
}

func size(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func hashOf(t *testing.T, file string, p partition) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, p.start, p.size)); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func freePort(t *testing.T) string {
	t.Helper()
	return strconv.Itoa(brokertest.FreePorts(t, 1))
}
