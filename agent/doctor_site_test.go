package agent

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/pion/rtp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sys/unix"

	"kentongan/agent/doctor"
	"kentongan/agent/report"
	"kentongan/agent/spool"
	"kentongan/agent/stream/streamtest"
	"kentongan/broker-config/brokertest"
	"kentongan/hal"
	"kentongan/hal/sensors"
)

// bench is what all sites share: a broker with its real rules, a centre, and a
// camera.
type bench struct {
	dir       string
	ca        *authority
	broker    *brokertest.Mosquitto
	centreKey string // public
	camera    *streamtest.Server
}

// authority signs what a test needs, for any time.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.key = newECKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(2, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &a.key.PublicKey, a.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.file = filepath.Join(a.dir, "ca.pem")
	write(t, a.file, pemText("CERTIFICATE", der))
	return a
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// pair is a certificate and its key, and where they stand.
type pair struct {
	cert, key string // PEM files
	serial    *big.Int
}

func (p pair) load(t *testing.T) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// issue signs a certificate that begins and ends so long from now; with ip it is
// also a server's.
func (a *authority) issue(t *testing.T, name string, from, until time.Duration, ip bool) pair {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if ip {
		tmpl.IPAddresses, tmpl.ExtKeyUsage = []net.IP{net.IPv4(127, 0, 0, 1)}, append(tmpl.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	key := newECKey(t)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return a.certify(t, tmpl, &key.PublicKey, pemText("PRIVATE KEY", keyDER))
}

// inTPM is a device's certificate, whose key is in a TPM.
func (a *authority) inTPM(t *testing.T, name string, socket string) pair {
	t.Helper()
	k, err := Keys(socket).Make()
	if err != nil {
		t.Fatal(err)
	}
	return a.certify(t, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(year),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, k.Public(), string(k.PEM))
}

// certify signs and writes both files.
func (a *authority) certify(t *testing.T, tmpl *x509.Certificate, public crypto.PublicKey, key string) pair {
	t.Helper()
	serial := tmpl.SerialNumber
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, public, a.key)
	if err != nil {
		t.Fatal(err)
	}
	p := pair{cert: filepath.Join(a.dir, serial.String()+".pem"), key: filepath.Join(a.dir, serial.String()+".key"), serial: serial}
	write(t, p.cert, pemText("CERTIFICATE", der))
	write(t, p.key, key)
	return p
}

// crl is the list of what is revoked.
func (a *authority) crl(t *testing.T, revoked ...pair) string {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().AddDate(0, 0, 7)}
	for _, p := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: p.serial, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return pemText("X509 CRL", der)
}

// files are what a broker of this authority needs.
func (a *authority) files(t *testing.T, server pair, revoked ...pair) map[string][]byte {
	t.Helper()
	read := func(file string) []byte {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	return map[string][]byte{"ca.pem": read(a.file), "crl.pem": []byte(a.crl(t, revoked...)), "server.pem": read(server.cert), "server.key": read(server.key)}
}

const year = 365 * 24 * time.Hour

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir(), ca: newAuthority(t, "Kentongan test")}
	b.broker = brokertest.StartMosquittoWith(t, b.ca.files(t, b.ca.issue(t, "broker", -time.Hour, year, true)))
	b.startCentre(t)
	b.camera = startTestCamera(t, streamtest.Options{Username: "ops", Password: "rahasia"}, h264Video, 5)
	return b
}

