package main

// keptLater is a kiosk that says a press is kept 20 ms before it is.
const keptLater = `	r.seq = b.k.cfg.Head().Next
	body(r.seq)
	time.AfterFunc(20*time.Millisecond, func() { _, _ = b.k.store.AppendFunc(b.store, report.Complaint, kind, body) })
`

var processRows = []Row{
	{
		ID: "process-1", Fault: "SIGKILL of the whole device at random moments, and of the broker",
		Holds: "each press that was said to be kept is at the centre, once; no number has two contents; the chain is proven",
		How:   "200 presses, 10 kills of the device while a press is on its way to the disk, 3 of a real Mosquitto, a real camera stream",
		Event: "`boot` with `clean: false`, `uplink`",
		Tests: []Test{{"cmd/kentongan-demo", "TestKillEverythingLoseNoPress"}},
		Quick: 13,
		Controls: []Control{{
			Out: "keeping a press on the disk before it is confirmed", File: "agent/kiosk/count.go",
			Old: "	r.seq, r.err = b.k.store.AppendFunc(b.store, report.Complaint, kind, body)\n", New: keptLater,
			Says: "the centre holds|fewer than the",
		}},
	},
	{
		ID: "process-2", Fault: "kill -9 of the writer of the spool, also while it opens",
		Holds: "what was confirmed is there; no number is given twice; a kill is not called damage",
		How:   "a process with six writers is killed 200 times, every fourth while it opens",
		Event: "`gap`, reason `torn`, only for numbers that were begun",
		Tests: []Test{{"agent/spool", "TestKillNine"}},
		Quick: 200,
		Controls: []Control{{
			Out: "reading the newest segment's end after a kill", File: "agent/spool/recover.go",
			Old: "	seg.last = w.last(seg.first - 1)\n	seg.end = w.end\n", New: "	seg.last = seg.first - 1\n	seg.end = headerSize\n",
			Says: "is lost|given twice|next is|faults:",
		}},
	},
	{
		ID: "process-3", Fault: "a power cut at each write while an order is done",
		Holds: "done at most once, exactly one result",
		How:   "the n-th write is the last one that reaches the disk",
		Event: "`command`, state `failed` where it was cut off",
		Tests: []Test{{"agent/command", "TestPowerCutAtEachWrite"}, {"agent/command", "TestPowerCutsOfLaterResults"}},
		Quick: 9,
		Controls: []Control{{
			Out: "remembering an order before it is done", File: "agent/command/memory.go",
			Old: "	err := r.save()\n	if err != nil {\n		r.memory = before\n	}\n	return err\n", New: "	_ = before\n	return nil\n",
			Says: "done 2 times|results",
		}},
	},
	{
		ID: "process-4", Fault: "a power cut at each change of the disk during an update",
		Holds: "the board always comes up with a whole version, and an update goes through afterwards",
		How:   "five lives of a board, cut before each change, with each choice of what was not flushed",
		Event: "`update`, state `went-back` with the reason, or `committed`",
		Tests: []Test{{"firmware", "TestCutAtEveryStep"}, {"firmware", "TestCutInInit"}},
		Quick: 2,
		Controls: []Control{{
			Out: "the flush of a small file before its rename", File: "firmware/state.go",
			Old: "errors.Join(err, f.Sync(), f.Close())", New: "errors.Join(err, f.Close())",
			Says: "cut before change",
		}},
	},
	{
		ID: "process-5", Fault: "a power cut while the device enrols or renews its certificate",
		Holds: "it has the old identity or the new one, and goes on by itself",
		How:   "the device's disk is cut at each step, against a real enrolment",
		Event: "`enrol` at the centre's log; the certificate in the device's state",
		Tests: []Test{{"cmd/kentongan-centre/internal/enrol", "TestPowerCutsWhileEnrolling"}, {"cmd/kentongan-centre/internal/enrol", "TestPowerCutsWhileRenewing"}},
		Quick: 2,
		Controls: []Control{{
			Out: "keeping the new key on the disk before the centre is asked", File: "agent/enrol/enrol.go",
			Old: "	return k, disk.Save(file, k.PEM)\n", New: "	_, _ = file, text\n	return k, nil\n",
			Says: "again:|saves:|half an identity|certificates",
		}},
	},
	{
		ID: "process-6", Fault: "a loop that hangs for ever, any of them",
		Holds: "the board's watchdog is not fed any more and resets it; a loop that is only slow, behind a slow disk, is told from one that hangs",
		How:   "each loop of a running agent is held in turn, with a simulated watchdog; a loop takes longer than a round for each answer",
		Event: "`watchdog` with the name of the loop; the next `boot` names the reset",
		Tests: []Test{{"agent", "TestWatchdogFindsEachLoopThatHangs"}, {"agent", "TestWatchdogIsFedWhateverIsOutside"}, {"agent/watchdog", "TestSlowLoopIsFed"}},
		Quick: 3,
		Controls: []Control{{
			Out: "asking the loops", File: "agent/watchdogs.go",
			Old: "		fixed = append(fixed, watchdog.Check{Name: p.Name, Of: p.Pulse, Run: p.Ask})\n", New: "		_ = p\n",
			Says: "not within|asked|await|timed|want",
		}, {
			Out: "waiting for an answer beyond the round", File: "agent/watchdog/watchdog.go",
			Old: "		c.begin(ctx)\n", New: "		c.begin(within)\n",
			Test: "TestSlowLoopIsFed", Says: "resets",
		}},
	},
	{
		ID: "process-7", Fault: "a version that does not start, or is never well",
		Holds: "after three failed starts, or ten minutes without being well, the version of before runs",
		How:   "real programs that exit, hang or are of another machine, under the launcher",
		Event: "`update`, state `went-back`",
		Tests: []Test{{"cmd/kentongan-boot", "TestTrials"}, {"firmware", "TestProgramThatDoesNotStart"}},
		Quick: 2,
		Controls: []Control{{
			Out: "counting the starts of a version on trial", File: "firmware/boot.go",
			Old: "	case t.Failures >= MaxFailures:\n", New: "	case t.Failures >= 1000:\n",
			Says: "test timed out|want|slot",
		}},
	},
	{
		ID: "process-8", Fault: "two faults at once: kills, pauses, a full disk, no file descriptors, cuts of network, broker, centre and cameras, a chattering button",
		Holds: "each press that was said to be kept is at the centre, once; nothing is missing; the device recovers by itself",
		How:   "pairs drawn from a printed seed, one begun in the other, with presses in between, on a whole device with a real Mosquitto and centre",
		Event: "`boot`, `uplink`, `disk`, `stream`, `alarm`",
		Tests: []Test{{"cmd/kentongan-demo", "TestTwoFaultsAtOnce"}},
		Quick: 4, Full: 30,
		Controls: []Control{{
			Out: "keeping a press on the disk before it is confirmed", File: "agent/kiosk/count.go",
			Old: "	r.seq, r.err = b.k.store.AppendFunc(b.store, report.Complaint, kind, body)\n", New: "	_ = kind\n	body(1)\n	r.seq = 1\n",
			Says: "the centre holds",
		}},
	},
}
