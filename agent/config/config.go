// Package config reads the one YAML file that says what a device is and does.
//
// Load reads it whole and names every problem at once, each with its place:
//
//	kiosk.yaml:14:10: streams[2].url: no host in "rtsp:///live"; write rtsp://HOST/PATH
//
// Each field stands once, in the tables of fields.go, with its type, default,
// limits and meaning; reading, printing and docs/reference/configuration.md all
// come from there. Relative paths in the file count from its directory, and are
// absolute or relative to the working directory here.
//
// A loaded Config is plain data that nobody changes; it may be shared between
// goroutines. No method and no fmt verb shows a secret of it, except
// Secret.Value. That a file named in it exists is a second question, asked by
// CheckFiles; Check asks both.
package config

import (
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Config is one device's configuration, with defaults filled in.
type Config struct {
	File string // as it was given to Load

	Device      string
	Site        Site
	Data        string // directory of what the device keeps
	Spool       Spool
	Uplink      Uplink
	Checkpoints Checkpoints
	Streams     []Stream
	Pictures    Pictures
	Groups      []Group
	Apps        []App
	Board       Board
	Kiosk       Kiosk
	Sensors     []Sensor
	Lines       []Line
	Watchdog    Watchdog
	Page        Page
	Update      Update
	Metrics     Metrics
	Log         Log
	StatsEvery  time.Duration // between two measurements of streams and device

	marks   map[string]mark // where each value stands, by its path
	version string          // of the text
	text    *string         // behind a pointer, so that no fmt verb shows its secrets
}

// Text is what this was read from, with the secrets that stand in it.
func (c *Config) Text() string {
	if c.text == nil {
		return ""
	}
	return *c.text
}

// Version names the text that this was read from: its SHA-256.
func (c *Config) Version() string { return c.version }

// Site is where the device stands.
type Site struct {
	Name     string
	Lat, Lon float64 // degrees, WGS 84; both 0 when not given
}

// Spool limits what waits on the disk. The sizes are in bytes.
type Spool struct {
	Mirror         string // second directory for the complaint lane; "" for none
	Complaint      int64
	Event          int64
	Telemetry      int64
	TelemetryDelay time.Duration // longest time that a measurement is only in memory
}

// Values of Uplink.Acknowledge.
const (
	ByCentre = "centre" // a record leaves the disk on the centre's signed note
	ByBroker = "broker" // a record leaves the disk on the broker's PUBACK
)

// Uplink is how records leave.
type Uplink struct {
	Brokers         []Broker // in order of preference, at least one
	TPM             string   // device file; "" for none
	Acknowledge     string   // ByCentre or ByBroker
	CentreKey       string   // note verifier key; not "" with ByCentre
	KeepAlive       time.Duration
	BytesPerSecond  int64 // 0 is no limit
	MegabytesPerDay int64 // of 1,000,000 bytes, on metered brokers; 0 is no limit
}

// CentreKeys returns the verifier of CentreKey; an empty list without one.
func (u Uplink) CentreKeys() note.Verifiers {
	v, err := note.NewVerifier(u.CentreKey)
	if err != nil {
		return note.VerifierList() // Load refuses a key that is not one
	}
	return note.VerifierList(v)
}

// Broker is one MQTT broker over one link. URL holds no user name: one that was
// written there is in Username and Password.
type Broker struct {
	URL        string // mqtt://HOST[:PORT] or mqtts://HOST[:PORT]
	CA         string // PEM file; "" is the system's roots
	Cert, Key  string // PEM files; both or none
	ServerName string // "" is the URL's host
	Username   string
	Password   Secret
	Interface  string // network interface; "" for any
	Metered    bool

	inURL userinfo
}

// Stream is one camera. URL holds no user name, as in Broker.
type Stream struct {
	Name        string
	URL         string // rtsp:// or rtsps://
	Username    string
	Password    Secret
	Transport   string // auto, udp, tcp, multicast
	CA          string // PEM file; "" is the system's roots
	Fingerprint string // SHA-256 of the certificate, 64 lower-case hex digits; "" for none
	SilentAfter time.Duration
	Group       string // name of one of Groups; "" for none
	Shared      bool   // the centre may pass its state on to the police

	SubURL            string // the camera's smaller stream; "" is none
	Watch             string // WatchMain, WatchSub, WatchBoth
	Expect, SubExpect Expect
	Recovery          Recovery

	ONVIF        ONVIF
	SnapshotURL  string // http:// or https://; "" is none
	Picture      Picture
	PrivacyMasks []Rect // never leave the device

	inURL userinfo
}

// Values of Board.Driver.
const (
	DriverGPIO = "gpio"
	DriverSim  = "sim"
	DriverNone = "none"
)

// Board is what buttons and lamps are connected to.
type Board struct {
	Driver string // DriverGPIO, DriverSim, DriverNone
	Socket string // control socket of the simulated board
}

// Page is the technician's page; no Listen is none.
type Page struct {
	Listen   string // HOST:PORT
	Pictures bool   // of the cameras are shown
}

// Metrics are for Prometheus, on the device itself.
type Metrics struct {
	Listen string // "" is nowhere
}

// Log says how much is logged.
type Log struct {
	Level string // debug, info, warn, error
}

// SlogLevel returns the level as slog has it.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		return slog.LevelInfo // the zero Log
	}
	return level
}