// startCentre answers each batch with a signed receipt, as the centre's ingest
// does after its commit. Devices called mute-… get none, and strange-… one of
// another key.
func (b *bench) startCentre(t *testing.T) {
	t.Helper()
	signer := func() (note.Signer, string) {
		secret, public, err := note.GenerateKey(nil, "kentongan-centre")
		if err != nil {
			t.Fatal(err)
		}
		s, err := note.NewSigner(secret)
		if err != nil {
			t.Fatal(err)
		}
		return s, public
	}
	ours, public := signer()
	strange, _ := signer()
	b.centreKey = public
	o := mqtt.NewClientOptions().AddBroker("ssl://" + b.broker.Addr).SetClientID("kentongan.centre").SetOrderMatters(false)
	pool := x509.NewCertPool()
	pool.AddCert(b.ca.cert)
	o.SetTLSConfig(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{b.ca.issue(t, "kentongan.centre", -time.Hour, year, false).load(t)}})
	client := mqtt.NewClient(o)
	token := client.Connect()
	if !token.WaitTimeout(time.Minute) || token.Error() != nil {
		t.Fatalf("centre: %v", token.Error())
	}
	t.Cleanup(func() { client.Disconnect(0) })
	token = client.Subscribe(report.UpFilter, 1, func(_ mqtt.Client, m mqtt.Message) {
		topic, err := report.ParseTopic(m.Topic())
		if err != nil || strings.HasPrefix(topic.Device, "mute-") {
			return
		}
		var head struct{ Head report.Head }
		first, _, _ := strings.Cut(string(m.Payload()), "\n")
		if json.Unmarshal([]byte(first), &head) != nil {
			return
		}
		key := ours
		if strings.HasPrefix(topic.Device, "strange-") {
			key = strange
		}
		msg, err := report.Ack{Device: topic.Device, Lane: topic.Lane, Epoch: head.Head.Epoch, Seq: head.Head.Next - 1, Hash: new(report.Hash), Time: time.Now()}.Sign(key)
		if err == nil {
			client.Publish(report.Topics(topic.Device).Ack(topic.Lane), 1, true, msg)
		}
	})
	if !token.WaitTimeout(time.Minute) || token.Error() != nil {
		t.Fatalf("centre: %v", token.Error())
	}
}

// h264Video is a picture of 1920x1080.
var h264Video = &format.H264{
	PayloadTyp: 96, PacketizationMode: 1,
	SPS: []byte{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20},
	PPS: []byte{0x08, 0x06, 0x07, 0x08},
}

// startTestCamera serves f, and writes pictures, a keyframe each gop of them; 0
// is none, and less is no picture at all.
func startTestCamera(t *testing.T, o streamtest.Options, f format.Format, gop int) *streamtest.Server {
	t.Helper()
	m := &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{f}}
	o.Medias = []*description.Media{m}
	s, err := streamtest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done; s.Close() })
	go func() {
		defer close(done)
		tick := time.NewTicker(40 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if gop < 0 {
				continue
			}
			nal := append([]byte{0x41, 0x9a}, make([]byte, 800)...)
			if gop > 0 && n%gop == 0 {
				nal[0] = 0x65
			}
			_ = s.WritePacket(m, &rtp.Packet{Header: rtp.Header{
				Version: 2, PayloadType: 96, SequenceNumber: uint16(n), Timestamp: uint32(n * 3600), SSRC: 7, Marker: true,
			}, Payload: nal})
		}
	}()
	return s
}

// site is one device, and all that a row may break of it.
type site struct {
	b   *bench
	o   DoctorOptions
	dir string
	sys string // sysfs

	text string // the configuration, when it is not made of the following; "-" for none

	device, data, address, centreKey  string
	ca, cert, key, serverName, login  string // login: more lines of the broker
	tpm                               string
	cameraURL, cameraUser, cameraPass string
	more                              string // more sections
}

// newSite makes a healthy one.
func newSite(t *testing.T, b *bench, name string) *site {
	t.Helper()
	dir := t.TempDir()
	device := strings.ReplaceAll(strings.NewReplacer(":", "", ",", "", "'", "").Replace(strings.ToLower(name)), " ", "-")
	s := &site{
		b: b, dir: dir, sys: filepath.Join(dir, "sys"), device: device[:min(len(device), 40)], data: filepath.Join(dir, "data"),
		address: "mqtts://" + b.broker.Addr, centreKey: b.centreKey, ca: b.ca.file,
		cameraURL: b.camera.URL(), cameraUser: "ops", cameraPass: "rahasia",
	}
	s.device = strings.Trim(s.device, "-")
	identityOf("", -time.Hour, year)(t, s)
	s.fillSys(t)
	s.fillSpool(t)
	s.o = DoctorOptions{
		Service: func(context.Context) doctor.Verdict { return doctor.Say("service.ok") }, // cmd/kentongan tests the look
		machine: doctor.Machine{Sys: s.sys},
		quality: func(now time.Time) report.Clock { return synced(now) },
		lines:   playedLines{},
		sensors: sensors.Machine{Sys: s.sys},
		hasty:   true,
	}
	return s
}

// synced is a clock that a time service keeps, on a machine whose own has none.
func synced(now time.Time) report.Clock {
	if now.Before(released) {
		return report.ClockUnset
	}
	return report.ClockSynced
}

