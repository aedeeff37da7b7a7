package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/stream"
)

func TestLearnedFile(t *testing.T) {
	f := learnedFile(filepath.Join(t.TempDir(), "picture-gate.learned"))
	if b, err := f.Load(); b != nil || err != nil {
		t.Errorf("before: %q, %v", b, err)
	}
	if err := f.Save([]byte("a street")); err != nil {
		t.Fatal(err)
	}
	if b, err := f.Load(); string(b) != "a street" || err != nil {
		t.Errorf("saved: %q, %v", b, err)
	}
	if err := f.SetAside(); err != nil {
		t.Fatal(err)
	}
	if b, err := f.Load(); b != nil || err != nil {
		t.Errorf("set aside: %q, %v", b, err)
	}
	if b, err := os.ReadFile(string(f) + ".damaged"); string(b) != "a street" || err != nil {
		t.Errorf("what was set aside: %q, %v", b, err)
	}
	if err := f.SetAside(); err == nil {
		t.Error("there was nothing to set aside, and no error")
	}
}

// TestPictureConfig: what the file says arrives, and of two streams of one
// camera the smaller is looked at.
func TestPictureConfig(t *testing.T) {
	a := &Agent{cfg: &config.Config{Data: "/d"}, o: Options{Log: slog.New(slog.DiscardHandler)}}
	a.cfg.Pictures = config.Pictures{Every: 5 * time.Second, FFmpeg: config.FFmpegOff, Snapshot: config.SnapshotLimits{Width: 640, Quality: 60, Bytes: 9000}}
	c := config.Stream{
		Name: "gate", SnapshotURL: "http://h/", Watch: config.WatchBoth,
		Picture: config.Picture{Check: true, Masks: []config.Rect{{X: 1, Y: 2, W: 3, H: 4}}}, PrivacyMasks: []config.Rect{{X: 5, Y: 6, W: 7, H: 8}},
	}
	u, err := a.makeEye(a.cfg)()
	if err != nil || a.eye == nil || len(u.parts) != 1 {
		t.Fatalf("no eye: %v", err)
	}
	eye := a.eye
	want := stream.PictureConfig{
		Eye: eye, Every: 5 * time.Second, SnapshotURL: "http://h/", Masks: []stream.Rect{{X: 1, Y: 2, W: 3, H: 4}}, Privacy: []stream.Rect{{X: 5, Y: 6, W: 7, H: 8}},
		Memory: learnedFile("/d/picture-gate-sub.learned"), Limits: stream.SnapshotLimits{Width: 640, Quality: 60, Bytes: 9000},
	}
	if got := a.pictureConfig(a.cfg, c, stream.Config{Name: "gate-sub", Sub: true}); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := a.pictureConfig(a.cfg, c, stream.Config{Name: "gate"}); !got.Off {
		t.Error("both streams are looked at")
	}
	c.Watch, c.Picture.Every = config.WatchSub, time.Minute
	if got := a.pictureConfig(a.cfg, c, stream.Config{Name: "gate", Sub: true}); got.Off || got.Every != time.Minute {
		t.Errorf("off %v, every %v, want each minute", got.Off, got.Every)
	}
	c.Picture.Check = false
	if got := a.pictureConfig(a.cfg, c, stream.Config{Name: "gate", Sub: true}); !got.Off {
		t.Error("check: false looks")
	}
}
