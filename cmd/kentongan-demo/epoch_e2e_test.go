package main

import (
	"context"
	"os"
	"testing"
	"time"
)

// TestOlderCopyOfTheStoreBeginsANewEpoch puts an older copy of a device's data
// back, as a restored backup or a cloned card does. What was pressed since, here
// and in the life that is forgotten, is at the centre, nothing of it twice, and
// no ticket is given twice once the device could know.
func TestOlderCopyOfTheStoreBeginsANewEpoch(t *testing.T) {
	ctx := t.Context()
	deviceProgram, centreProgram := buildPrograms(t)
	broker, addr := newMosquitto(t, "kentongan.centre:c-secret", demoDevice+":k-secret")
	centre, err := startCentre(ctx, centreProgram, "--data", t.TempDir(), "--listen", "127.0.0.1:0",
		"--broker", "mqtt://"+addr, "--username", "kentongan.centre", "--password-file", writeSecret(t, "c-secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(centre.stop)
	dir := t.TempDir()
	device, err := newDevice(deviceProgram, dir, deviceConfig{
		Device: demoDevice, Broker: "mqtt://" + addr, Username: demoDevice, Password: "k-secret",
		CentreKey: centre.key, Cooldown: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	collected, end := context.WithCancel(context.Background())
	t.Cleanup(end)
	go device.collect(collected.Done())
	t.Cleanup(device.stop)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the device's log ends:\n%s\nthe centre's:\n%s", device.log.text(), centre.log.text())
		}
	})
	pressed := 0
	press := func(n int) {
		t.Helper()
		for range n {
			pressed++
			if !device.pressAndWait(buttons[pressed%len(buttons)].Line, 90*time.Second) {
				t.Fatal("a press was not confirmed")
			}
			<-time.After(60 * time.Millisecond) // the finger leaves the button
		}
	}
	held := func(n int) {
		t.Helper()
		got := -1
		if !waitFor(ctx, 2*time.Minute, func() bool {
			all, err := centre.complaints(ctx, demoDevice)
			got = len(all)
			return err == nil && got == n
		}) {
			t.Fatalf("the centre holds %d complaints, want %d", got, n)
		}
	}
	powerOn(t, device)
	press(3)
	held(3)
	device.stop()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	powerOn(t, device)
	press(4)
	held(7)
	device.stop()

	// The copy is put back, and knows nothing of the last four.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(copied)); err != nil {
		t.Fatal(err)
	}
	broker.kill()
	powerOn(t, device)
	press(2) // without a network: it can't know yet
	startBroker(t, broker, addr)
	held(9)
	powered := func() bool {
		return waitFor(ctx, 90*time.Second, func() bool { return !device.readLamps()[lampFault] })
	}
	if !powered() {
		t.Fatal("the kiosk is not in service again")
	}
	press(3)
	held(12)
	all, err := centre.complaints(ctx, demoDevice)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, c := range all {
		count[c.Ticket]++
	}
	kept := device.tickets()
	for _, ticket := range kept[len(kept)-3:] {
		if count[ticket] != 1 {
			t.Errorf("ticket %s was given %d times, after the device could know", ticket, count[ticket])
		}
	}
	lanes, err := centre.lanes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	epochs := map[string]bool{}
	for _, l := range lanes {
		epochs[l.Epoch] = true
		if l.Lane != "telemetry" && !waitFor(ctx, 90*time.Second, func() bool {
			now, err := centre.lanes(ctx)
			missing := 0
			for _, l := range now {
				if l.Lane != "telemetry" {
					missing += int(l.Missing)
				}
			}
			return err == nil && missing == 0
		}) {
			t.Errorf("%+v: numbers are missing without explanation", l)
		}
	}
	if len(epochs) != 2 {
		t.Errorf("the centre knows epochs %v, want the old and the new one", epochs)
	}
}
