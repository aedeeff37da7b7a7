package printer

import "kentongan/agent/report"

// States of a printer, as report.PrinterState has them.
const (
	OK       = "ok"
	PaperLow = "paper_low" // prints, and wants paper soon
	PaperOut = "paper_out"
	Cover    = "cover" // open
	Offline  = "offline"
	Error    = "error"   // cutter, head, or one that only a person can mend
	Silent   = "silent"  // takes bytes and does not answer: prints, as far as one knows
	Hung     = "hung"    // does not take what is sent
	Missing  = "missing" // there is no such device
)

// Prints tells whether a slip that is sent now can be expected to come out.
func Prints(state string) bool { return state == OK || state == PaperLow || state == Silent }

// The requests DLE EOT n, real-time status transmission, and the bits of their
// answers that matter here (Epson, ESC/POS command reference, DLE EOT).
const (
	dle, eot = 0x10, 0x04

	askPrinter, askOffline, askError, askPaper = 1, 2, 3, 4

	bitOffline    = 0x08 // of askPrinter
	bitCover      = 0x04 // of askOffline
	bitPaperStop  = 0x20 // of askOffline
	bitsError     = 0x6c // of askError: recoverable, cutter, unrecoverable, recovers by itself
	bitsPaperNear = 0x0c // of askPaper
	bitsPaperEnd  = 0x60 // of askPaper
)

// isAnswer tells whether a byte can be an answer to DLE EOT: bits 0 and 7 are 0,
// bits 1 and 4 are 1. XON, XOFF and automatic status are others.
func isAnswer(b byte) bool { return b&0x93 == 0x12 }

// firstAnswer finds the answer among the bytes that a printer sends.
func firstAnswer(from []byte) (b byte, ok bool) {
	for i := 0; i < len(from); i++ {
		switch {
		case from[i]&0x93 == 0x10: // automatic status: four bytes that nobody asked for
			i += 3
		case isAnswer(from[i]):
			return from[i], true
		}
	}
	return 0, false
}

// answers are the four answers, by number; what was not answered is 0.
type answers [askPaper + 1]byte

// state is what they say, the worst first.
func (a answers) state() report.PrinterState {
	switch {
	case a == answers{}:
		return report.PrinterState{State: Silent, Detail: "takes bytes and does not answer DLE EOT"}
	case a[askError]&bitsError != 0:
		return report.PrinterState{State: Error, Detail: errorDetail(a[askError])}
	case a[askPaper]&bitsPaperEnd != 0 || a[askOffline]&bitPaperStop != 0:
		return report.PrinterState{State: PaperOut}
	case a[askOffline]&bitCover != 0:
		return report.PrinterState{State: Cover, Detail: "the cover is open"}
	case a[askPrinter]&bitOffline != 0:
		return report.PrinterState{State: Offline}
	case a[askPaper]&bitsPaperNear != 0:
		return report.PrinterState{State: PaperLow}
	}
	return report.PrinterState{State: OK}
}

func errorDetail(b byte) string {
	switch {
	case b&0x08 != 0:
		return "the cutter is stuck"
	case b&0x20 != 0:
		return "an error that switching it off and on may mend"
	case b&0x40 != 0:
		return "the head is too hot"
	}
	return "an error that a person can mend"
}
