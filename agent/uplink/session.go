package uplink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/agent/report"
)

// session is one connection to one broker, from the CONNACK to its end. Its
// loop owns all of it, and the lanes.
type session struct {
	up     *Uplink
	broker *Broker
	log    *slog.Logger
	id     string
	wire   *wire
	inbox  *inbox // acknowledgements
	orders *inbox // of their own, so that a flood of them pushes no acknowledgement out
	lanes  map[report.Lane]*lane
	order  [3]*lane // the same, the most urgent first
	window *window
	pack   *packer

	flying   map[uint16]*publish // by packet id
	spare    []*publish          // done with, to use again
	lastID   uint16
	acks     *pubacks
	done     []puback       // a buffer for those taken
	waiters  sync.WaitGroup // of the subscription
	progress time.Time      // last PUBACK, or last publish into an empty window

	ages        ages
	backlogAt   time.Time // telemetry backlog waits until then
	liveBytes   int
	backBytes   int
	lastRecords int  // in the last telemetry batch
	skipped     bool // a hole was passed over: pick again
	readAgain   time.Time
	told        time.Time // last publishStats
	brokered    int       // publishes of records with a PUBACK
	wireSeen    int64     // bytes that were charged to the budget
}

// Ends of a session that the device orders itself.
var (
	errFailBack = &linkError{kind: failOrdered, err: errors.New("a better broker is healthy again")}
	errNewFiles = &linkError{kind: failOrdered, err: errors.New("the certificate files have changed")}
)

// dayTick is how often the budget looks at the clock and the byte counters.
const dayTick = 10 * time.Second

// session connects to the broker and sends until the connection or ctx ends.
// up is how long it was connected; the error says why it is not any more.
func (u *Uplink) session(ctx context.Context, b *brokerState) (up time.Duration, err error) {
	u.connections++
	s := &session{
		up: u, broker: &b.Broker, id: fmt.Sprintf("%s.%d", u.sessionPrefix, u.connections),
		log:    u.log.With("broker", b.addr.hostPort),
		inbox:  newInbox(),
		orders: newInbox(),
		lanes:  u.lanes,
		window: newWindow(u.cfg.Tuning.MaxWindow, u.cfg.Tuning.MaxInFlight),
		pack:   u.pack,
		flying: map[uint16]*publish{},
		acks:   newPubacks(),
	}
	for i, name := range report.Lanes() {
		s.order[i] = s.lanes[name]
	}
	w, err := s.will()
	if err != nil {
		return 0, err
	}
	d := &dialer{cfg: &u.cfg, broker: b.Broker, addr: b.addr, sent: &u.sent, recv: &u.recv}
	u.pulse.While(u.cfg.Tuning.ConnectLimit+endLimit, func() {
		s.wire, err = d.connect(ctx, w, s.acks.put, func(_ mqtt.Client, m mqtt.Message) { s.sort(m.Topic(), m.Payload()) })
	})
	if err != nil {
		return 0, err
	}
	began := time.Now()
	u.connected(b, s.id)
	err = s.run(ctx, b)
	u.pulse.While(endLimit, func() {
		s.wire.close(err)
		s.waiters.Wait()
	})
	s.charge(true)
	return time.Since(began), err
}

// will is the birth's opposite, with the same session.
func (s *session) will() (will, error) {
	payload, err := s.deviceState(report.Offline)
	return will{report.Topics(s.up.cfg.Device).State(), payload}, err
}

func (s *session) deviceState(state string) ([]byte, error) {
	st := s.up.cfg.Birth(s.id)
	st.V, st.State, st.Session = report.Version, state, s.id
	if st.Epoch == 0 {
		st.Epoch = s.up.store.Head(report.Complaint).Epoch
	}
	if st.Heads == nil && state == report.Online {
		for _, l := range report.Lanes() {
			st.Heads = append(st.Heads, s.up.store.Head(l))
		}
	}
	out, err := json.Marshal(st)
	if err != nil {
		return nil, fmt.Errorf("encode device state: %w", err)
	}
	return out, nil
}

// statsEvery is how often Status changes while there is no pause.
const statsEvery = 100 * time.Millisecond

