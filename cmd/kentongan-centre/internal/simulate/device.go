package simulate

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"kentongan/agent/report"
)

// message is one publish.
type message struct {
	topic    string
	payload  []byte
	retained bool
	records  int
}

// lane is a lane of a simulated device. A chained one keeps its records until the
// centre has signed for them.
type lane struct {
	name    report.Lane
	next    uint64
	first   uint64 // not yet acknowledged; of telemetry, the next
	prev    report.Hash
	waiting []report.Entry // first to next-1
}

// device is a simulated device. Its lock is held for one call at a time: the
// connection makes records, the receipts let go of them.
type device struct {
	id     string
	number uint32
	epoch  report.Epoch
	began  time.Time
	names  []string // of its streams
	topics report.Topics

	mu       sync.Mutex // guards what follows
	lanes    map[report.Lane]*lane
	tickets  uint64
	changes  uint64        // of alarms
	raised   *report.Alarm // nil: none stands
	packets  uint64
	session  int
	resent   time.Time
	progress time.Time // of the receipts
}

func newDevice(n, streams int, now time.Time) *device {
	d := &device{
		id: fmt.Sprintf("sim-%05d", n), number: uint32(n), epoch: report.Epoch(rand.Uint64() | 1), began: now, progress: now,
		lanes: map[report.Lane]*lane{},
	}
	d.topics = report.Topics(d.id)
	for _, l := range report.Lanes() {
		d.lanes[l] = &lane{name: l, next: 1, first: 1}
	}
	for s := range streams {
		d.names = append(d.names, fmt.Sprintf("cam-%d", s+1))
	}
	return d
}

// add makes the next record of a lane.
func (d *device) add(name report.Lane, now time.Time, kind string, body any) (report.Entry, error) {
	l := d.lanes[name]
	s := report.Stamp{Time: now, Clock: report.ClockSynced, Boot: "51a00001", Uptime: now.Sub(d.began)}
	r, err := report.NewRecord(d.id, name, d.epoch, l.next, l.prev, s, kind, body)
	if err != nil {
		return report.Entry{}, err
	}
	line, err := r.Encode()
	if err != nil {
		return report.Entry{}, err
	}
	e := report.Entry{Seq: l.next, Line: line}
	l.next++
	if name.Chained() {
		l.prev = report.HashLine(line)
		l.waiting = append(l.waiting, e)
	} else {
		l.first = l.next
	}
	return e, nil
}

// batch is records of one lane as one publish.
func (l *lane) batch(d *device, es []report.Entry) message {
	h := report.Head{Lane: l.name, Epoch: d.epoch, First: l.first, Next: l.next}
	if !l.name.Chained() {
		h.First = es[0].Seq
	}
	return message{d.topics.Up(l.name, false, true), report.Gzip(report.EncodeBatch(h, es)), false, len(es)}
}

// birth is what a device says when it comes: its state, and its streams'.
func (d *device) birth(now time.Time) ([]message, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session++
	e, err := d.add(report.Event, now, report.KindBoot, report.Boot{Version: "simulated", Arch: "arm", Board: "simulated", Epoch: d.epoch, Clean: true})
	if err != nil {
		return nil, err
	}
	state, err := d.state(report.Online, now)
	if err != nil {
		return nil, err
	}
	out := []message{state, d.lanes[report.Event].batch(d, []report.Entry{e})}
	for _, name := range d.names {
		doc, err := json.Marshal(report.StreamState{Name: name, State: "playing", Since: now, URL: "rtsp://192.0.2.10/" + name, Codec: "H264", Width: 1920, Height: 1080, Proto: "tcp"})
		if err != nil {
			return nil, err
		}
		out = append(out, message{d.topics.StreamState(name), doc, true, 0})
	}
	return out, nil
}

// state is the device's word that it is there, or goes.
func (d *device) state(what string, now time.Time) (message, error) {
	st := report.DeviceState{
		V: report.Version, State: what, Session: fmt.Sprintf("51a00001.%d", d.session), Since: now, Version: "simulated", Boot: "51a00001", Epoch: d.epoch,
		Site: fmt.Sprintf("Simulated site %d", d.number/4), Lat: -6.1 - float64(d.number%100)/200, Lon: 105.8 + float64(d.number/100%100)/110, Streams: d.names,
	}
	for _, l := range report.Lanes() {
		st.Heads = append(st.Heads, report.Head{Lane: l, Epoch: d.epoch, First: d.lanes[l].first, Next: d.lanes[l].next})
	}
	doc, err := json.Marshal(st)
	return message{d.topics.State(), doc, true, 0}, err
}

// farewell is state as it goes.
func (d *device) farewell(now time.Time) (message, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state(report.Offline, now)
}

// Of a device's rounds, how many bring more than measurements. A round in a fleet
// of ten thousand comes once a minute or so.
const (
	pressEvery = 40 // rounds
	alarmEvery = 25
)

// measurements is how many records of measurements a round has, of each stream and
// of the device: what a device gathers in a minute with a window of 10 s.
const measurements = 6

