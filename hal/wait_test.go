package hal

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitForEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		edges := make(chan Edge, 2)
		edges <- Edge{}
		edges <- Edge{}
		for range 2 {
			if !WaitForEdge(edges, 0) {
				t.Fatal("an edge that waits was not taken")
			}
		}
		if WaitForEdge(edges, 0) {
			t.Error("an edge out of nothing")
		}
		began := time.Now()
		if WaitForEdge(edges, time.Second) || time.Since(began) != time.Second {
			t.Errorf("waited %v for nothing, want 1 s", time.Since(began))
		}
		go func() {
			time.Sleep(time.Hour)
			edges <- Edge{}
		}()
		if !WaitForEdge(edges, -1) || time.Since(began) != time.Hour+time.Second {
			t.Errorf("the edge of an hour later came after %v", time.Since(began))
		}
		close(edges)
		if WaitForEdge(edges, -1) {
			t.Error("an edge out of a closed line")
		}
	})
}
