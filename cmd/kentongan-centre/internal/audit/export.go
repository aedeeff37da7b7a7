package audit

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// ExportFormat names the layout of an export, see docs/how-to/audit.md.
const ExportFormat = "kentongan-audit-export/1"

// ExportOptions say what an auditor gets.
type ExportOptions struct {
	Dir       string      // is made; must be empty or not there
	Centre    []string    // the centre's public keys
	Signer    note.Signer // signs the list of files; nil for a centre whose key is not here
	Roots     string      // file of the log of roots
	Telemetry bool        // measurements too, without the pieces of pictures
	Now       time.Time
	Progress  func(read, of uint64) // nil is nobody
}

// exportList is export.json.
type exportList struct {
	Format     string            `json:"format"`
	At         time.Time         `json:"at"`
	CentreKeys []string          `json:"centre_keys"`
	Devices    []exportDevice    `json:"devices"`
	Files      map[string]string `json:"files"` // name → SHA-256, hex
}

type exportDevice struct {
	Device string            `json:"device"`
	Keys   []store.DeviceKey `json:"keys"`
	Lanes  []exportLane      `json:"lanes"`
}

type exportLane struct {
	Lane     string `json:"lane"`
	Epoch    string `json:"epoch"`
	First    uint64 `json:"first"` // below it the device has let go
	Next     uint64 `json:"next"`
	Records  uint64 `json:"records"`
	Withheld uint64 `json:"withheld,omitempty"` // pieces of pictures, which are not for auditors
	File     string `json:"file"`
}

// exporter writes one export.
type exporter struct {
	o    ExportOptions
	view *store.View
	list exportList
	read uint64
	of   uint64
}

// Export writes what an auditor needs to check the records without us: the
// records' own bytes as JSON Lines, checkpoints, keys, receipts and roots.
func Export(ctx context.Context, v *store.View, o ExportOptions) error {
	if left, err := os.ReadDir(o.Dir); err == nil && len(left) > 0 {
		return fmt.Errorf("export to %s: it is not empty; name a new directory", o.Dir)
	}
	x := &exporter{o: o, view: v, list: exportList{Format: ExportFormat, At: o.Now.UTC().Truncate(time.Second), CentreKeys: o.Centre, Devices: []exportDevice{}, Files: map[string]string{}}}
	if err := x.write(ctx); err != nil {
		return fmt.Errorf("export to %s: %w", o.Dir, err)
	}
	return nil
}

func (x *exporter) write(ctx context.Context) error {
	if err := os.MkdirAll(x.o.Dir, 0o750); err != nil {
		return err
	}
	lanes, err := x.view.AuditLanes(ctx, "", time.Time{})
	if err != nil {
		return err
	}
	for _, l := range lanes {
		x.of += l.Received
	}
	for len(lanes) > 0 {
		n := 1
		for n < len(lanes) && lanes[n].Device == lanes[0].Device {
			n++
		}
		if err := x.device(ctx, lanes[:n]); err != nil {
			return err
		}
		lanes = lanes[n:]
	}
	if err := x.roots(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(x.list, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(x.o.Dir, "export.json"), text, 0o640); err != nil {
		return err
	}
	return x.sign(text)
}

// sign makes export.note, by which the centre says that this is its export.
func (x *exporter) sign(list []byte) error {
	if x.o.Signer == nil {
		return nil
	}
	text := fmt.Sprintf("%s/centre/export\nlist %s\ntime %s\n", report.Root, report.HashLine(list), x.list.At.Format(time.RFC3339))
	msg, err := note.Sign(&note.Note{Text: text}, x.o.Signer)
	if err != nil {
		return fmt.Errorf("sign list: %w", err)
	}
	return os.WriteFile(filepath.Join(x.o.Dir, "export.note"), msg, 0o640)
}

// file is one file of the export while it is written.
type file struct {
	*bufio.Writer
	f   *os.File
	sum hash.Hash
}

// create makes a file of the export; finish lists it.
func (x *exporter) create(name string) (*file, error) {
	at := filepath.Join(x.o.Dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(at), 0o750); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(at, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	return &file{bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<16), f, sum}, nil
}

func (x *exporter) finish(name string, f *file, err error) error {
	if err = errors.Join(err, f.Flush(), f.f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	x.list.Files[name] = hex.EncodeToString(f.sum.Sum(nil))
	return nil
}

func (x *exporter) device(ctx context.Context, lanes []store.AuditLane) (err error) {
	d := exportDevice{Device: lanes[0].Device, Lanes: []exportLane{}}
	if d.Keys, err = x.view.DeviceKeys(ctx, d.Device); err != nil {
		return err
	}
	for _, l := range lanes {
		if l.Lane == string(report.Telemetry) && !x.o.Telemetry {
			continue
		}
		out, err := x.lane(ctx, l)
		if err != nil {
			return err
		}
		d.Lanes = append(d.Lanes, out)
	}
	x.list.Devices = append(x.list.Devices, d)
	for kind, read := range map[string]func(context.Context, int64, uint64) ([]store.AuditNote, error){"checkpoints": x.view.AuditCheckpoints, "receipts": x.view.AuditReceipts} {
		if err := x.notes(ctx, lanes, "devices/"+d.Device+"/"+kind+".jsonl", read); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) lane(ctx context.Context, l store.AuditLane) (exportLane, error) {
	out := exportLane{Lane: l.Lane, Epoch: l.Epoch, First: l.First, Next: l.Next, File: fmt.Sprintf("devices/%s/%s-%s.jsonl", l.Device, l.Lane, l.Epoch)}
	f, err := x.create(out.File)
	if err != nil {
		return out, err
	}
	return out, x.finish(out.File, f, x.records(ctx, l, &out, f))
}

func (x *exporter) records(ctx context.Context, l store.AuditLane, out *exportLane, to *file) error {
	for last := uint64(0); ; {
		page, err := x.view.AuditRecords(ctx, l.ID, last, pageRecords)
		if err != nil {
			return err
		}
		for _, r := range page {
			last = r.Seq
			if r.Kind == report.KindSnapshotPiece {
				out.Withheld++
				continue
			}
			out.Records++
			if _, err := to.Write(append(slices.Clone(r.Line), '\n')); err != nil {
				return err
			}
		}
		if x.read += uint64(len(page)); x.o.Progress != nil {
			x.o.Progress(x.read, max(x.of, x.read))
		}
		if len(page) < pageRecords {
			return nil
		}
	}
}

// notes writes signed notes, one JSON string a line.
func (x *exporter) notes(ctx context.Context, lanes []store.AuditLane, name string, read func(context.Context, int64, uint64) ([]store.AuditNote, error)) error {
	f, err := x.create(name)
	if err != nil {
		return err
	}
	err = func() error {
		enc := json.NewEncoder(f)
		for _, l := range lanes {
			list, err := read(ctx, l.ID, 0)
			if err != nil {
				return err
			}
			for _, n := range list {
				if err := enc.Encode(string(n.Note)); err != nil {
					return err
				}
			}
		}
		return nil
	}()
	return x.finish(name, f, err)
}

// roots copies the log of roots as it is.
func (x *exporter) roots() error {
	in, err := os.Open(x.o.Roots)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	f, err := x.create("roots.jsonl")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	return x.finish("roots.jsonl", f, err)
}
