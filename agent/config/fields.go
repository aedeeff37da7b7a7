package config

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// fields is the table of the whole file, bound to c: what is read goes there,
// what is printed comes from there. Relative paths count from dir.
func (c *Config) fields(dir string) []field {
	return []field{
		text("device", &c.Device, checkDevice).matching(devicePattern).must().like("kiosk-7").
			says("The device's id: the common name of its certificate and its level in every topic. 1 to 40 of a-z, 0-9 and hyphen."),
		mapping("site", []field{
			brief("name", &c.Site.Name, 100).like("Balai Kota").says("Where the device stands, for people."),
			number("lat", &c.Site.Lat, -90, 90).like("-6.12").says("Latitude in degrees, WGS 84. lat and lon come together."),
			number("lon", &c.Site.Lon, -180, 180).like("106.15").says("Longitude in degrees, WGS 84."),
		}).says("Where the device stands."),
		path("data", &c.Data, dir).defaults("/var/lib/kentongan").
			says("Directory of what the device keeps: the spool, its state. It is made when it is not there."),
		mapping("spool", c.Spool.fields(dir)).says("What waits on the disk until the centre has it."),
		mapping("uplink", c.Uplink.fields(dir)).must().says("How records leave."),
		mapping("checkpoints", c.Checkpoints.fields()).says("How often the device signs its complaints and events, so that nobody can change them later unseen."),
		list("streams", &c.Streams, func(s *Stream) []field { return s.fields(dir) }).
			says("The cameras."),
		mapping("pictures", c.Pictures.fields()).says("How the cameras' pictures are looked at."),
		list("groups", &c.Groups, (*Group).fields).
			says("Cameras that fail together when one thing fails. Those behind one address are a group already."),
		list("apps", &c.Apps, func(a *App) []field { return a.fields(dir) }).
			says("The public applications, asked from here as a citizen's browser does."),
		mapping("board", []field{
			oneOf("driver", &c.Board.Driver, DriverGPIO, DriverSim, DriverNone).defaults(DriverNone).
				says("gpio is the board's own lines, sim a board that a PC plays, none a device without buttons and lamps."),
			path("socket", &c.Board.Socket, dir).like("board.sock").
				says("Control socket of the simulated board; needed with driver sim."),
		}).says("What buttons and lamps are connected to."),
		mapping("kiosk", c.Kiosk.fields(dir)).says("The buttons and what they mean."),
		list("sensors", &c.Sensors, (*Sensor).fields).says("What measures temperature, humidity and voltage around the device."),
		list("lines", &c.Lines, (*Line).fields).says("Contacts: mains, UPS, doors, water, motion."),
		mapping("watchdog", c.Watchdog.fields()).says("The board's hardware watchdog: it resets the board when the agent or the kernel hangs."),
		mapping("page", []field{
			text("listen", &c.Page.Listen, checkListen).must().like("0.0.0.0:8443").
				says("Address and port of the page, over TLS. 0.0.0.0 is every network that the device is in; the code that `kentongan pair` prints lets somebody in."),
			boolean("pictures", &c.Page.Pictures).defaults("false").
				says("Whether the page may show still pictures of the cameras. Privacy masks are painted over in them; each one that is looked at is an event."),
		}).says("A page for a technician's phone on the same network: docs/how-to/phone-on-site.md. Without it nothing listens."),
		mapping("update", c.Update.fields(dir)).says("How new versions of the program come."),
		mapping("metrics", []field{
			text("listen", &c.Metrics.Listen, checkLoopback).like("127.0.0.1:9464").says("Address and port of /metrics; off without it. Only this machine may ask: a collector that runs here, or a tunnel."),
		}).says("The device's figures in Prometheus' format."),
		mapping("log", []field{
			oneOf("level", &c.Log.Level, "debug", "info", "warn", "error").defaults("info").says("The least that is logged."),
		}).says("What is logged, to standard error."),
		duration("stats_every", &c.StatsEvery, time.Second, time.Hour).defaults("10s").
			says("Time between two measurements of the streams and of the device itself."),
	}
}

