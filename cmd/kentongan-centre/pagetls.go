package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// pageTLS is the page's TLS, nil without --tls-cert.
func (o *options) pageTLS() (*tls.Config, error) {
	if o.tlsCert == "" {
		return nil, nil
	}
	f := &certFile{cert: o.tlsCert, key: o.tlsKey}
	if _, err := f.get(nil); err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: f.get, NextProtos: []string{"http/1.1"}}, nil
}

// certFile is a certificate that is read again when its file has changed, so
// that a renewal needs no restart.
type certFile struct {
	cert, key string

	mu   sync.Mutex // guards the fields below
	pair *tls.Certificate
	at   time.Time // modification time of the file that pair came from
}

func (f *certFile) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.cert)
	if err == nil && f.pair != nil && info.ModTime().Equal(f.at) {
		return f.pair, nil
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(f.cert, f.key); err == nil {
			f.pair, f.at = &pair, info.ModTime()
		}
	}
	if err != nil && f.pair != nil {
		return f.pair, nil // half of a renewal: the old one goes on
	}
	return f.pair, err
}

// warn says what would let strangers listen.
func (o *options) warn(page net.Addr, log *slog.Logger) {
	tcp, ok := page.(*net.TCPAddr)
	if ok && !tcp.IP.IsLoopback() && o.tlsCert == "" && !o.proxy {
		log.Warn("page without TLS", "addr", page.String(), "why", "passwords and pictures cross the network in the clear; give --tls-cert and --tls-key, or --behind-proxy")
	}
}
