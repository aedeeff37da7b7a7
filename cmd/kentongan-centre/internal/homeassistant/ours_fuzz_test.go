package homeassistant

import (
	"bytes"
	"testing"
)

// FuzzOurs: a discovery document that another program made is never taken for ours,
// or it would be taken away.
func FuzzOurs(f *testing.F) {
	f.Add([]byte(`{"origin":{"name":"` + originName + `"}}`))
	f.Add([]byte(`{"origin":{"name":"zigbee2mqtt"},"Origin":null}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if ours(payload) && !bytes.Contains(payload, []byte("{")) {
			t.Errorf("%q is ours", payload)
		}
	})
}