// run is the loop. It returns what ended it.
func (s *session) run(ctx context.Context, b *brokerState) error {
	if err := s.start(); err != nil {
		return err
	}
	watch, stopWatch, err := watchFiles(s.broker.files(), s.log)
	if err != nil {
		s.log.Warn("certificate files not watched", "err", err)
	}
	defer stopWatch()
	if s.filesChanged(b) { // between the reading and the watching
		return errNewFiles
	}
	day := time.NewTicker(dayTick)
	defer day.Stop()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		changed := s.refresh(time.Now())
		again, hot, err := s.pumpMany()
		if err != nil {
			return err
		}
		var more <-chan struct{}
		if now := time.Now(); !hot || now.Sub(s.told) > statsEvery {
			s.told = now
			s.publishStats()
		}
		if hot {
			more = always
		} else {
			timer.Reset(max(time.Until(again), 0))
		}
		select {
		case <-more:
		case <-ctx.Done():
			s.leaveInOrder()
			return context.Cause(ctx)
		case beat := <-s.up.pulse:
			beat()
		case <-s.wire.conn.ended:
			return s.ended()
		case <-s.wire.lost:
			return s.ended()
		case <-s.acks.ready:
			if err := s.takeAcks(); err != nil {
				return err
			}
		case <-s.inbox.ready:
			s.receive(time.Now())
		case <-s.orders.ready:
			s.handOver()
		case <-changed[0]:
		case <-changed[1]:
		case <-changed[2]:
		case <-s.up.states.changed:
		case <-watch:
			if s.filesChanged(b) {
				return errNewFiles
			}
		case <-s.up.failBack:
			s.leaveInOrder()
			return errFailBack
		case <-s.up.renewed:
			if s.up.next.Load() != nil { // else it was taken before this session
				s.leaveInOrder()
				return errNewConfig
			}
		case <-s.up.reborn:
			if err := s.announce(time.Now()); err != nil {
				return err
			}
		case <-day.C:
			s.charge(false)
		case <-timer.C:
		}
	}
}

// always is ready.
var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// start says what every connection begins with: who we are, and that we listen
// for the centre. Complaints follow at once.
func (s *session) start() error {
	now := time.Now()
	for _, l := range s.lanes {
		l.begin(s.up.store.Head(l.name))
	}
	s.progress = now
	s.backlogAt = now
	if d := s.up.cfg.Tuning.BacklogDelay; d > 0 {
		s.backlogAt = now.Add(s.up.cfg.Jitter(0, d))
	}
	s.up.states.renew()
	s.subscribe()
	return s.announce(now)
}

// announce says who we are.
func (s *session) announce(now time.Time) error {
	birth, err := s.deviceState(report.Online)
	if err != nil {
		return err
	}
	topic := report.Topics(s.up.cfg.Device).State()
	s.send(&publish{topic: topic, payload: birth, retained: true, state: topic}, now)
	return nil
}

// subscribe asks for acknowledgements and orders. QoS 0 is enough: the centre repeats them, and a QoS 1
// subscription costs some brokers dearly.
func (s *session) subscribe() {
	filters := s.up.cfg.filters()
	if len(filters) == 0 {
		return
	}
	tok := s.wire.client.SubscribeMultiple(filters, nil)
	s.waiters.Go(func() {
		<-tok.Done()
		sub, ok := tok.(*mqtt.SubscribeToken)
		if tok.Error() != nil || !ok {
			return // the connection has ended, and the loop knows
		}
		for topic, code := range sub.Result() {
			if code > 2 {
				s.log.Error("subscription refused", "topic", topic, "err", "the broker's ACL does not let this device read its acknowledgements or orders")
				s.up.stats.setError("the broker refuses the subscription to " + topic)
			}
		}
	})
}

// refresh looks at the lanes' heads. The channels are taken before the heads,
// so that no append is missed.
func (s *session) refresh(now time.Time) (changed [3]<-chan struct{}) {
	for i, l := range s.order {
		changed[i] = s.up.store.Changed(l.name)
		l.update(s.up.store.Head(l.name))
	}
	s.ages.seen(s.lanes[report.Telemetry].head.Next, now)
	return changed
}

// burst is how many messages are sent between two looks at everything else: a
// look at a dozen channels costs as much as a small publish. To compress a large
// one takes a weak board 10 ms, so burstTime ends it too: a press waits for it.
const (
	burst     = 16
	burstTime = time.Millisecond
)

// pumpMany pumps while there is room, and takes PUBACKs meanwhile.
func (s *session) pumpMany() (again time.Time, hot bool, err error) {
	began := time.Now()
	for now, n := began, 0; n < burst && now.Sub(began) < burstTime; now, n = time.Now(), n+1 {
		if again, hot, err = s.pump(now); !hot || err != nil {
			return again, hot, err
		}
		select {
		case <-s.acks.ready:
			if err := s.takeAcks(); err != nil {
				return again, hot, err
			}
		default:
		}
	}
	return again, hot, nil
}

