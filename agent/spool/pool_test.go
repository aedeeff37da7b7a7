package spool

import (
	"encoding/json"
	"runtime"
	"sync"

	"kentongan/agent/report"
)

// pool does work on all cores.
type pool struct {
	wg   sync.WaitGroup
	slot chan struct{}
}

func newPool() *pool { return &pool{slot: make(chan struct{}, runtime.GOMAXPROCS(0))} }

func (p *pool) do(f func()) {
	p.slot <- struct{}{}
	p.wg.Go(func() {
		defer func() { <-p.slot }()
		f()
	})
}

func (p *pool) wait() { p.wg.Wait() }

func decodeBody[T any](r report.Record) (v T, err error) {
	err = json.Unmarshal(r.Body, &v)
	return v, err
}
