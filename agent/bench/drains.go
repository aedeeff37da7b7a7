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
		head:  []string{"contestant", "out of", "rate beside raw", "records/s, median (least–most)", "bytes beside raw", "bytes per record", "records per message"},
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
			number(median(bytes)/float64(s.drain)), number(float64(last.Records)/float64(last.Messages)))
	}
	t.notes = []string{
		fmt.Sprintf("%d rounds. Time runs from the first record's arrival at an observer (a QoS 0 subscriber, the same for all) to the last PUBACK or arrival, whichever is later; every record was seen to arrive.", s.drains),
		"Bytes are MQTT packets that the broker received, by its own count, without TCP and IP.",
		"PUBACK is as far as this goes: with `acknowledge: centre` complaints and events also wait for the centre's signature.",
	}
	return t
}

func figures(rs []drain.Result) (rate, bytes []float64) {
	for _, r := range rs {
		rate = append(rate, r.Rate())
		bytes = append(bytes, float64(r.Bytes))
	}
	return rate, bytes
}
