package rollout

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

func TestStages(t *testing.T) {
	tests := map[string]struct {
		n       int
		percent []int
		want    []int // devices of each stage
	}{
		"a thousand":               {1000, []int{1, 10, 100}, []int{10, 90, 900}},
		"rounded up":               {101, []int{1, 10, 100}, []int{2, 9, 90}},
		"one at least":             {20, []int{1, 10, 100}, []int{1, 1, 18}},
		"three":                    {3, []int{1, 10, 100}, []int{1, 1, 1}},
		"fewer than stages":        {2, []int{1, 10, 100}, []int{1, 1}},
		"one":                      {1, []int{1, 10, 100}, []int{1}},
		"at once":                  {7, []int{100}, []int{7}},
		"none of the last is left": {4, []int{50, 90, 100}, []int{2, 2}},
	}
	for name, tt := range tests {
		got := map[int]int{}
		of := stageOf(tt.n, tt.percent)
		for _, s := range of {
			got[s]++
		}
		var list []int
		for s := range tt.percent {
			if got[s+1] > 0 {
				list = append(list, got[s+1])
			}
		}
		if !slices.Equal(list, tt.want) || len(of) != tt.n {
			t.Errorf("%s: %v, want %v", name, list, tt.want)
		}
		if p := stagesOf(tt.percent, of); len(p) != len(tt.want) || p[len(p)-1] != 100 {
			t.Errorf("%s: stages that have devices: %v", name, p)
		}
	}
}