// round is what a device sends at a time: a batch of measurements, now and then
// with an alarm or a complaint.
func (d *device) round(now time.Time) ([]message, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var es []report.Entry
	for k := range measurements {
		at := now.Add(time.Duration(k-measurements+1) * 10 * time.Second)
		for s, name := range d.names {
			d.packets += 2000 + rand.Uint64N(200)
			e, err := d.add(report.Telemetry, at, report.KindStreamStats, report.StreamStats{
				Name: name, WindowMS: 10_000, FPS: 24.6 + rand.Float64(), BitsPerS: 1_900_000 + rand.Int64N(200_000) + int64(s), Packets: d.packets,
				SinceFrameMS: rand.Int64N(80), JitterMS: rand.Float64() * 4, KeyframeMS: 2000, GOP: 50, LargestB: 60_000 + rand.Uint64N(9000),
			})
			if err != nil {
				return nil, err
			}
			es = append(es, e)
		}
		e, err := d.add(report.Telemetry, at, report.KindDeviceStats, report.DeviceStats{RSSBytes: 18 << 20, Goroutines: 60, DiskFree: 6 << 30, LoadAvg1: rand.Float64(), UplinkUp: true})
		if err != nil {
			return nil, err
		}
		es = append(es, e)
	}
	out := []message{d.lanes[report.Telemetry].batch(d, es)}
	if rand.IntN(alarmEvery) == 0 && len(d.names) > 0 {
		more, err := d.alarm(now)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	if rand.IntN(pressEvery) == 0 {
		d.tickets++
		e, err := d.add(report.Complaint, now, report.KindPress, report.Press{
			Ticket: report.NewTicket(d.number, d.tickets).String(), Line: "road", ServiceCode: "jalan-rusak", Category: "infrastruktur",
			Label: report.Text{ID: "Jalan rusak", EN: "Damaged road"}, Presses: 1,
		})
		if err != nil {
			return nil, err
		}
		out = append(out, d.lanes[report.Complaint].batch(d, []report.Entry{e}))
	}
	return out, nil
}

// alarm raises one for a camera that went silent, or clears the one that stands.
func (d *device) alarm(now time.Time) ([]message, error) {
	a := d.raised
	d.changes++
	if a == nil {
		name := d.names[rand.IntN(len(d.names))]
		a = &report.Alarm{
			ID: fmt.Sprintf("%016x", rand.Uint64()), Source: "stream/" + name, Condition: "stream.silent", Severity: report.Major, State: report.AlarmRaised, Since: now, Confidence: 1,
			Text:   report.Text{ID: "Kamera tidak mengirim gambar", EN: "The camera sends no picture"},
			Action: report.Text{ID: "Periksa listrik dan kabel kamera", EN: "Check the camera's power and cable"},
		}
		d.raised = a
	} else {
		cleared := *a
		cleared.State = report.AlarmCleared
		a, d.raised = &cleared, nil
	}
	a.N = d.changes
	name := a.Source[len("stream/"):]
	st := report.StreamState{Name: name, State: "playing", Since: now, URL: "rtsp://192.0.2.10/" + name, Codec: "H264"}
	if d.raised != nil {
		st.State, st.Class = "silent", "no_media"
	}
	first, err := d.add(report.Event, now, report.KindStream, st)
	if err != nil {
		return nil, err
	}
	second, err := d.add(report.Event, now, report.KindAlarm, a)
	if err != nil {
		return nil, err
	}
	set := report.AlarmSet{V: report.Version, N: d.changes, Ledger: d.epoch.String(), Alarms: []report.AlarmLine{}}
	if d.raised != nil {
		set.Count = 1
		set.Alarms = append(set.Alarms, report.AlarmLine{ID: a.ID, N: a.N, Source: a.Source, Condition: a.Condition, Severity: a.Severity, State: a.State, Since: a.Since})
	}
	doc, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	all, err := json.Marshal(set)
	if err != nil {
		return nil, err
	}
	return []message{
		d.lanes[report.Event].batch(d, []report.Entry{first, second}),
		{d.topics.StreamState(name), doc, true, 0},
		{d.topics.Alarms(), all, true, 0},
	}, nil
}

// acked takes a receipt, whose signature is good.
func (d *device) acked(a report.Ack, now time.Time) (freed int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lanes[a.Lane]
	if a.Epoch != d.epoch || a.Seq < l.first {
		return 0, nil // an older one, or the retained one of a run before
	}
	if a.Seq >= l.next {
		return 0, fmt.Errorf("%s/%s: the centre signs for record %d, and the newest is %d", d.id, a.Lane, a.Seq, l.next-1)
	}
	n := int(a.Seq - l.first + 1)
	if own := report.HashLine(l.waiting[n-1].Line); a.Hash == nil || *a.Hash != own {
		return 0, fmt.Errorf("%s/%s: the centre signs for another record %d", d.id, a.Lane, a.Seq)
	}
	l.waiting, l.first, d.progress = l.waiting[n:], a.Seq+1, now
	return n, nil
}

// again is what to send once more: all that waits, when no receipt has come for a
// while.
func (d *device) again(now time.Time, after time.Duration) (out []message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.progress) < after || now.Sub(d.resent) < after {
		return nil
	}
	for _, name := range []report.Lane{report.Complaint, report.Event} {
		if l := d.lanes[name]; len(l.waiting) > 0 {
			d.resent = now
			out = append(out, l.batch(d, l.waiting[:min(len(l.waiting), maxAgain)]))
		}
	}
	return out
}

// maxAgain keeps a batch within report.MaxBatchBytes.
const maxAgain = 500

// waits is how many records have no receipt.
func (d *device) waits() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.lanes[report.Complaint].waiting) + len(d.lanes[report.Event].waiting)
}
