package stream

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
)

func TestRetry(t *testing.T) {
	refused := liberrors.ErrClientBadStatusCode{Code: 401}
	busy := liberrors.ErrClientBadStatusCode{Code: 453}
	other := errors.New("any")
	const s = time.Second
	tests := map[string]struct {
		errs []error // nil is a session that was good
		rand float64
		want []time.Duration
	}{
		"doubling to a minute":      {[]error{other, other, other, other, other, other, other, other}, 1, []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s}},
		"drawn from nothing":        {[]error{other, other}, 0, []time.Duration{leastPause, leastPause}},
		"good video resets":         {[]error{other, other, nil, other}, 1, []time.Duration{s, 2 * s, 0, s}},
		"password refused":          {[]error{refused, refused, refused, refused, refused, refused}, 0, []time.Duration{leastPause, 300 * s, 600 * s, 1200 * s, 1800 * s, 1800 * s}},
		"stale nonce":               {[]error{refused, other, refused}, 1, []time.Duration{leastPause, s, leastPause}},
		"no room":                   {[]error{busy, busy}, 0.5, []time.Duration{90 * s, 90 * s}},
		"slow lane has jitter, too": {[]error{refused, refused}, 1, []time.Duration{leastPause, authPause + authPause/10}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := retry{rand: func() float64 { return tt.rand }}
			var got []time.Duration
			for _, err := range tt.errs {
				if err == nil {
					r.good()
					got = append(got, 0)
					continue
				}
				got = append(got, r.after(err))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRetryNeverOverflows(t *testing.T) {
	r := retry{rand: func() float64 { return 1 }}
	for range 1000 {
		if p := r.after(errors.New("any")); p < firstPause || p > longPause {
			t.Fatalf("pause %v", p)
		}
	}
}
