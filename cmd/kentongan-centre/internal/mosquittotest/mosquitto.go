// Package mosquittotest runs a real Mosquitto with TLS for tests of the centre.
package mosquittotest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Files are what the broker is run with, in PEM; ACL "" lets everybody do
// everything.
type Files struct {
	CA, Cert, Key, CRL []byte
	ACL                string
}

// Broker is a running Mosquitto.
type Broker struct {
	Addr string // 127.0.0.1:PORT, TLS
	CRL  string // the file in which it reads what is revoked
	Hook string // a program that makes it read that again
}

// Start runs a Mosquitto until the test ends: it wants certificates, and takes
// user name and client id out of them.
func Start(t testing.TB, f Files) *Broker {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &Broker{Addr: l.Addr().String(), CRL: filepath.Join(dir, "crl.pem"), Hook: filepath.Join(dir, "reload")}
	_ = l.Close() // only its port is wanted
	_, port, _ := net.SplitHostPort(b.Addr)
	conf := fmt.Sprintf(`listener %s 127.0.0.1
cafile %[2]s/ca.pem
certfile %[2]s/server.pem
keyfile %[2]s/server.key
crlfile %[2]s/crl.pem
require_certificate true
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
set_tcp_nodelay true
pid_file %[2]s/pid
`, port, dir)
	if os.Getuid() == 0 {
		conf += "user root\n" // else it would change to a user that can't read the folder
	}
	if f.ACL != "" {
		conf += "acl_file " + dir + "/acl\n"
	}
	reload := fmt.Sprintf("#!/bin/sh\nexec kill -HUP \"$(cat %s/pid)\"\n", dir)
	for name, text := range map[string][]byte{
		"ca.pem": f.CA, "server.pem": f.Cert, "server.key": f.Key, "crl.pem": f.CRL, "acl": []byte(f.ACL), "mosquitto.conf": []byte(conf), "reload": []byte(reload),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.run(t, filepath.Join(dir, "mosquitto.conf"))
	return b
}

func (b *Broker) run(t testing.TB, conf string) {
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto"
	}
	var log strings.Builder
	cmd := exec.Command(program, "-c", conf)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (apt-get install mosquitto)", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
		if t.Failed() {
			t.Log(log.String())
		}
	})
	late := time.After(30 * time.Second)
	for {
		if c, err := net.Dial("tcp", b.Addr); err == nil {
			_ = c.Close() // it was a question only
			return
		}
		select {
		case <-ended:
			t.Fatalf("Mosquitto ended:\n%s", log.String())
		case <-late:
			t.Fatal("Mosquitto does not listen")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