func (s *Spool) fields(dir string) []field {
	return []field{
		path("mirror", &s.Mirror, dir).like("/media/usb/kentongan").
			says("Second directory, best on a second storage, that keeps every complaint too."),
		size("complaint", &s.Complaint, mib, gib).defaults("32MiB").
			says("Space of the complaint lane. It is written full once, so that nothing else can take it; when it is used up, a press is refused with a visible fault."),
		size("event", &s.Event, mib, 4*gib).defaults("64MiB").
			says("Space of the event lane; the oldest are dropped when it is used up."),
		size("telemetry", &s.Telemetry, mib, 64*gib).defaults("256MiB").
			says("Space of the telemetry lane; the oldest are dropped when it is used up."),
		duration("telemetry_delay", &s.TelemetryDelay, 100*time.Millisecond, 10*time.Minute).defaults("10s").
			says("Longest time that a measurement is in memory only. Longer spares the SD card."),
	}
}

func (u *Uplink) fields(dir string) []field {
	return []field{
		list("brokers", &u.Brokers, func(b *Broker) []field { return b.fields(dir) }).must().
			says("The MQTT brokers, in order of preference. The same broker may stand twice with another interface."),
		path("tpm", &u.TPM, dir).like("/dev/tpmrm0").
			says("The TPM 2.0 in which `kentongan enrol` and each renewal make the certificate's key, and that signs with it. Without it the key is in a file."),
		oneOf("acknowledge", &u.Acknowledge, ByCentre, ByBroker).defaults(ByCentre).
			says("Who says that a record has arrived. With broker it leaves the disk when the broker has it, which proves nothing about the centre."),
		text("centre_key", &u.CentreKey, checkCentreKey).like("kentongan-centre+1a2b3c4d+AbCd...").
			says("The centre's public key, as `kentongan-centre key` prints it; needed with acknowledge centre."),
		duration("keepalive", &u.KeepAlive, 5*time.Second, time.Hour).defaults("60s").
			says("Longest silence on the connection. Shorter finds a dead link sooner and costs traffic."),
		integer("bytes_per_second", &u.BytesPerSecond, 0, 1_000_000_000).defaults("0").
			says("Budget of the link; 0 is no limit."),
		integer("megabytes_per_day", &u.MegabytesPerDay, 0, 1_000_000).defaults("0").
			says("Budget of a day on metered brokers, in 1,000,000 bytes; 0 is no limit."),
	}
}

func (b *Broker) fields(dir string) []field {
	return []field{
		address("url", &b.URL, &b.inURL, mqttURL).must().
			says("The broker. Without a port 8883 (mqtts) or 1883 (mqtt, not encrypted)."),
		path("ca", &b.CA, dir).like("ca.pem").says("PEM file of the authorities that the broker's certificate may come from; else the system's."),
		path("cert", &b.Cert, dir).like("device.pem").says("PEM file of the device's certificate. cert and key come together."),
		path("key", &b.Key, dir).like("device.key").says("PEM file of the certificate's private key; TSS2 PRIVATE KEY is one of the TPM that `uplink.tpm` names."),
		text("server_name", &b.ServerName, checkHost).like("centre.example").says("Name that the broker's certificate must have; else the host of url."),
		brief("username", &b.Username, 128).apart().says("User name, where the broker wants one."),
		inlineSecret("password", &b.Password),
		secretFile("password_file", &b.Password, dir),
		text("interface", &b.Interface, checkInterface).like("eth0").says("Network interface to go out through; else the system decides."),
		boolean("metered", &b.Metered).defaults("false").says("Whether the link costs by volume: megabytes_per_day holds here."),
	}
}

