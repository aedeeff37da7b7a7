package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kentongan/broker-config/brokertest"
)

// pagePatience is how long the test of the page waits for what has to happen on a
// busy machine.
const pagePatience = 90 * time.Second

// mostResident is what an agent may have in memory while the page is asked for all
// that it has, bytes.
const mostResident = 32 << 20

// A technician's visit to the real program: `kentongan pair`, over TLS with the
// certificate whose fingerprint is printed, four pages open and every other
// connection in use; a button is touched; a configuration is refused with line and
// column, then put on trial, survives the restart, and is kept; nothing secret is
// shown. The agent stays within its memory.
func TestPageOnTheDevice(t *testing.T) {
	dir := t.TempDir()
	program := buildDevice(t, dir)
	v := &visit{t: t, dir: dir, program: program, config: filepath.Join(dir, "kentongan.yaml"), page: brokertest.FreeAddress(t)}
	text := fmt.Sprintf(`device: kiosk-7
data: data
uplink: {acknowledge: broker, brokers: [{url: "mqtt://127.0.0.1:1", username: ops, password: hunter2}]}   # sandi: geheim
spool: {complaint: 1MiB, event: 1MiB, telemetry: 1MiB}
board: {driver: sim, socket: board.sock}
kiosk:
  number: 7
  buttons: [{name: road, line: GPIO17, service_code: x, category: y, label: {id: a, en: b}}]
lines: [{name: door, kind: door, line: GPIO6}]
streams: [{name: gate, url: "rtsp://admin:hunter3@127.0.0.1:1/"}]
pictures: {ffmpeg: "off"}
page: {listen: "%s", pictures: true}
log: {level: info}
`, v.page)
	if err := os.WriteFile(v.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	v.start()
	v.enter()

	var last string
	v.await("the page", func() bool { last = v.get("/"); return strings.Contains(last, `id="l-road"`) })
	pages := make([]*bufio.Reader, 4)
	for i := range pages {
		pages[i] = v.live()
	}
	var idle []net.Conn
	for range 7 { // of the 12 that one address may have
		c, err := tls.Dial("tcp", v.page, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // its fingerprint was compared
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		idle = append(idle, c)
	}
	v.order(`{"op":"set","line":"GPIO17","active":true}`)
	v.until(pages[0], "the touch", `DITEKAN`)
	v.order(`{"op":"set","line":"GPIO17","active":false}`)
	for range 20 {
		for _, path := range []string{"/", "/status.json", "/log", "/config", "/page.js"} {
			v.await(path, func() bool { last = v.get(path); return last != "" })
			for _, secret := range []string{"hunter2", "hunter3", "geheim"} {
				if strings.Contains(last, secret) {
					t.Fatalf("%s shows %s", path, secret)
				}
			}
		}
		<-time.After(100 * time.Millisecond) // within the page's own limit of requests
	}
	resident := v.resident()
	t.Logf("resident with 4 pages and %d more connections open: %.1f MiB", len(idle), float64(resident)/(1<<20))
	if resident > mostResident {
		t.Errorf("%d bytes resident, want %d at most", resident, mostResident)
	}

	// Nobody listens where the broker and the camera are said to be.
	found := v.post("/doctor", "", "")
	for _, want := range []string{`"state":"ok"`, `"state":"fail"`, "127.0.0.1:1 menolak", "Kamera gate"} {
		if !strings.Contains(found, want) {
			t.Errorf("the doctor on the page says nothing of %s:\n%s", want, found)
		}
	}
	if strings.Contains(found, "hunter") {
		t.Errorf("the doctor shows a secret:\n%s", found)
	}

	var shown struct{ Text, Base string }
	v.decode("/config", &shown)
	if !strings.Contains(shown.Text, "password: \"xxxxx\"") && !strings.Contains(shown.Text, "password: xxxxx") {
		t.Errorf("shown: %s", shown.Text)
	}
	wrong := v.post("/config/apply", strings.Replace(shown.Text, "level: info", "level: loud", 1), shown.Base)
	if !strings.Contains(wrong, `"line":13,"column":14,"path":"log.level"`) {
		t.Errorf("a wrong configuration: %s", wrong)
	}
	if good := v.post("/config/apply", strings.Replace(shown.Text, "level: info", "level: debug", 1), shown.Base); !strings.Contains(good, `"ok"`) {
		t.Fatalf("a good configuration: %s", good)
	}
	var st struct {
		Config struct {
			From    string `json:"from"`
			TrialMS int64  `json:"trial_ms"`
		} `json:"config"`
	}
	v.await("the new one on trial, without another code", func() bool {
		return v.decode("/status.json", &st) && st.Config.From == "page" && st.Config.TrialMS > 0
	})
	if kept := v.post("/config/keep", "", ""); !strings.Contains(kept, `"ok"`) {
		t.Errorf("keep: %s", kept)
	}
	v.await("the end of the trial", func() bool { return v.decode("/status.json", &st) && st.Config.TrialMS == 0 })
	order, err := os.ReadFile(filepath.Join(dir, "data", "config-order.json"))
	if err != nil || !strings.Contains(string(order), "hunter2") || !strings.Contains(string(order), "admin:hunter3@") || strings.Contains(string(order), "password: xxxxx") || strings.Contains(string(order), "://xxxxx@") {
		t.Errorf("the secrets are not in what is used: %s %v", order, err)
	}
}

// visit is a technician before a device.
type visit struct {
	t                    *testing.T
	dir, program, config string
	page                 string
	log                  bytes.Buffer
	cmd                  *exec.Cmd
	client               *http.Client
}

// buildDevice builds this program as it is handed out.
func buildDevice(t *testing.T, dir string) string {
	t.Helper()
	program := filepath.Join(dir, "kentongan")
	build := exec.Command("go", "build", "-tags", "nethttpomithttp2", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

func (v *visit) start() {
	v.t.Helper()
	v.cmd = exec.Command(v.program, "run", "--config", v.config)
	v.cmd.Stderr = &v.log
	for _, e := range os.Environ() { // else it takes itself for a service, and ends to be started anew
		if !strings.HasPrefix(e, "INVOCATION_ID=") && !strings.HasPrefix(e, "NOTIFY_SOCKET=") {
			v.cmd.Env = append(v.cmd.Env, e)
		}
	}
	if err := v.cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() {
		_ = v.cmd.Process.Signal(syscall.SIGTERM)
		if err := v.cmd.Wait(); err != nil {
			v.t.Errorf("run: %v", err)
		}
		if v.t.Failed() {
			v.t.Logf("%s", &v.log)
		}
	})
}

func (v *visit) await(what string, ok func() bool) {
	v.t.Helper()
	for end := time.Now().Add(pagePatience); !ok(); <-time.After(100 * time.Millisecond) {
		if time.Now().After(end) {
			v.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// enter gets a code and uses it, over a connection whose certificate is the one
// that is printed.
func (v *visit) enter() {
	v.t.Helper()
	var out []byte
	v.await("the agent's certificate", func() (ok bool) {
		var err error
		out, err = exec.Command(v.program, "pair", "--config", v.config, "--json").Output()
		return err == nil
	})
	var p struct {
		Code        string   `json:"code"`
		Fingerprint string   `json:"certificate_sha256"`
		URLs        []string `json:"urls"`
	}
	if err := json.Unmarshal(out, &p); err != nil || len(p.URLs) != 1 || p.URLs[0] != "https://"+v.page+"/" {
		v.t.Fatalf("pair says %s: %v", out, err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		v.t.Fatal(err)
	}
	v.client = &http.Client{Jar: jar, Timeout: pagePatience, Transport: &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // the fingerprint is compared
		VerifyConnection: func(s tls.ConnectionState) error {
			sum := sha256.Sum256(s.PeerCertificates[0].Raw)
			if got := strings.ToUpper(fmt.Sprintf("%x", sum)); got != strings.ReplaceAll(p.Fingerprint, ":", "") {
				return fmt.Errorf("its certificate is %s, and %s was printed", got, p.Fingerprint)
			}
			return nil
		},
	}}}
	v.await("the way in", func() bool {
		res, err := v.client.PostForm("https://"+v.page+"/enter", url.Values{"code": {p.Code}})
		if err != nil {
			return false // it does not listen yet
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body) // of a page
		if res.StatusCode != http.StatusOK {
			v.t.Fatalf("entering: %d %s", res.StatusCode, text)
		}
		return true
	})
}

func (v *visit) get(path string) string {
	v.t.Helper()
	res, err := v.client.Get("https://" + v.page + path)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return ""
	}
	return string(text)
}

func (v *visit) decode(path string, to any) bool {
	return json.Unmarshal([]byte(v.get(path)), to) == nil
}

func (v *visit) post(path, text, base string) string {
	v.t.Helper()
	body, err := json.Marshal(map[string]string{"Text": text, "Base": base})
	if err != nil {
		v.t.Fatal(err)
	}
	res, err := v.client.Post("https://"+v.page+path, "application/json", bytes.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return string(answer)
}

// live is an open page.
func (v *visit) live() *bufio.Reader {
	v.t.Helper()
	c := *v.client
	c.Timeout = 0
	res, err := c.Get("https://" + v.page + "/live")
	if err != nil || res.StatusCode != http.StatusOK {
		v.t.Fatalf("live: %v %v", res, err)
	}
	v.t.Cleanup(func() { _ = res.Body.Close() })
	return bufio.NewReader(res.Body)
}

func (v *visit) until(in *bufio.Reader, what, text string) {
	v.t.Helper()
	found := make(chan error, 1)
	go func() {
		for {
			line, err := in.ReadString('\n')
			if err != nil || strings.Contains(line, text) {
				found <- err
				return
			}
		}
	}()
	select {
	case err := <-found:
		if err != nil {
			v.t.Fatalf("%s: %v", what, err)
		}
	case <-time.After(pagePatience):
		v.t.Fatalf("waited in vain for %s", what)
	}
}

// order tells the simulated board something.
func (v *visit) order(text string) {
	v.t.Helper()
	c, err := net.Dial("unix", filepath.Join(v.dir, "board.sock"))
	if err != nil {
		v.t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintln(c, text); err != nil {
		v.t.Fatal(err)
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || strings.Contains(line, "error") {
		v.t.Fatalf("%s: %s %v", text, line, err)
	}
}

// resident is VmRSS of the program, bytes.
func (v *visit) resident() int64 {
	v.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.cmd.Process.Pid))
	if err != nil {
		v.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				v.t.Fatal(err)
			}
			return kib << 10
		}
	}
	v.t.Fatal("no VmRSS")
	return 0
}
