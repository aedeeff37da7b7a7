package uplink

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets more tests run beside each other than there are processors:
// nearly all of their time is waiting for links and brokers.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
