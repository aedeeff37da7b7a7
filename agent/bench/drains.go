package main

import (
	"fmt"

	"kentongan/agent/bench/drain"
)

// measureDrain brings a backlog to a local Mosquitto.
func measureDrain(s *settings) ([]table, error) {
	kinds := append(drain.Ours(), drain.Peers()...)
	results := make([][]drain.Result, len(kinds))
	for round := range s.drains {
		for i := range kinds {
			at := (i + round) % len(kinds)
			if err := s.step("drain: round %d of %d: %s", round+1, s.drains, kinds[at].Name); err != nil {
				return nil, err
			}
			r, err := kinds[at].Run(s.drain)
			if err != nil {
				return nil, err
			}
			results[at] = append(results[at], r)
		}
	}
	return []table{drainTable(s, kinds, results)}, nil
}

func drainTable(s *settings, kinds []drain.Kind, results [][]drain.Result) table {
	t := table{
		title: fmt.Sprintf("Drain of %s records at QoS 1 to a local Mosquitto", thousands(int64(s.drain))),
		head:  []string{"contestant", "out of", "rate beside raw", "records/s, median (least–most)", "bytes beside raw", "bytes per record", "records per message", "the broker's use of a core, %", "ours and the observer's µs per record"},
	}
	var raw, rawBytes []float64
	for i, k := range kinds {
		if k.Name == drain.Raw {
			raw, rawBytes = figures(results[i])
		}
	}
	for i, k := range kinds {
		rate, bytes := figures(results[i])
		last := results[i][len(results[i])-1]
		t.add(k.Name, k.From, number(median(ratios(rate, raw))), spread(rate), number(median(ratios(bytes, rawBytes))),
			number(median(bytes)/float64(s.drain)), number(float64(last.Records)/float64(last.Messages)),
			number(median(brokers(results[i]))), number(median(clients(results[i]))))
	}
	t.notes = []string{
		fmt.Sprintf("%d rounds. Time runs from the first record's arrival at an observer (a QoS 0 subscriber, the same for all) to the last PUBACK or arrival, whichever is later; every record was seen to arrive.", s.drains),
		"Bytes are MQTT packets that the broker received, by its own count, without TCP and IP.",
		"One thread of Mosquitto does all; near 100 % of a core it is the limit of whoever sends. The last column is this process's, so a bridge's own is not in it.",
		"PUBACK is as far as this goes: with `acknowledge: centre` complaints and events also wait for the centre's signature.",
	}
	return t
}

// brokers is what the broker took, in per cent of a core.
func brokers(rs []drain.Result) (percent []float64) {
	for _, r := range rs {
		percent = append(percent, 100*r.Broker.Seconds()/r.Took.Seconds())
	}
	return percent
}

// clients is what this process took for each record, in microseconds.
func clients(rs []drain.Result) (us []float64) {
	for _, r := range rs {
		us = append(us, 1e6*r.Client.Seconds()/float64(r.Records))
	}
	return us
}

func figures(rs []drain.Result) (rate, bytes []float64) {
	for _, r := range rs {
		rate = append(rate, r.Rate())
		bytes = append(bytes, float64(r.Bytes))
	}
	return rate, bytes
}
