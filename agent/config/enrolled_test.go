package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

var enrolled = Enrolled{
	Device: "kiosk-9", Data: "/data", CentreKey: exampleKey,
	Brokers: []Broker{
		{URL: "mqtts://one.example:8883", CA: "/data/identity/ca.pem", Cert: "/data/identity/device.pem", Key: "/data/identity/device.pem"},
		{URL: "mqtts://two.example:8883", CA: "/data/identity/ca.pem", Cert: "/data/identity/device.pem", Key: "/data/identity/device.pem", ServerName: "broker"},
	},
}

const enrolledBrokers = `  brokers:
    - url: mqtts://one.example:8883
      ca: /data/identity/ca.pem
      cert: /data/identity/device.pem
      key: /data/identity/device.pem
    - url: mqtts://two.example:8883
      ca: /data/identity/ca.pem
      cert: /data/identity/device.pem
      key: /data/identity/device.pem
      server_name: broker
`

func TestWithEnrolment(t *testing.T) {
	tests := map[string]struct{ before, want string }{
		"in the middle": {`# mine
device: kiosk-7   # the old one
data: /elsewhere

uplink:
  # one broker
  brokers:
    - url: mqtt://127.0.0.1
      # its user
      username: x
  # the key
  centre_key: ` + exampleKey + `
  keepalive: 30s  # short

# the log
log: {level: debug}
`, `# mine
device: kiosk-9  # the old one
data: /elsewhere

uplink:
  # one broker
` + enrolledBrokers + `  # the key
  centre_key: ` + exampleKey + `
  keepalive: 30s  # short

# the log
log: {level: debug}
`},
		"at the end, without a line end": {`uplink:
  centre_key: ` + exampleKey + `
  brokers: [{url: "mqtt://127.0.0.1"}]
device: kiosk-7`, `uplink:
  centre_key: ` + exampleKey + `
` + enrolledBrokers + `device: kiosk-9
`},
		"by broker alone": {`device: kiosk-7
uplink:
  acknowledge: broker
  brokers: [{url: "mqtt://127.0.0.1"}]
# the end
`, `device: kiosk-9
uplink:
  acknowledge: broker
` + enrolledBrokers + `  centre_key: ` + exampleKey + `
# the end
`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := WithEnrolment("kiosk.yaml", []byte(tt.before), enrolled)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			again, err := WithEnrolment("kiosk.yaml", got, enrolled)
			if err != nil || string(again) != string(got) {
				t.Errorf("twice is not as once: %v\n%s", err, again)
			}
		})
	}
}

func TestWithEnrolmentMakesAFile(t *testing.T) {
	got, err := WithEnrolment("kiosk.yaml", nil, enrolled)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("kiosk.yaml", got)
	if err != nil || c.Data != "/data" || c.Device != "kiosk-9" || len(c.Uplink.Brokers) != 2 || c.Uplink.Brokers[1].ServerName != "broker" {
		t.Errorf("%v\n%s", err, got)
	}
}

// A TPM that is named is written, into a new file and an old one; one that is
// not named leaves what there is.
func TestWithEnrolmentInATPM(t *testing.T) {
	inside := enrolled
	inside.TPM = "/dev/tpmrm0"
	text, err := WithEnrolment("kiosk.yaml", nil, inside)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []Enrolled{inside, enrolled} {
		again, err := WithEnrolment("kiosk.yaml", text, e)
		if err != nil || string(again) != string(text) || !strings.Contains(string(text), "\n  tpm: /dev/tpmrm0\n") {
			t.Errorf("%v: was\n%s\nis\n%s", err, text, again)
		}
	}
	inside.TPM = "/dev/tpmrm1"
	if text, err = WithEnrolment("kiosk.yaml", text, inside); err != nil {
		t.Fatal(err)
	}
	if c, err := Parse("kiosk.yaml", text); err != nil || c.Uplink.TPM != "/dev/tpmrm1" {
		t.Errorf("%v\n%s", err, text)
	}
}

// The examples are the files that people begin with.
func TestWithEnrolmentOfExamples(t *testing.T) {
	for _, name := range []string{"kiosk", "camera-gateway"} {
		text, err := os.ReadFile("../../cmd/kentongan/examples/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		got, err := WithEnrolment(name+".yaml", text, enrolled)
		if err != nil {
			t.Fatal(err)
		}
		before, after := strings.Count(string(text), "#"), strings.Count(string(got), "#")
		if lost := before - after; lost > 8 { // those inside the brokers
			t.Errorf("%s: %d comments before, %d after", name, before, after)
		}
	}
}

func TestWithEnrolmentLeavesAlone(t *testing.T) {
	flow := `{device: kiosk-7, uplink: {brokers: [{url: "mqtt://127.0.0.1"}], centre_key: "` + exampleKey + `"}}`
	for name, text := range map[string]string{
		"one line":      flow,
		"uplink in one": "device: kiosk-7\nuplink: {brokers: [{url: \"mqtt://127.0.0.1\"}], centre_key: \"" + exampleKey + "\"}\n",
	} {
		_, err := WithEnrolment("kiosk.yaml", []byte(text), enrolled)
		if by, ok := errors.AsType[ErrByHand](err); !ok || !strings.Contains(by.Part, "one.example") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := WithEnrolment("kiosk.yaml", []byte("device: [\n"), enrolled); err == nil {
		t.Error("a broken file was changed")
	}
}

func FuzzWithEnrolment(f *testing.F) {
	f.Add("device: a\nuplink:\n  brokers:\n    - url: mqtt://x\n  centre_key: " + exampleKey + "\n")
	f.Add("uplink:\n   # c\n   brokers: [{url: mqtt://x}]\n   acknowledge: broker\ndevice: a # x\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := WithEnrolment("x.yaml", []byte(text), enrolled)
		if err != nil {
			return
		}
		c, err := Parse("x.yaml", got)
		if err != nil || c.Device != "kiosk-9" || c.Uplink.CentreKey != exampleKey || len(c.Uplink.Brokers) != 2 {
			t.Errorf("%q became %q: %v", text, got, err)
		}
		if text == "" {
			return
		}
		before, err := Parse("x.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%q was changed though it is not valid", text)
		}
		before.Device, before.Uplink.Brokers, before.Uplink.CentreKey = c.Device, c.Uplink.Brokers, c.Uplink.CentreKey
		if before.String() != c.String() {
			t.Errorf("%q became %q: more than the enrolment changed:\n%s\n%s", text, got, before, c)
		}
	})
}
