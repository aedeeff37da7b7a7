package agent

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kentongan/agent/config"
	"kentongan/agent/enrol"
	"kentongan/agent/report"
	"kentongan/hal/tpm"
)

// How a device enrols and renews its certificate.

// smallFiles keeps small files as the rest of the agent does.
type smallFiles struct{}

func (smallFiles) Save(file string, text []byte) error          { return saveFile(file, text) }
func (smallFiles) Load(file string, most int64) ([]byte, error) { return loadFile(file, most) }

// identityDir is where the certificate is kept, below the data directory.
func identityDir(data string) string { return filepath.Join(data, "identity") }

// DefaultData is the data directory of a device whose configuration names none.
const DefaultData = "/var/lib/kentongan"

// EnrolOptions say how a device enrols.
type EnrolOptions struct {
	Config   string // the configuration that is written
	Data     string // data directory; "" is the configuration's, or DefaultData
	Centre   *url.URL
	Token    report.EnrolToken
	TPM      string // in which the key is made; "" is the configuration's
	Progress func(step enrol.Step)

	Disk enrol.Disk // nil is the real one; tests cut it
}

// Enrol gets the device's certificate and writes it and the configuration. Each
// file is written whole or not at all, the configuration last: until then the
// device is what it was, and after an error or a power cut the same call finishes
// what was begun.
func Enrol(ctx context.Context, o EnrolOptions) (*enrol.Identity, error) {
	if o.Disk == nil {
		o.Disk = smallFiles{}
	}
	text, err := os.ReadFile(o.Config)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	data, inTPM := o.Data, o.TPM
	if len(text) > 0 {
		c, err := config.Parse(o.Config, text)
		if err != nil {
			return nil, err // before the token is used
		}
		if data == "" {
			data = c.Data
		}
		if inTPM == "" {
			inTPM = c.Uplink.TPM
		}
	}
	if data == "" {
		data = DefaultData
	}
	if data, err = filepath.Abs(data); err != nil {
		return nil, err
	}
	if err := notErasing(data); err != nil {
		return nil, err
	}
	known, err := enrolClock(data)
	if err != nil {
		return nil, err
	}
	dir := identityDir(data)
	if err := makeIdentityDir(data, dir); err != nil {
		return nil, fmt.Errorf("make identity: %w", err)
	}
	hold, err := lockDir(dir, unix.LOCK_SH)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("%s: %w", dir, ErrErasing)
	}
	if err != nil {
		return nil, err
	}
	defer hold.Close()
	if err := notErasing(data); err != nil { // marked before the directory was ours
		return nil, err
	}
	seed, err := recordSeed(data, o.Disk)
	if err != nil {
		return nil, err
	}
	id, err := enrol.Enrol(ctx, enrol.Options{
		Centre: o.Centre, Token: o.Token, Dir: dir, Disk: o.Disk, Keys: &deviceKeys{func() *tpm.TPM { return tpm.At(inTPM) }, true}, Progress: o.Progress, Clock: known.clock,
		RecordKey: ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey),
	})
	if err != nil {
		return nil, err
	}
	if err := known.learn(id.Time); err != nil {
		return nil, err
	}
	if err := nameRecordKey(data, id.Device, seed, o.Disk); err != nil {
		return nil, err
	}
	text, err = config.WithEnrolment(o.Config, text, enrolledConfig(id, dir, data, o.TPM))
	if err == nil {
		err = o.Disk.Save(o.Config, text)
	}
	if err != nil {
		return id, err
	}
	return id, errors.Join(removeSeed(data), enrol.Finish(dir))
}

// makeIdentityDir makes the directory of the identity, for who owns the data.
func makeIdentityDir(data, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(data)
	if err != nil {
		return err
	}
	return chownLike(dir, info)
}

