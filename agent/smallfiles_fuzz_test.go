package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kentongan/agent/config"
)

// FuzzSmallFiles: what stands in the small files of the data directory, after a
// card that failed or a hand that wrote there, ends no agent, and an ordered
// configuration that is used is a valid one.
func FuzzSmallFiles(f *testing.F) {
	f.Add([]byte(`{"v":1,"version":3,"now":{"version":3,"text":"device: kiosk-7\n","base":""},"trial":{"id":"0a1b","boot":"0a1b2c3d","since":5000000000,"starts":2}}`))
	f.Add([]byte(`{"v":1,"version":3,"trial":{"id":"0a1b"},"before":{"text":""},"last":{"id":"0a1b","state":"failed","detail":"x"}}`))
	f.Add([]byte(`{"v":1,"trial":{"starts":9223372036854775807}}`))
	f.Add([]byte("2026-11-26T10:00:00Z\n"))
	f.Add([]byte(`{"day":"2026-11-26","bytes":12}`))
	f.Add([]byte(`{"settled":true,"mirrors":{"/media/stick":7},"config":["/etc/kentongan/kentongan.yaml"]}`))
	f.Add([]byte("null"))
	f.Add([]byte(""))
	dir := f.TempDir()
	log := slog.New(slog.DiscardHandler)
	c := &config.Config{Device: "kiosk-7", Data: dir, File: filepath.Join(dir, "kentongan.yaml")}
	if err := os.WriteFile(c.File, []byte("device: kiosk-7\n"), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		put := func(file string) {
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		put(orderedFile(dir))
		got, err := Ordered(c)
		if got == nil || err == nil && got != c && got.Device == "" {
			t.Errorf("configuration %+v (%v)", got, err)
		}
		a := &Agent{cfg: c, o: Options{Log: log}}
		put(a.usageFile())
		a.loadUsage()
		put(erasingFile(dir))
		if _, err := loadErasing(dir); err != nil {
			t.Errorf("the mark of an erasure: %v", err)
		}
		put(runningFile(dir))
		if c, _, err := Running(dir); err == nil && c == nil {
			t.Error("no running configuration, and no error")
		}
		put(filepath.Join(dir, "time"))
		k := newKnownTime(filepath.Join(dir, "time"), (&clock{}).stamp, log)
		if now := k.now(); now.Before(released) || now.Location() == nil {
			t.Errorf("the time is %v, before this version was made (%v)", now, time.Since(now))
		}
	})
}
