package enrol

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/broker-config/brokertest"
	"kentongan/cmd/kentongan-centre/internal/ca"
)

func startMosquitto(t *testing.T, w *world) *brokertest.Mosquitto {
	t.Helper()
	key := newKey(t)
	c, err := w.book.IssueServer(t.Context(), key.Public(), []string{"127.0.0.1"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := ca.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	list, err := w.book.CRL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return brokertest.StartMosquittoWith(t, map[string][]byte{"ca.pem": w.a.Bundle(), "server.pem": w.book.Chain(c), "server.key": secret, "crl.pem": list})
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(90 * time.Second)
	for !ok() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-late:
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// session is a device's open session; lost is closed when the broker ends it.
func session(addr string, roots *x509.CertPool, pair tls.Certificate) (c mqtt.Client, lost chan struct{}, err error) {
	lost = make(chan struct{})
	o := mqtt.NewClientOptions().AddBroker("ssl://" + addr).SetClientID("x").SetProtocolVersion(4).SetAutoReconnect(false).SetConnectRetry(false).
		SetConnectTimeout(90 * time.Second).SetTLSConfig(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}).
		SetConnectionLostHandler(func(mqtt.Client, error) { close(lost) })
	c = mqtt.NewClient(o)
	tok := c.Connect()
	if !tok.WaitTimeout(90 * time.Second) {
		return c, lost, fmt.Errorf("no answer")
	}
	return c, lost, tok.Error()
}

// A revoked device is thrown off a running Mosquitto within seconds and does not
// come back; the others notice nothing.
func TestRevocationTakesEffect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := startMosquitto(t, w)
	chained := func(p *tls.Certificate) tls.Certificate {
		p.Certificate = append(p.Certificate, w.a.Issuing.Raw)
		return *p
	}
	bad7, _ := w.device("kiosk-7")
	good8, _ := w.device("kiosk-8")
	seven, eight := chained(bad7), chained(good8)
	c7, lost7, err := session(m.Addr, w.a.Pool(), seven)
	if err != nil {
		t.Fatal(err)
	}
	defer c7.Disconnect(0)
	c8, lost8, err := session(m.Addr, w.a.Pool(), eight)
	if err != nil {
		t.Fatal(err)
	}
	defer c8.Disconnect(0)

	k := &Keeper{Book: w.book, File: m.CRL(), Hook: m.Reloader(t), Broker: MQTT{Address: m.Addr, Roots: w.a.Pool()}, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	if _, err := w.book.Revoke(t.Context(), "kiosk-7", "", "stolen"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-lost7:
	case <-time.After(90 * time.Second):
		t.Fatal("the revoked device is still connected")
	}
	if _, _, err := session(m.Addr, w.a.Pool(), seven); err == nil {
		t.Error("it came back")
	}
	until(t, "written down", func() bool {
		list, err := w.book.Entries(t.Context(), WhatKicked, 10)
		return err == nil && len(list) == 1 && list[0].Device == "kiosk-7"
	})
	select {
	case <-lost8:
		t.Error("a device that was not revoked lost its session")
	default:
	}
	if !c8.IsConnectionOpen() {
		t.Error("a device that was not revoked is not connected")
	}
}

// A broker that never reads the list is no secret: it is written down, and tried
// again.
func TestBrokerThatReadsNoList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := startMosquitto(t, w)
	w.device("kiosk-7")
	k := &Keeper{Book: w.book, File: m.CRL(), Broker: MQTT{Address: m.Addr, Roots: w.a.Pool()}, Patience: time.Second, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	if _, err := w.book.Revoke(t.Context(), "kiosk-7", "", "stolen"); err != nil {
		t.Fatal(err)
	}
	until(t, "written down", func() bool {
		list, err := w.book.Entries(t.Context(), WhatBroker, 10)
		return err == nil && len(list) > 0 && strings.Contains(list[0].Detail, "does not read")
	})
	list, err := w.book.Entries(t.Context(), WhatKicked, 10)
	if err != nil || len(list) > 0 {
		t.Errorf("a session was ended that can come back: %v %v", list, err)
	}
}

// A list is good for years and is signed anew every day, so it is never over at a
// broker that the centre reaches, and for long at one that it does not reach.
func TestListIsNeverOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	k := &Keeper{Book: w.book, File: filepath.Join(dir, "crl.pem"), Log: slog.New(slog.DiscardHandler)}
	var last []byte
	for day := range 3 {
		if err := k.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(k.File)
		if err != nil {
			t.Fatal(err)
		}
		if string(text) == string(last) {
			t.Errorf("day %d: not signed anew", day)
		}
		last = text
		if err := k.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if same, _ := os.ReadFile(k.File); string(same) != string(last) {
			t.Errorf("day %d: signed twice", day)
		}
		w.later(signEvery + time.Minute)
	}
	list := parseList(t, last)
	if left := list.NextUpdate.Sub(w.now()); left < 9*365*24*time.Hour {
		t.Errorf("the list is over in %v", left)
	}
	if err := list.CheckSignatureFrom(w.a.Issuing); err != nil {
		t.Error(err)
	}
}

func parseList(t *testing.T, text []byte) *x509.RevocationList {
	t.Helper()
	b, _ := pem.Decode(text)
	if b == nil {
		t.Fatalf("no PEM: %.80q", text)
	}
	list, err := x509.ParseRevocationList(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return list
}