// pump sends one message if one may go. hot is when it should be called again
// at once, after a look at what came in; else it says when.
func (s *session) pump(now time.Time) (again time.Time, hot bool, err error) {
	if now.Sub(s.progress) >= s.up.cfg.Tuning.StallAfter && len(s.flying) > 0 {
		return again, false, &linkError{kind: failStuck, err: fmt.Errorf("%d publishes, no PUBACK for %v", len(s.flying), now.Sub(s.progress).Round(time.Second))}
	}
	again = earliest(s.resend(now), now.Add(time.Hour))
	if len(s.flying) > 0 {
		again = earliest(again, s.progress.Add(s.up.cfg.Tuning.StallAfter))
	}
	if now.Before(s.readAgain) {
		return earliest(again, s.readAgain), false, nil
	}
	p, later, err := s.pick(now)
	switch {
	case err != nil:
		// A lane that can't be read holds up the session, not the agent.
		s.up.repeat.warn("lane not read", err)
		s.readAgain = now.Add(time.Second)
		return earliest(again, s.readAgain), false, nil
	case p != nil:
		s.send(p, now)
		return now, true, nil
	case s.skipped:
		s.skipped = false
		return now, true, nil
	}
	return earliest(again, later), false, nil
}

// send gives a publish to the connection.
func (s *session) send(p *publish, now time.Time) {
	p.sentAt = now
	p.size = len(p.topic) + len(p.payload) + 8
	if len(s.flying) == 0 {
		s.progress = now
	}
	for s.lastID = nextID(s.lastID); s.flying[s.lastID] != nil; s.lastID = nextID(s.lastID) {
	}
	s.flying[s.lastID] = p
	s.window.sent(p.size)
	if p.lane != nil {
		s.up.budget.spend(p.size, now)
		p.lane.stats.InFlight++
		p.lane.stats.SentPublishes++
		p.lane.stats.SentRecords += uint64(p.records)
	}
	s.wire.conn.publish(p.topic, s.lastID, p.retained, p.payload)
	p.payload = nil // a rewind reads it again
}

// takeAcks takes the PUBACKs that have come in.
func (s *session) takeAcks() error {
	s.done = s.acks.take(s.done)
	for _, a := range s.done {
		s.completed(a)
	}
	for _, l := range s.order {
		if l.arrived == 0 {
			continue
		}
		seq := l.arrived
		l.arrived = 0
		if err := s.leave(l, seq, s.progress); err != nil {
			return err
		}
	}
	return nil
}

// completed takes one PUBACK. One that is for nothing we sent is no progress.
func (s *session) completed(o puback) {
	p := s.flying[o.id]
	if p == nil {
		return
	}
	delete(s.flying, o.id)
	s.spare = append(s.spare, p)
	s.progress = o.at
	s.window.done(p.size, p.sentAt, o.at)
	if p.lane == nil {
		s.up.states.confirmed(p.state, p.version)
		return
	}
	p.lane.stats.InFlight--
	s.brokered++
	p.lane.stats.Brokered += uint64(p.records)
	p.lane.arrived = max(p.lane.arrived, p.lane.puback(p.from, p.to, o.at))
}

// made returns the publish, in the room of one that is done with: a fast drain
// would leave one behind for each message.
func (s *session) made(p publish) *publish {
	n := len(s.spare)
	if n == 0 {
		fresh := p // p itself would be made anew each time
		return &fresh
	}
	old := s.spare[n-1]
	s.spare = s.spare[:n-1]
	*old = p
	return old
}

// ended is why the connection is no more.
func (s *session) ended() error {
	if err := s.takeAcks(); err != nil { // those that came before the end still count
		return err
	}
	cause := s.wire.cause()
	if errors.Is(cause, errPahoStopped) {
		return &linkError{kind: failStuck, err: errors.New("no answer to a ping, or no publish taken")}
	}
	le := classify(cause)
	if le.err != nil && s.endedAtFirstRecord() {
		return &linkError{kind: le.kind, err: unansweredError{le.err}}
	}
	return le
}

// atOnce is how close to the first PUBACK of a record an end must be to have to
// do with it; a longer round trip makes it longer.
const atOnce = 50 * time.Millisecond

// endedAtFirstRecord tells whether the connection ended over the first record:
// without a PUBACK for any, or right behind the first. Mosquitto writes one for
// a publish that its ACL denies before it closes, and it may reach us or not.
func (s *session) endedAtFirstRecord() bool {
	switch s.brokered {
	case 0:
		for _, p := range s.flying {
			if p.lane != nil {
				return true
			}
		}
		return false
	case 1:
		return s.wire.conn.over().Sub(s.progress) < max(atOnce, s.window.srtt/2)
	}
	return false
}
