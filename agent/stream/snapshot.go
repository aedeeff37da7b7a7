package stream

import "time"

// Formats of a Snapshot.
const (
	SnapshotJPEG = "jpeg"
	SnapshotMP4  = "mp4" // the keyframe as it came, where there is no decoder
)

// Snapshot is one picture of a camera, with its privacy masks burnt in.
type Snapshot struct {
	Format        string // SnapshotJPEG, SnapshotMP4
	Bytes         []byte
	Width, Height int       // pixels
	TakenAt       time.Time // wall clock
}