func (s *Stream) fields(dir string) []field {
	return []field{
		text("name", &s.Name, checkName).matching(namePattern).must().like("gate").
			says("Our name of the camera. 1 to 40 of a-z, 0-9, hyphen and underscore."),
		address("url", &s.URL, &s.inURL, rtspURL).must().says("Where the camera's stream is."),
		brief("username", &s.Username, 128).apart().like("ops").says("User name, where the camera wants one."),
		inlineSecret("password", &s.Password),
		secretFile("password_file", &s.Password, dir),
		oneOf("transport", &s.Transport, "auto", "tcp", "udp", "multicast").defaults("auto").
			says("How packets come. auto is TCP, and UDP where the camera takes no TCP; udp and multicast go over to TCP when nothing comes through."),
		path("ca", &s.CA, dir).like("camera-ca.pem").says("PEM file of the authorities of the camera's certificate (rtsps)."),
		fingerprint("fingerprint", &s.Fingerprint).
			says("SHA-256 of the camera's own certificate (rtsps), 64 hex digits: for cameras that signed it themselves."),
		duration("silent_after", &s.SilentAfter, time.Second, 10*time.Minute).defaults("10s").
			says("Time without a picture after which the stream is silent."),
		sameUser("sub_url", &s.SubURL, rtspURL).says("Where the camera's smaller stream is. Watching it instead costs a fraction of the traffic."),
		oneOf("watch", &s.Watch, WatchMain, WatchSub, WatchBoth).
			says("Which stream tells the camera's health: main is url, sub is sub_url, both makes a second stream called NAME_sub. Without it sub where there is a sub_url."),
		mapping("expect", s.Expect.fields()).says("What the stream at url should be. What is left out is not checked."),
		mapping("sub_expect", s.SubExpect.fields()).says("What the stream at sub_url should be."),
		mapping("recovery", s.Recovery.fields()).says("What the device may do about a camera that has failed by itself, beyond asking it again over another connection or transport."),
		mapping("onvif", s.ONVIF.fields()).says("What the camera may be asked for over ONVIF; `kentongan discover` finds cameras that speak it."),
		sameUser("snapshot_url", &s.SnapshotURL, snapshotURL).
			says("Where the camera gives single JPEGs. It is asked, with the stream's user name, where the stream's own keyframes can't be decoded."),
		mapping("picture", s.Picture.fields()).says("How this camera's picture is looked at."),
		list("privacy_masks", &s.PrivacyMasks, (*Rect).fields).
			says("Parts of the picture that never leave the device: they are painted over in every snapshot."),
		groupOf(&s.Group),
		boolean("shared", &s.Shared).defaults("false").
			says("Whether the centre may pass on to the police how this camera does: its state, its alarms and where it stands. No picture, no address."),
	}
}

func inlineSecret(key string, to *Secret) field {
	return field{
		key: key, kind: kindText, secret: true,
		doc: "Password. password_file is better: this file is shown to others more easily.",
		set: func(s string) error {
			if len(s) > maxSecretBytes {
				return fmt.Errorf("more than %d bytes", maxSecretBytes)
			}
			if to.inline = nil; s != "" {
				to.inline = &s
			}
			return nil
		},
		get: func() string {
			if to.inline == nil {
				return ""
			}
			return hidden
		},
		reveal: func() *string { return to.inline },
	}
}

// secretFile is a file, or a credential that the service manager hands over.
func secretFile(key string, to *Secret, dir string) field {
	return scalar(key, kindPath, &to.file, func(s string) (string, error) {
		if name, ok := strings.CutPrefix(s, credentialPrefix); ok {
			return s, checkCredential(name)
		}
		return resolve(s, dir)
	}, strconv.Quote).like("broker.secret").
		says("File that holds the password, on one line; or `credential:NAME`, a credential of the systemd unit.")
}

func checkLoopback(s string) error {
	if err := checkListen(s); err != nil {
		return err
	}
	if host, _, _ := net.SplitHostPort(s); !net.ParseIP(host).IsLoopback() {
		return fmt.Errorf("%s is not this machine alone; write 127.0.0.1:PORT or [::1]:PORT", show(s))
	}
	return nil
}

func checkDevice(s string) error {
	if !report.ValidDevice(s) {
		return fmt.Errorf("%s can't be a device's id; write 1 to 40 of a-z, 0-9 and hyphen, no hyphen at either end", show(s))
	}
	return nil
}

func checkName(s string) error {
	if !report.ValidName(s) {
		return fmt.Errorf("%s can't be a name; write 1 to 40 of a-z, 0-9, hyphen and underscore, beginning and ending with a letter or digit", show(s))
	}
	return nil
}

const codePattern = `^[A-Za-z0-9._:-]{1,64}$`

var codeForm = regexp.MustCompile(codePattern)

// What report.ValidDevice and report.ValidName take; a test holds them to it.
const (
	devicePattern = `^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`
	namePattern   = `^[a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?$`
)

func checkCode(s string) error {
	if !codeForm.MatchString(s) {
		return fmt.Errorf("%s can't be a service code; write 1 to 64 letters, digits, and . _ : - without spaces", show(s))
	}
	return nil
}

func checkCentreKey(s string) error {
	if len(s) > 12 && s[:12] == "PRIVATE+KEY+" {
		return errors.New("this is a private key, which must never be on a device; write the public one that `kentongan-centre key` prints")
	}
	if _, err := note.NewVerifier(s); err != nil {
		return fmt.Errorf("%s is not a centre's key (%v); write NAME+HASH+KEY as `kentongan-centre key` prints it", show(s), err)
	}
	return nil
}
