package config

// ONVIF is what else than its stream a camera is asked for.
type ONVIF struct {
	URL    string // of its device service; "" is the usual place at the stream's host
	Reboot bool   // recovery may make the camera start again
}

func (o *ONVIF) fields() []field {
	return []field{
		boolean("reboot", &o.Reboot).defaults("false").
			says("Whether recovery may make the camera start again, with the stream's user name. Its limits are those of recovery."),
		sameUser("url", &o.URL, onvifURL).says("The camera's device service; else http://HOST/onvif/device_service at the host of the stream's url."),
	}
}

var onvifURL = urlKind{[]string{"http", "https"}, map[string]string{"http": "80", "https": "443"}, "http://HOST/onvif/device_service", false}
