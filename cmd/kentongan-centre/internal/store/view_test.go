package store

import (
	"errors"
	"testing"
	"time"

	"kentongan/agent/report"
)

// What is not said to be somebody's is the province's alone, and a complaint is
// of the agency that it was passed on to, else of its service's, else of its
// kiosk's.
func TestViewShowsTheOwnAgency(t *testing.T) { onEach(t, testViewShowsTheOwnAgency) }

func testViewShowsTheOwnAgency(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	ctx := t.Context()
	for _, a := range []string{"dishub", "dpupr", "dinkes"} {
		if err := s.PutAgency(ctx, Agency{ID: a, Name: report.Text{ID: a, EN: a}}); err != nil {
			t.Fatal(err)
		}
	}
	put := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put(s.SetDeviceAgency(ctx, "kiosk-1", "dishub"))
	put(s.SetDeviceAgency(ctx, "kiosk-2", "dpupr"))
	put(s.PutService(ctx, Service{Code: "road", Agency: "dpupr"}))
	put(s.PutService(ctx, Service{Code: "water"})) // routed to nobody
	for n, dev := range []string{"kiosk-1", "kiosk-2", "kiosk-3"} {
		code := []string{"road", "water", "water"}[n]
		p := report.Press{Ticket: report.NewTicket(uint32(n+1), 1).String(), ServiceCode: code, Presses: 1}
		commit(t, s, batch(dev, report.Complaint, 1, 2, rec(t, dev, report.Complaint, 1, report.KindPress, p)))
	}
	check := func(name string, v *View, devices, complaints int) {
		t.Helper()
		d, err := v.Devices(ctx, "")
		put(err)
		c, err := v.Complaints(ctx, ComplaintFilter{})
		put(err)
		o, err := v.Overview(ctx, time.Time{})
		put(err)
		if len(d) != devices || len(c) != complaints || o.Devices != devices || o.Complaints != complaints {
			t.Errorf("%s: %d devices and %d complaints, and %d and %d on the overview; want %d and %d", name, len(d), len(c), o.Devices, o.Complaints, devices, complaints)
		}
	}
	// What a view may see, said in sets, is what complaintAgency says of each.
	defer func() {
		for _, a := range []string{"dishub", "dpupr", "dinkes"} {
			own, err := s.For(OfAgency(a)).Complaints(ctx, ComplaintFilter{})
			put(err)
			named, err := s.For(Everything()).Complaints(ctx, ComplaintFilter{Agency: a})
			put(err)
			if len(own) != len(named) {
				t.Errorf("%s sees %d complaints, and %d are its own", a, len(own), len(named))
			}
		}
	}()
	check("province", s.For(Everything()), 3, 3)
	check("dishub, whose kiosk's complaint is routed", s.For(OfAgency("dishub")), 1, 0)
	check("dpupr", s.For(OfAgency("dpupr")), 1, 2)
	check("dinkes", s.For(OfAgency("dinkes")), 0, 0)
	check("no agency", s.For(Scope{}), 0, 0)
	check("no name of an agency", s.For(OfAgency("x' OR '1' = '1")), 0, 0)

	put(s.For(OfAgency("dpupr")).PassOn(ctx, 2, "dinkes", "Sari", time.Unix(2e9, 0)))
	check("dpupr, after it passed one on", s.For(OfAgency("dpupr")), 1, 1)
	check("dinkes, which took it", s.For(OfAgency("dinkes")), 0, 1)
	if err := s.For(OfAgency("dishub")).PassOn(ctx, 1, "dishub", "Budi", time.Unix(2e9, 0)); !errors.Is(err, ErrNoComplaint) {
		t.Errorf("somebody passed on a complaint that is not theirs: %v", err)
	}
	if err := s.DropAgency(ctx, "dinkes"); !errors.Is(err, ErrAgencyUsed) {
		t.Errorf("an agency with complaints: %v", err)
	}
}
