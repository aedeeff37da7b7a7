package mqttaddr

import (
	"strings"
	"testing"
)

func TestParseList(t *testing.T) {
	for text, want := range map[string]string{
		"mqtt://h":                     "tcp://h:1883",
		"mqtts://h":                    "ssl://h:8883",
		"mqtts://[::1]:1, mqtts://b:2": "ssl://[::1]:1 ssl://b:2",
	} {
		all, err := ParseList(text)
		var got []string
		for _, u := range all {
			got = append(got, Paho(u))
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q gives %q, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                       "scheme",
		"http://h":               `scheme "http"`,
		"mqtt://":                "no host",
		"mqtt://u:p@h":           "no user or password",
		"mqtt://h,":              "scheme",
		"mqtts://h:1,mqtt://h:2": "not encrypted",
		"mqtt://h:x":             "not a URL",
	} {
		if _, err := ParseList(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", text, err, want)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: the error shows the password: %v", text, err)
		}
	}
}