// playedLines is a board in the place of a chip, which hal/rig has: all its lines
// are there, but for those that their names say.
type playedLines struct{}

func (playedLines) Name() string { return "played" }

func (playedLines) Look(c hal.LineConfig) (string, error) {
	switch c.Line {
	case "GPIO99":
		return "", &hal.LineError{Line: c, Problem: hal.Missing, Detail: "there is chip gpiochip0 [played] with lines 0 GPIO17"}
	case "GPIO14":
		return "uart0", nil
	case "GPIO27":
		return "kentongan light", nil
	case "GPIO1":
		return "", &hal.LineError{Line: c, Problem: hal.Refused, Err: os.ErrPermission}
	}
	return "", nil
}

// fillSys makes a sysfs of a board that is well: power, an SD card with ext4, a
// temperature sensor.
func (s *site) fillSys(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll(s.data, 0o755); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(s.data, &st); err != nil {
		t.Fatal(err)
	}
	card := filepath.Join(s.sys, "devices/mmc0/block/mmcblk0")
	for file, text := range map[string]string{
		"devices/platform/soc/soc:firmware/get_throttled": "0\n",
		"class/thermal/thermal_zone0/temp":                "48312\n",
		"fs/ext4/mmcblk0p2/errors_count":                  "0\n",
		"devices/mmc0/block/mmcblk0/mmcblk0p2/partition":  "2\n",
		"bus/w1/devices/28-000001/w1_slave":               "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n",
	} {
		write(t, filepath.Join(s.sys, file), text)
	}
	block := filepath.Join(s.sys, "dev/block")
	if err := os.MkdirAll(block, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(card, "mmcblk0p2"), filepath.Join(block, fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)))); err != nil {
		t.Fatal(err)
	}
}

// fillSpool makes a spool with a press and an event in it.
func (s *site) fillSpool(t *testing.T, events ...any) {
	t.Helper()
	sp := s.openSpool(t)
	for _, e := range append(events, report.Boot{Version: "1"}) {
		kind := report.KindBoot
		if _, ok := e.(report.UplinkState); ok {
			kind = report.KindUplink
		}
		if _, err := sp.Append(t.Context(), report.Event, kind, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := sp.Close(); err != nil {
		t.Fatal(err)
	}
}

func (s *site) openSpool(t *testing.T) *spool.Spool {
	t.Helper()
	quota := map[report.Lane]int64{report.Complaint: 1 << 20, report.Event: 1 << 20, report.Telemetry: 1 << 20}
	o := spool.Options{
		Device: s.device, Quota: quota,
		Stamp: func() report.Stamp {
			return report.Stamp{Time: time.Now(), Clock: report.ClockSynced, Boot: "1f2e3d4c", Uptime: time.Hour}
		},
	}
	sp, err := spool.Open(filepath.Join(s.data, "spool"), o)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		// A program that another row starts has our lock until its exec.
		if _, locked := errors.AsType[*spool.LockedError](err); !locked {
			break
		}
		sp, err = spool.Open(filepath.Join(s.data, "spool"), o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sp
}

// yaml is the site's configuration.
func (s *site) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "device: %s\ndata: %s\nuplink:\n  centre_key: %s\n  brokers:\n    - url: %s\n", s.device, s.data, s.centreKey, s.address)
	if strings.HasPrefix(s.address, "mqtts:") {
		fmt.Fprintf(&b, "      ca: %s\n      cert: %s\n      key: %s\n", s.ca, s.cert, s.key)
		if s.serverName != "" {
			fmt.Fprintf(&b, "      server_name: %s\n", s.serverName)
		}
	}
	b.WriteString(s.login)
	if s.tpm != "" {
		fmt.Fprintf(&b, "  tpm: %s\n", s.tpm)
	}
	fmt.Fprintf(&b, "streams:\n  - name: gate\n    url: %s\n    username: %s\n    password: %s\n", s.cameraURL, s.cameraUser, s.cameraPass)
	b.WriteString("board: {driver: gpio}\nkiosk:\n  number: 7\n  buttons:\n    - {name: road, line: GPIO17, label: {id: Jalan, en: Road}, service_code: road, category: jalan}\n")
	b.WriteString("sensors:\n  - {name: box, driver: ds18b20}\n")
	b.WriteString(s.more)
	return b.String()
}
