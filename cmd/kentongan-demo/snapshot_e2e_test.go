package main

import (
	"bytes"
	"context"
	"image/jpeg"
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"kentongan/broker-config/brokertest"
)

// TestSnapshotOnOrder asks both cameras of the demo for a picture, as an operator
// does at the centre, and covers one: the picture is there, is what the device
// recorded, and goes when it is erased; the cover is an alarm.
func TestSnapshotOnOrder(t *testing.T) {
	deviceProgram, centreProgram := buildPrograms(t)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	s, err := openSite(ctx, siteOptions{Dir: t.TempDir(), Centre: centreProgram, Device: deviceProgram, PageAddr: brokertest.FreeAddress(t), Leased: leased(t)})
	if s != nil {
		defer s.close()
	}
	if err != nil {
		t.Fatal(err)
	}
	watchContract(t, s.centre.broker, "up/event", "up/telemetry", "ack", "cmd/snapshot", "state", "state/stream", "state/checkpoint")
	r := &alarmRig{t: t, centre: s.centre, device: s.device}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the device's log ends:\n%s", s.device.log.text())
		}
	})
	r.step("both cameras play", 30*time.Second, func() bool {
		got, err := s.centre.streams(ctx)
		return err == nil && len(got) == 2 && !slices.ContainsFunc(got, func(g streamState) bool { return g.State != "playing" })
	})
	for _, name := range []string{"gate", "lobby"} {
		began := time.Now()
		r.say("/devices/"+demoDevice+"/streams/"+name+"/snapshot", url.Values{"reason": {"laporan warga"}})
		r.answered(name, "succeeded")
		var pic pictureState
		r.step("the picture of "+name, 30*time.Second, func() bool {
			list, err := s.centre.pictures(ctx, name)
			if err != nil || len(list) != 1 {
				return false
			}
			pic = list[0]
			return pic.State == "whole"
		})
		t.Logf("%s: %d bytes in %d pieces, %dx%d %s, at the centre after %v", name, pic.Record.Size, pic.Record.Pieces, pic.Record.Width, pic.Record.Height, pic.Record.Format, time.Since(began).Round(time.Millisecond))
		if pic.Record.Who != "Sari" || pic.Record.Reason != "laporan warga" || pic.Record.Format != "jpeg" {
			t.Errorf("the device recorded %+v", pic.Record)
		}
		at := "/pictures/" + demoDevice + "/" + pic.Record.ID
		res, err := r.fetch(at)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(res.Body)
		res.Body.Close()
		img, jpegErr := jpeg.Decode(bytes.NewReader(data))
		if err != nil || jpegErr != nil || img.Bounds().Dx() != pic.Record.Width || len(data) != pic.Record.Size {
			t.Fatalf("%s: %d bytes, %v, %v", name, len(data), err, jpegErr)
		}
		r.say(at+"/erase", url.Values{})
		if res, err := r.fetch(at); err != nil || res.StatusCode != http.StatusNotFound {
			t.Errorf("after it was erased: %v %v", res, err)
		}
	}

	began := time.Now()
	if err := s.act(ctx, "cap", "lobby"); err != nil {
		t.Fatal(err)
	}
	r.step("the centre says that the lobby is black", 4*time.Minute, func() bool {
		_, found := r.find(func(a alarmState) bool { return a.Source == "stream/lobby" && a.Condition == "black" })
		return found
	})
	t.Logf("black at the centre after %v", time.Since(began).Round(time.Second))
	if err := s.act(ctx, "uncover", "lobby"); err != nil {
		t.Fatal(err)
	}
	r.step("it sees again", 5*time.Minute, func() bool {
		_, found := r.find(of("stream/lobby"))
		return !found
	})
}