// The first ones are of all agencies, by their size, and of different sites; who
// asks again, in whatever order, gets the same.
func TestSpread(t *testing.T) {
	var list []store.Candidate
	for agency, n := range map[string]int{"dishub": 600, "dinkes": 300, "": 100} {
		for i := range n {
			list = append(list, store.Candidate{Device: fmt.Sprintf("%s-%d", agency, i), Agency: agency, Site: fmt.Sprintf("%s %d", agency, i/20)})
		}
	}
	got := spread(list, 41)
	agencies, sites := map[string]int{}, map[string]bool{}
	for _, c := range got[:10] {
		agencies[c.Agency]++
		sites[c.Site] = true
	}
	if agencies["dishub"] != 6 || agencies["dinkes"] != 3 || agencies[""] != 1 || len(sites) != 10 {
		t.Errorf("the first 10 are of %v, at %d sites", agencies, len(sites))
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	if !slices.Equal(spread(list, 41), got) {
		t.Error("another order, another choice")
	}
	if slices.Equal(spread(list, 42)[:10], got[:10]) {
		t.Error("the next release begins with the same devices")
	}
}

func TestHours(t *testing.T) {
	at := func(s string) time.Time {
		x, err := time.ParseInLocation("02 15:04", s, wib)
		if err != nil {
			t.Fatal(err)
		}
		return x.AddDate(2026, 10, 0)
	}
	tests := []struct {
		hours, now, from, to string
		open                 bool
	}{
		{"01:00-04:00", "25 00:59", "25 01:00", "25 04:00", false},
		{"01:00-04:00", "25 01:00", "25 01:00", "25 04:00", true},
		{"01:00-04:00", "25 03:49", "25 01:00", "25 04:00", true},
		{"01:00-04:00", "25 03:50", "25 01:00", "25 04:00", false}, // too late to begin
		{"01:00-04:00", "25 04:00", "26 01:00", "26 04:00", false},
		{"22:00-02:00", "25 23:30", "25 22:00", "26 02:00", true},
		{"22:00-02:00", "26 01:30", "25 22:00", "26 02:00", true},
		{"22:00-02:00", "26 02:30", "26 22:00", "27 02:00", false},
	}
	for _, tt := range tests {
		h, err := parseHours(tt.hours)
		if err != nil {
			t.Fatal(err)
		}
		got := turnAt(h, at(tt.now))
		if !got.from.Equal(at(tt.from)) || !got.to.Equal(at(tt.to)) || got.open != tt.open {
			t.Errorf("%s at %s: %+v", tt.hours, tt.now, got)
		}
	}
	if got := turnAt(nil, at("25 12:00")); !got.open || !got.to.IsZero() {
		t.Errorf("any time: %+v", got)
	}
	for _, s := range []string{"x", "1:00-4:00", "01:00-25:00", "01:00-01:00", "01:00-01:29", "01:00 04:00", "01:00-04:00 "} {
		if _, err := parseHours(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

// Where a device stands after each thing that can be known of it.
func TestNext(t *testing.T) {
	now := time.Date(2026, 11, 25, 19, 0, 0, 0, time.UTC)
	ordered, expires := now.Add(-10*time.Minute), now.Add(2*time.Hour)
	event := func(state, code string) func(*store.RolloutDevice) {
		return func(d *store.RolloutDevice) {
			d.Step, d.StepCode, d.StepDetail, d.StepAt = state, code, "because", now.UnixMilli()-1
		}
	}
	result := func(state string) func(*store.RolloutDevice) {
		return func(d *store.RolloutDevice) { d.OrderState = state }
	}
	all := func(of ...func(*store.RolloutDevice)) func(*store.RolloutDevice) {
		return func(d *store.RolloutDevice) {
			for _, f := range of {
				f(d)
			}
		}
	}
	third := func(d *store.RolloutDevice) { d.Tries = 3 }
	over := func(by time.Duration) func(*store.RolloutDevice) {
		return func(d *store.RolloutDevice) { e := now.Add(-by); d.Expires = &e }
	}
	birth := func(number uint64, trial string) func(*store.RolloutDevice) {
		return func(d *store.RolloutDevice) { d.Runs, d.Trial, d.RunsAt = number, trial, now.UnixMilli()-1 }
	}
	tests := map[string]struct {
		state string
		of    func(*store.RolloutDevice)
		want  string
	}{
		"nothing yet":                   {"ordered", all(), "ordered"},
		"it has the order":              {"ordered", result("succeeded"), "fetching"},
		"order failed":                  {"ordered", result("failed"), "waiting order"},
		"order rejected":                {"ordered", result("rejected"), "waiting order"},
		"third failed":                  {"ordered", all(result("failed"), third), "failed order"},
		"no answer, just over":          {"ordered", over(time.Minute), "ordered"},
		"no answer":                     {"ordered", over(3 * time.Minute), "waiting unanswered"},
		"no answer, third":              {"ordered", all(over(3*time.Minute), third), "failed unanswered"},
		"fetched":                       {"fetching", event(report.UpdateFetched, ""), "fetched"},
		"fetches for long":              {"fetching", over(31 * time.Minute), "waiting slow"},
		"on trial":                      {"fetched", event(report.UpdateTrying, ""), "trying"},
		"proven":                        {"trying", event(report.UpdateCommitted, ""), "committed"},
		"went back":                     {"trying", event(report.UpdateWentBack, ""), "went-back"},
		"no space":                      {"ordered", event(report.UpdateRefused, "no-space"), "refused no-space"},
		"no space and the order failed": {"ordered", all(event(report.UpdateRefused, "no-space"), result("failed")), "refused no-space"},
		"hours over":                    {"fetching", event(report.UpdateRefused, "window"), "waiting window"},
		"hours over, third":             {"fetching", all(event(report.UpdateRefused, "window"), third), "failed window"},
		"another on trial":              {"ordered", event(report.UpdateRefused, "trial-runs"), "waiting trial-runs"},
		"refused before the order": {"ordered", func(d *store.RolloutDevice) {
			d.Step, d.StepCode, d.StepAt = report.UpdateRefused, "no-space", ordered.UnixMilli()-1
		}, "ordered"},
		"refused without a number": {"ordered", func(d *store.RolloutDevice) {
			d.Bare, d.BareCode, d.BareAt = report.UpdateRefused, "tampered", now.UnixMilli()-1
		}, "refused tampered"},
		"waits after the hours were over": {"waiting", event(report.UpdateRefused, "window"), "waiting"},
		"came late all the same":          {"waiting", event(report.UpdateCommitted, ""), "committed"},
		"says that it runs":               {"ordered", birth(41, report.UpdateCommitted), "committed"},
		"says that a newer one runs":      {"ordered", birth(42, ""), "committed"},
		"says that it is on trial":        {"fetched", birth(41, report.UpdateTrying), "fetched"},
		"lost":                            {"trying", func(d *store.RolloutDevice) { d.Changed = now.Add(-3 * time.Hour) }, "lost silent"},
		"lost and found":                  {"lost", birth(41, report.UpdateCommitted), "committed"},
		"lost, and now it tries":          {"lost", event(report.UpdateTrying, ""), "lost"},
		"lost, and went back":             {"lost", event(report.UpdateWentBack, ""), "went-back"},
		"proven, stays":                   {"committed", birth(41, report.UpdateCommitted), "committed"},
		"proven, and older again":         {"committed", birth(40, ""), "went-back left"},
		"proven, by an older birth":       {"committed", func(d *store.RolloutDevice) { d.Runs, d.RunsAt = 40, ordered.UnixMilli()-1 }, "committed"},
		"older again, stays":              {"went-back", all(event(report.UpdateCommitted, ""), func(d *store.RolloutDevice) { d.Code = whyLeft }), "went-back left"},
		"stopped":                         {"stopped", event(report.UpdateCommitted, ""), "stopped"},
	}
	for name, tt := range tests {
		d := store.RolloutDevice{Device: "k001", State: tt.state, Ordered: &ordered, Expires: &expires, Tries: 1, Changed: ordered, Runs: 40, RunsAt: ordered.UnixMilli() - 1000, OrderState: "open", Counted: true}
		tt.of(&d)
		got := next(d, 41, now)
		say := got.State
		if got.Code != "" {
			say += " " + got.Code
		}
		if say != tt.want {
			t.Errorf("%s: %s, want %s", name, say, tt.want)
		}
		if again := next(got, 41, now); again != got {
			t.Errorf("%s: looked at again, it is %s", name, again.State)
		}
	}
	d := store.RolloutDevice{State: store.DeviceWaiting, Runs: 41}
	if got := next(d, 41, now); got.State != store.DeviceAlready {
		t.Errorf("it runs before its turn: %s", got.State)
	}
}
