package main

import (
	"fmt"
	"io"
	"strings"

	"kentongan/agent/stream/picture"
)

// printTable prints a Markdown table.
func printTable(w io.Writer, title string, head []string, rows [][]string) {
	fmt.Fprintf(w, "\n### %s\n\n| %s |\n|%s\n", title, strings.Join(head, " | "), strings.Repeat(" --- |", len(head)))
	for _, r := range rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(r, " | "))
	}
}

// printVerdicts prints how each verdict did.
func printVerdicts(w io.Writer, title string, results []result) {
	var rows [][]string
	for _, a := range append(alarms, picture.Cast) {
		r := tally(a, results)
		ended := "–"
		if r.mayEnd > 0 {
			ended = fmt.Sprintf("%d of %d", r.ended, r.mayEnd)
		}
		rows = append(rows, []string{
			a, fmt.Sprint(r.faults), fmt.Sprint(r.found), fmt.Sprint(r.false), fmt.Sprintf("%.3f", r.precision()), fmt.Sprintf("%.3f", r.recall()),
			fmt.Sprintf("%.0f s / %.0f s", quantile(r.delays, 0.5), quantile(r.delays, 1)), fmt.Sprintf("%.0f", max(quantile(r.checks, 1), 0)), fmt.Sprint(r.late()), ended,
		})
	}
	printTable(w, title, []string{"verdict", "clips", "found", "false", "precision", "recall", "time to it, median / longest", "checks late, at most", "more than 2 late", "ended in time"}, rows)
	for _, a := range alarms {
		r := tally(a, results)
		for _, c := range r.missed {
			fmt.Fprintf(w, "\n- not found: %s", c.describe())
		}
		for _, c := range r.wrong {
			fmt.Fprintf(w, "\n- %s, falsely: %s", a, c.describe())
		}
	}
	fmt.Fprintln(w)
}

// printPeers prints what ffmpeg's own detectors found in the same clips.
func printPeers(w io.Writer, results []result, threshold float64) {
	rows := [][]string{}
	for _, p := range []struct {
		name, condition string
		said            func(result) []float64
	}{
		{"`freezedetect` n=-60dB (its default), d=60", picture.Frozen, func(r result) []float64 { return r.peers.Freezes }},
		{"`blackdetect`, its defaults, d=30", picture.Black, func(r result) []float64 { return r.peers.Blacks }},
		{fmt.Sprintf("`blurdetect`, mean of 5 min above %.2f", threshold), picture.Blurred, func(r result) []float64 { return r.blurs(threshold) }},
	} {
		theirs, ours := row{condition: p.condition}, row{condition: p.condition}
		for _, r := range results {
			if !comparable(p.condition, r.clip.Fault) {
				continue
			}
			said := result{clip: r.clip}
			for _, at := range p.said(r) {
				said.events = append(said.events, event{picture.Verdict{Condition: p.condition, Present: true}, at})
			}
			theirs.add(said)
			ours.add(r)
		}
		cell := func(r row) string { return fmt.Sprintf("%.3f / %.3f", r.precision(), r.recall()) }
		rows = append(rows, []string{p.name, p.condition, fmt.Sprint(theirs.faults), cell(theirs), cell(ours)})
	}
	printTable(w, "ffmpeg's own detectors on the same clips", []string{"detector", "verdict", "clips", "precision / recall of it", "of ours, on these"}, rows)
}

// comparable tells whether a detector may be asked about a clip. What is
// black, white or covered stands still as well, and is no false freeze.
func comparable(condition, fault string) bool {
	if condition != picture.Frozen {
		return true
	}
	return fault != picture.Black && fault != picture.White && fault != picture.Covered
}

// blurs returns when the mean of 5 min of blurdetect rose above a threshold.
func (r result) blurs(threshold float64) []float64 {
	const n = 300 / (lookEvery * blurEvery)
	var at []float64
	above := false
	for i := n; i <= len(r.peers.Blur); i++ {
		sum := 0.
		for _, b := range r.peers.Blur[i-n : i] {
			sum += b / n
		}
		if sum >= threshold && !above {
			at = append(at, float64((i-1)*lookEvery*blurEvery))
		}
		above = sum >= threshold
	}
	return at
}

// bestBlur is the threshold with which blurdetect does best on some clips.
func bestBlur(results []result) float64 {
	best, score := 0., -1.
	for t := 3.; t < 15; t += 0.25 {
		w := row{condition: picture.Blurred}
		for _, r := range results {
			said := result{clip: r.clip}
			for _, at := range r.blurs(t) {
				said.events = append(said.events, event{picture.Verdict{Condition: picture.Blurred, Present: true}, at})
			}
			w.add(said)
		}
		if f := 2 * w.precision() * w.recall() / max(w.precision()+w.recall(), 0.001); f > score {
			best, score = t, f
		}
	}
	return best
}
