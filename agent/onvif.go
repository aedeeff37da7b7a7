package agent

import (
	"kentongan/agent/config"
	"kentongan/agent/onvif"
	"kentongan/agent/stream"
)

// rebooter makes a camera start again where the configuration allows it; nil
// otherwise. The password is read anew at each reboot.
func rebooter(c config.Stream) stream.Rebooter {
	if !c.ONVIF.Reboot {
		return nil
	}
	return onvif.Rebooter{URL: c.ONVIF.URL, Stream: c.URL, Username: c.Username, PasswordOf: c.Password.Value}
}
