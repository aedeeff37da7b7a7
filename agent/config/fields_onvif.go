package config

import "errors"

// ONVIF is what else than its stream a camera is asked for.
type ONVIF struct {
	URL    string // of its device service; "" is the usual place at the stream's host
	Reboot bool   // recovery may make the camera start again
}

func (o *ONVIF) fields() []field {
	return []field{
		boolean("reboot", &o.Reboot).defaults("false").
			says("Whether recovery may make the camera start again, with the stream's user name. Its limits are those of recovery."),
		onvifAddress(&o.URL).says("The camera's device service; else http://HOST/onvif/device_service at the host of the stream's url."),
	}
}

var onvifURL = urlKind{[]string{"http", "https"}, map[string]string{"http": "80", "https": "443"}, "http://HOST/onvif/device_service", false}

// onvifAddress takes no user name of its own: the stream's is used.
func onvifAddress(to *string) field {
	var user userinfo
	f := address("url", to, &user, onvifURL)
	set := f.set
	f.set = func(s string) error {
		user = userinfo{}
		if err := set(s); err != nil {
			return err
		}
		if user.given {
			*to = ""
			return errors.New("holds a user name; the stream's username and password are used here too, so take them out of this one")
		}
		return nil
	}
	return f
}
