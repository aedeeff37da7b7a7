package console

import "kentongan/agent/report"

// inputText says how a contact of a device stands.
func inputText(lang string, s report.InputState) string {
	level := ".off"
	if s.Active {
		level = ".on"
	}
	return join(s.Line, sayAfter(lang, "input", s.Kind+level))
}
