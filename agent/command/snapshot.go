package command

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"kentongan/agent/report"
)

// Picture is one picture of a camera, with its privacy masks burnt in.
type Picture struct {
	Format        string // jpeg, mp4
	Bytes         []byte
	Width, Height int // pixels
	TakenAt       time.Time
}

// Cameras is what the snapshot order needs of the streams.
type Cameras interface {
	Snapshot(ctx context.Context, stream string) (Picture, error)
}

// Records keeps what a snapshot leaves behind; what it returns for is kept as
// the lane promises.
type Records interface {
	Append(ctx context.Context, lane report.Lane, kind string, body any) (uint64, error)
}

// snapshotLimit is for a camera that has to be asked for its next keyframe.
const snapshotLimit = 30 * time.Second

// Snapshot makes the snapshot command. The record of who, why and what is kept
// before the first piece of the picture.
func Snapshot(cameras Cameras, records Records) Handler {
	return Handler{Name: report.OrderSnapshot, Clock: true, Limit: snapshotLimit, Do: func(ctx context.Context, o report.Order) (string, error) {
		var a report.SnapshotArgs
		if err := arguments(o, &a); err != nil {
			return "", err
		}
		if a.Stream == "" || strings.TrimSpace(a.Who) == "" || strings.TrimSpace(a.Reason) == "" {
			return "", BadArguments{errors.New("arguments: stream, who and reason are needed")}
		}
		p, err := cameras.Snapshot(ctx, a.Stream)
		if err != nil {
			return "", fmt.Errorf("take picture of %s: %w", a.Stream, err)
		}
		switch n := len(p.Bytes); {
		case n == 0:
			return "", fmt.Errorf("take picture of %s: it is empty", a.Stream)
		case n > report.MaxSnapshotBytes:
			return "", fmt.Errorf("take picture of %s: %d bytes, more than the %d that may leave", a.Stream, n, report.MaxSnapshotBytes)
		}
		return send(ctx, records, o.ID, a, p)
	}}
}

// send gives a picture to the lanes.
func send(ctx context.Context, records Records, id string, a report.SnapshotArgs, p Picture) (string, error) {
	pieces := report.CutSnapshot(id, p.Bytes)
	_, err := records.Append(ctx, report.Event, report.KindSnapshot, report.Snapshot{
		ID: id, Stream: a.Stream, Who: report.Clip(a.Who, maxWho), Reason: report.Clip(a.Reason, maxReason),
		Format: p.Format, Width: p.Width, Height: p.Height, TakenAt: p.TakenAt.UTC().Truncate(time.Millisecond),
		Size: len(p.Bytes), SHA256: report.Hash(sha256.Sum256(p.Bytes)), Pieces: len(pieces),
	})
	if err != nil {
		return "", fmt.Errorf("keep the record of the picture, which therefore does not leave: %w", err)
	}
	for _, piece := range pieces {
		if _, err := records.Append(ctx, report.Telemetry, report.KindSnapshotPiece, piece); err != nil {
			return "", fmt.Errorf("keep piece %d of %d: %w", piece.Index+1, piece.Of, err)
		}
	}
	return fmt.Sprintf("%d bytes in %d pieces", len(p.Bytes), len(pieces)), nil
}
