package stream

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
)

func TestNewRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		cfg  Config
		want string
	}{
		"name":             {Config{Name: "Gate 1", URL: "rtsp://x/"}, `name "Gate 1"`},
		"no host":          {Config{Name: "a", URL: "rtsp:///live"}, "no host"},
		"other scheme":     {Config{Name: "a", URL: "http://u:rahasia@x/"}, "write rtsp://HOST/PATH"},
		"transport":        {Config{Name: "a", URL: "rtsp://x/", Transport: "sctp"}, `transport "sctp"`},
		"silent too early": {Config{Name: "a", URL: "rtsp://x/", SilentAfter: time.Millisecond}, "silent_after"},
		"ca without TLS":   {Config{Name: "a", URL: "rtsp://x/", CAFile: empty}, "rtsps:// only"},
		"ca is none":       {Config{Name: "a", URL: "rtsps://x/", CAFile: empty}, "no PEM certificate"},
		"ca is missing":    {Config{Name: "a", URL: "rtsps://x/", CAFile: empty + "x"}, "read ca"},
		"fingerprint":      {Config{Name: "a", URL: "rtsps://x/", Fingerprint: "abc"}, "64 hex digits"},
		"password alone":   {Config{Name: "a", URL: "rtsp://x/", Password: "rahasia"}, "without a username"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.cfg, slog.New(slog.DiscardHandler), newRecord())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "rahasia") {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"rtsp://10.0.0.5/main":             "rtsp://10.0.0.5/main",
		"rtsp://ops:rahasia@10.0.0.5/main": "rtsp://ops:xxxxx@10.0.0.5/main",
		"rtsp://ops:raha%sia@10.0.0.5/":    "xxxxx@10.0.0.5/",
		"rtsp://10.0.0.5/user=admin&password=rahasia&channel=1_stream=0.sdp?real_stream": "rtsp://10.0.0.5/user=admin&password=xxxxx&channel=1_stream=0.sdp?real_stream",
		"rtsp://10.0.0.5/live?username=ops&PWD=rahasia":                                  "rtsp://10.0.0.5/live?username=ops&PWD=xxxxx",
	} {
		if got := Redact(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestClassify(t *testing.T) {
	status := func(code base.StatusCode) error {
		return fmt.Errorf("describe: %w", liberrors.ErrClientBadStatusCode{Code: code})
	}
	for want, errs := range map[string][]error{
		ClassDNS:         {&net.DNSError{Err: "no such host"}, &net.OpError{Op: "dial", Err: &net.DNSError{IsTimeout: true}}},
		ClassRefused:     {&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, status(453), status(503)},
		ClassUnreachable: {&net.OpError{Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, syscall.ENETUNREACH},
		ClassTimeout:     {liberrors.ErrClientRequestTimedOut{}, context.DeadlineExceeded, os.ErrDeadlineExceeded, syscall.ETIMEDOUT},
		ClassTLS:         {x509.UnknownAuthorityError{}, x509.HostnameError{Certificate: &x509.Certificate{}}},
		ClassAuth:        {status(401), status(403)},
		ClassNotFound:    {status(404), status(410)},
		ClassNoMedia:     {fmt.Errorf("%w for 9s", errSilent)},
		ClassClosed:      {io.EOF, syscall.ECONNRESET, &net.OpError{Op: "write", Err: syscall.EPIPE}},
		ClassProtocol:    {errors.New("any"), status(500), liberrors.ErrClientSDPInvalid{Err: errors.New("x")}},
	} {
		for _, err := range errs {
			if got := classify(err); got != want {
				t.Errorf("%T %v: class %s, want %s", err, err, got, want)
			}
		}
	}
}