func enrolledConfig(id *enrol.Identity, dir, data, tpm string) config.Enrolled {
	e := config.Enrolled{Device: id.Device, CentreKey: id.CentreKeys[0], TPM: tpm}
	if data != DefaultData {
		e.Data = data
	}
	pair := filepath.Join(dir, enrol.DeviceFile)
	for _, b := range id.Brokers {
		broker := config.Broker{URL: b.URL, ServerName: b.ServerName}
		if strings.HasPrefix(b.URL, "mqtts:") {
			broker.CA, broker.Cert, broker.Key = filepath.Join(dir, enrol.CAFile), pair, pair
		}
		e.Brokers = append(e.Brokers, broker)
	}
	return e
}

// enrolClock is the clock of a device that does not run its agent yet.
func enrolClock(data string) (*knownTime, error) {
	c, err := newClock()
	if err != nil {
		return nil, err
	}
	return newKnownTime(filepath.Join(data, "time"), c.stamp, slog.New(slog.DiscardHandler)), nil
}

// clock is now and whether a time service keeps it.
func (k *knownTime) clock() (time.Time, bool) { return k.now(), k.stamp().Clock == report.ClockSynced }

// learn keeps a time that the centre gave, where no time service is heard: what is
// certified from today on has not begun for a board that starts in 1970.
func (k *knownTime) learn(t time.Time) error {
	if _, synced := k.clock(); synced || !t.After(k.now()) {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	if err := saveFile(k.file, fmt.Appendln(nil, t.Format(time.RFC3339))); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept, k.at = t, time.Now()
	return nil
}

// seedFile holds the seed of the record key until the device has a name: the name
// is part of the key as notes have it.
func seedFile(data string) string { return filepath.Join(identityDir(data), "record.seed") }

func recordKeyFile(data string) string { return filepath.Join(data, "record.key") }

// recordSeed is the seed of the key that the device signs its records with: that
// of an enrolment that was cut off, that of the agent's key, or a new one, which
// is on the disk when this returns.
func recordSeed(data string, d enrol.Disk) ([]byte, error) {
	text, err := d.Load(seedFile(data), maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("read record key: %w", err)
	}
	if seed, err := hex.DecodeString(strings.TrimSpace(string(text))); err == nil && len(seed) == ed25519.SeedSize {
		return seed, nil
	}
	text, err = d.Load(recordKeyFile(data), maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("read record key: %w", err)
	}
	_, seed, err := report.KeySeed(string(text))
	if err != nil {
		seed = make([]byte, ed25519.SeedSize)
		_, _ = rand.Read(seed) // never fails
	}
	return seed, d.Save(seedFile(data), fmt.Appendf(nil, "%x\n", seed))
}

// nameRecordKey writes the record key under the device's name.
func nameRecordKey(data, device string, seed []byte, d enrol.Disk) error {
	secret, err := report.SeedKey(report.RecordKeyName(device), seed)
	if err != nil {
		return err
	}
	return d.Save(recordKeyFile(data), []byte(secret+"\n"))
}

func removeSeed(data string) error {
	if err := os.Remove(seedFile(data)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("finish enrolment: %w", err)
	}
	return nil
}

// buildEnrolment joins the part that renews the certificate. It waits where there
// is none.
func (a *Agent) buildEnrolment() {
	var key ed25519.PublicKey
	if text, err := loadFile(recordKeyFile(a.cfg.Data), maxKeyFile); err == nil {
		if _, seed, err := report.KeySeed(string(text)); err == nil {
			key = ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
		}
	}
	r := enrol.NewRenewer(enrol.RenewConfig{
		Dir: identityDir(a.cfg.Data), Disk: smallFiles{}, Keys: a.currentKeys(), Clock: a.known.clock, RecordKey: key,
		Told: func(c report.Certificate) { a.journal.add(report.Event, report.KindCertificate, c) },
		Learned: func(t time.Time) {
			if err := a.known.learn(t); err != nil {
				a.o.Log.Warn("centre's time not kept", "part", "enrol", "err", err)
			}
		},
	}, a.o.Log)
	a.parts = append(a.parts, part{"enrol", r.Run})
	a.beating = append(a.beating, r)
}
