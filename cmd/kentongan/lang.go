package main

import (
	"os"
	"strings"

	"kentongan/agent/doctor"
)

// locale is what the environment says of the language of messages.
func locale(getenv func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// langOf is the language that the environment asks for.
func langOf(getenv func(string) string) doctor.Lang {
	if strings.HasPrefix(locale(getenv), "en") {
		return doctor.English
	}
	return doctor.Indonesian
}

// lang is the language of an option --lang; "" is what the environment asks for. When
// ok is false the command is over, with that status.
func (o options) lang(e env, given string) (lang doctor.Lang, status int, ok bool) {
	switch lang = doctor.Lang(given); lang {
	case "":
		return langOf(os.Getenv), exitGood, true
	case doctor.Indonesian, doctor.English:
		return lang, exitGood, true
	}
	return "", o.wrong(e, "--lang %q is not one of id, en", given), false
}
