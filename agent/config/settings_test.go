package config

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestHideFindsSecretsAsLogsWriteThem: a log is JSON, and so are records.
func TestHideFindsSecretsAsLogsWriteThem(t *testing.T) {
	const secret = `ha"lo\<7&`
	c, err := Parse("k.yaml", []byte("device: k\nuplink: {acknowledge: broker, brokers: [{url: mqtt://h, username: u, password: 'ha\"lo\\<7&'}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	record, err := json.Marshal(map[string]string{"msg": secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"plain " + secret, `{"err":"dial ha\"lo\\<7&: refused"}`, string(record), "?p=ha%22lo%5C%3C7%26"} {
		if got := string(c.Hide([]byte(text))); !strings.Contains(got, hidden) || strings.Contains(got, "lo") {
			t.Errorf("%s is shown as %s", text, got)
		}
	}
}
