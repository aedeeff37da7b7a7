package agent

import (
	"crypto/rand"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/checkpoint"
	"kentongan/agent/config"
	"kentongan/agent/report"
)

// maxKeyFile is the most that is read of the record key's file.
const maxKeyFile = 1 << 10

// recordKey is the key that signs the checkpoints. The secret stays in its file
// and in this process.
type recordKey struct {
	signer note.Signer
	public string
}

// loadRecordKey reads the record key, or makes it at the first start.
//
// One that is there and can't be made sense of is set aside, and told, and a new
// one is made: the centre then shows that the key is another one, and takes it
// when somebody there says so. One that the disk does not give now may be back
// at the next start, so none is made.
func (a *Agent) loadRecordKey() (recordKey, error) {
	file := recordKeyFile(a.cfg.Data)
	text, err := loadFile(file, maxKeyFile)
	if err != nil {
		return recordKey{}, fmt.Errorf("read record key: %w", err)
	}
	if text != nil {
		k, err := parseRecordKey(string(text), a.cfg.Device)
		if err == nil {
			return k, nil
		}
		a.setAside(file, err)
	}
	secret, public, err := report.NewRecordKey(rand.Reader, a.cfg.Device)
	if err != nil {
		return recordKey{}, err
	}
	if err := saveFile(file, []byte(secret+"\n")); err != nil {
		return recordKey{}, err
	}
	a.o.Log.Info("record key made", "part", "checkpoint", "key", public)
	return parseRecordKey(secret, a.cfg.Device)
}

func parseRecordKey(secret, device string) (k recordKey, err error) {
	secret = strings.TrimSpace(secret)
	if k.public, err = report.PublicKey(secret); err == nil {
		err = report.CheckRecordKey(k.public, device)
	}
	if err == nil {
		k.signer, err = note.NewSigner(secret)
	}
	if err != nil {
		return recordKey{}, fmt.Errorf("record key: %w", err)
	}
	return k, nil
}

// openRecordKey reads the key that signs. A device whose key can't be read or kept
// takes presses all the same; its centre sees that nothing is signed.
func (a *Agent) openRecordKey() {
	key, err := a.loadRecordKey()
	if err != nil {
		a.o.Log.Error("records are not signed", "part", "checkpoint", "err", err)
		return
	}
	a.recordKey, a.signer = key.public, key.signer
}

// makeCheckpoints makes the part that signs.
func (a *Agent) makeCheckpoints(c *config.Config) func() (*unit, error) {
	return func() (*unit, error) {
		n := checkpoint.New(checkpoint.Config{
			Device: a.cfg.Device, Signer: a.signer, Key: a.recordKey,
			Every: c.Checkpoints.Every, Records: uint64(c.Checkpoints.Records), Now: a.known.now,
		}, a.spool, a.uplink, a.o.Log)
		return &unit{
			beats: []beating{n}, parts: []part{{"checkpoint", n.Run}},
			begin: func() { a.notary.Store(n) },
		}, nil
	}
}

// leaving signs what has not been, before a connection is left in order.
func (a *Agent) leaving() {
	if n := a.notary.Load(); n != nil {
		n.Sign()
	}
}
