package brokertest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Mosquitto is a running Mosquitto, started by mosquitto/start.
type Mosquitto struct {
	Addr string // HOST:PORT
	Dir  string // acl, tls/crl.pem, mosquitto.db
	args []string
	*process
}

// StartMosquitto starts one that asks for certificates of ca. acl is its access
// list; nil is the one that is shipped. flags are the script's.
func StartMosquitto(t testing.TB, ca *CA, acl []byte, flags ...string) *Mosquitto {
	t.Helper()
	m := newMosquitto(t)
	ca.install(t, filepath.Join(m.Dir, "tls"))
	if acl != nil {
		must(t, os.WriteFile(filepath.Join(m.Dir, "acl"), acl, 0o600))
	}
	m.args = append(append([]string{}, flags...), m.Dir, m.port())
	m.Start(t)
	return m
}

// StartMosquittoWith starts one with the files of another authority: ca.pem,
// crl.pem, server.pem and server.key, by name.
func StartMosquittoWith(t testing.TB, files map[string][]byte) *Mosquitto {
	t.Helper()
	m := newMosquitto(t)
	must(t, os.MkdirAll(filepath.Join(m.Dir, "tls"), 0o700))
	for name, text := range files {
		must(t, os.WriteFile(filepath.Join(m.Dir, "tls", name), text, 0o600))
	}
	m.args = []string{m.Dir, m.port()}
	m.Start(t)
	return m
}

// CRL is the file in which it reads what is revoked.
func (m *Mosquitto) CRL() string { return filepath.Join(m.Dir, "tls", "crl.pem") }

// Reloader is a program that makes it read its list again, as systemctl reload
// does.
func (m *Mosquitto) Reloader(t testing.TB) string {
	t.Helper()
	file := filepath.Join(m.Dir, "reload")
	must(t, os.WriteFile(file, fmt.Appendf(nil, "#!/bin/sh\nexec kill -HUP %d\n", m.cmd.Process.Pid), 0o700))
	return file
}

// StartLoopback starts one with accounts (NAME:PASSWORD) and without TLS.
func StartLoopback(t testing.TB, accounts ...string) *Mosquitto {
	t.Helper()
	m := newMosquitto(t)
	m.args = append([]string{m.Dir, m.port()}, accounts...)
	m.Start(t)
	return m
}

func newMosquitto(t testing.TB) *Mosquitto {
	t.Helper()
	port := FreePorts(t, 1)
	return &Mosquitto{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Dir: t.TempDir()}
}

func (m *Mosquitto) port() string {
	_, port, _ := net.SplitHostPort(m.Addr)
	return port
}

// Start starts it (again) at the same address, with what it has kept.
func (m *Mosquitto) Start(t testing.TB) {
	t.Helper()
	m.process = start(t, logOf(t, m.Dir, "log"), nil, filepath.Join(scripts(), "mosquitto", "start"), m.args...)
	p := m.process
	t.Cleanup(p.kill)
	listens(t, p, m.Addr)
}

// Reload makes it read its access list and its list of revoked certificates
// again. It comes back at once; Mosquitto takes a moment.
func (m *Mosquitto) Reload() { m.signal(syscall.SIGHUP) }

// Stop ends it in order, which saves what waits.
func (m *Mosquitto) Stop() {
	m.signal(syscall.SIGTERM)
	<-m.done
}

// Kill is SIGKILL.
func (m *Mosquitto) Kill() { m.kill() }

// StartPoliceBridge starts the bridge from ours to theirs. It can be stopped and
// started as a broker; it listens nowhere.
func StartPoliceBridge(t testing.TB, ours *CA, from string, theirs *CA, to string) *Mosquitto {
	t.Helper()
	m := &Mosquitto{Dir: t.TempDir()}
	for dir, c := range map[string]struct {
		ca   *CA
		name string
	}{"ours": {ours, "kentongan.police"}, "theirs": {theirs, "banten"}} {
		must(t, os.MkdirAll(filepath.Join(m.Dir, dir), 0o700))
		p := c.ca.Client(t, c.name)
		for to, from := range map[string]string{"ca.pem": c.ca.File, "client.pem": p.CertFile, "client.key": p.KeyFile} {
			copyFile(t, filepath.Join(m.Dir, dir, to), from)
		}
	}
	m.process = start(t, logOf(t, m.Dir, "log"), nil, filepath.Join(scripts(), "mosquitto", "start-police-bridge"), m.Dir, from, to)
	t.Cleanup(m.kill)
	return m
}
