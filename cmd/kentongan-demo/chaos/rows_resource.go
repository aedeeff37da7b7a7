package main

var resourceRows = []Row{
	{
		ID: "resource-1", Fault: "48 MiB of memory, enforced by the kernel",
		Holds: "the whole agent with cameras, decoder, a flood of presses and a dead broker stays alive; each confirmed press arrives once",
		How:   "a control group of 48 MiB (`memory.max`, or version 1's limit) around the real program and its ffmpeg",
		Event: "none; the kernel's `oom_kill` stays 0, or the decoder's state tells of its end",
		Tests: []Test{{"cmd/kentongan-demo", "TestMemoryLimitOf48MiB"}},
		Quick: 60, Full: 600,
		Controls: []Control{{
			Out: "working in a bounded memory (200 MiB are held)", File: "cmd/kentongan/main.go",
			Old: "func main() { os.Exit(program()) }\n", New: "func main() {\n	hold := make([]byte, 200<<20)\n	for i := range hold {\n		hold[i] = byte(i)\n	}\n	status := program()\n	os.Exit(status + 0*int(hold[status]))\n}\n",
			Says: "started|not in service|reach the board|not confirmed|ended",
		}},
	},
	{
		ID: "resource-2", Fault: "file descriptors are used up, of the process or of the machine; also no memory for a file, no right to it",
		Holds: "presses are confirmed from what was opened at the start; what can't be opened now is never called damaged or lost; it recovers without a restart",
		How:   "a limit of 3 files on the running program while broker and cameras go; EMFILE, ENFILE, ENOMEM, EINTR, EAGAIN, EACCES and EPERM at each read and open of the spool",
		Event: "`uplink` and `stream` with *too many open files*",
		Tests: []Test{{"cmd/kentongan-demo", "TestFewFileDescriptors"}, {"agent/spool", "TestOutOfFilesIsNoDamage"}, {"agent/spool", "TestFreeFilesOutliveARefusal"}},
		Quick: 43, Full: 46,
		Controls: []Control{{
			Out: "telling what passes from damage", File: "agent/spool/passing.go",
			Old: "	return slices.ContainsFunc(passingErrors, func(e syscall.Errno) bool { return errors.Is(err, e) })\n", New: "	return slices.ContainsFunc(passingErrors, func(e syscall.Errno) bool { return errors.Is(err, e) && e == 0 })\n",
			Test: "TestOutOfFilesIsNoDamage", Says: "called (lost|damage)|complaints, want",
		}},
	},
	{
		ID: "resource-3", Fault: "a million records wait",
		Holds: "memory does not grow with the backlog; opening reads headers only; a press overtakes them",
		How:   "a million records in the store and a full window",
		Event: "none",
		Tests: []Test{{"agent/uplink", "TestMemoryDoesNotGrowWithTheBacklog"}, {"agent/uplink", "TestPressOvertakesAMillionRecords"}, {"agent/spool", "TestOpeningDoesNotReadTheBacklog"}},
		Quick: 3,
		Controls: []Control{{
			Out: "reading headers only", File: "agent/spool/survey.go",
			Old: "	var b [headerUsed]byte\n", New: "	_, _ = readAll(f, 4<<20)\n	var b [headerUsed]byte\n",
			Test: "TestOpeningDoesNotReadTheBacklog", Says: "open_test.go",
		}},
	},
	{
		ID: "resource-4", Fault: "cuts and failed tries, over and over",
		Holds: "no goroutine stays behind",
		How:   "an uplink that is started, cut and stopped five times",
		Event: "none",
		Tests: []Test{{"agent/uplink", "TestNothingIsLeftBehind"}},
		Quick: 1,
		Controls: []Control{{
			Out: "waiting for the writer of a connection", File: "agent/uplink/frame.go",
			Old: "			f.mu.Unlock()\n			return\n		}\n		f.busy = true\n", New: "			f.mu.Unlock()\n			select {}\n		}\n		f.busy = true\n",
			Says: "Run did not end|all goroutines have ended|timed out",
		}},
	},
}
