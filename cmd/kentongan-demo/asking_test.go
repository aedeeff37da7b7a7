package main

import (
	"context"
	"time"
)

// What only the tests ask of a centre and of its device.
type (
	pictureState struct {
		State  string `json:"state"`
		Record struct {
			ID     string `json:"id"`
			Who    string `json:"who"`
			Reason string `json:"reason"`
			Format string `json:"format"`
			Width  int    `json:"width"`
			Height int    `json:"height"`
			Size   int    `json:"size"`
			Pieces int    `json:"pieces"`
		} `json:"record"`
	}

	orderState struct {
		ID      string `json:"id"`
		Name    string `json:"name"`
		Subject string `json:"subject"`
		State   string `json:"state"`
	}
)

func (c *centre) pictures(ctx context.Context, stream string) ([]pictureState, error) {
	var got struct {
		Pictures []pictureState `json:"pictures"`
	}
	err := c.get(ctx, "/api/v1/pictures?stream="+stream, &got)
	return got.Pictures, err
}

func (c *centre) orders(ctx context.Context) ([]orderState, error) {
	var got struct {
		Orders []orderState `json:"orders"`
	}
	err := c.get(ctx, "/api/v1/orders", &got)
	return got.Orders, err
}

// pressAndWait presses a button and waits until the device says that the press is
// kept, or until patience is over.
func (d *device) pressAndWait(line string, patience time.Duration) bool {
	before := len(d.tickets())
	if err := d.board.press(line); err != nil {
		return false
	}
	for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(5 * time.Millisecond) {
		if len(d.tickets()) > before {
			return true
		}
	}
	return false
}

// pid is the number of the process that was started last.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// waitFor asks again until ok says yes or patience is over.
func waitFor(ctx context.Context, patience time.Duration, ok func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok() {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}
