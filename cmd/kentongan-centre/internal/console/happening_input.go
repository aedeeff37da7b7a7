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

// watchdogText says how a device's watchdog stands.
func watchdogText(lang string, s report.WatchdogState) string {
	caused := ""
	if s.CausedBoot {
		caused = say(lang, "watchdog.caused")
	}
	return join(sayAfter(lang, "watchdog", s.State), s.Name, caused, s.Detail)
}
