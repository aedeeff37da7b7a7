package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// board presses the buttons of the device's simulated board and sees its lamps,
// over the board's control socket (hal/sim).
type board struct {
	socket string
}

type boardRequest struct {
	Op     string `json:"op"`
	Line   string `json:"line,omitempty"`
	Active bool   `json:"active,omitempty"`
	MS     int    `json:"ms,omitempty"`
}

type boardAnswer struct {
	OK     bool   `json:"ok"`
	Error  string `json:"error"`
	Line   string `json:"line"`
	Active bool   `json:"active"`
	Out    bool   `json:"out"`
}

// do sends one request and returns its answer.
func (b board) do(r boardRequest) (boardAnswer, error) {
	c, err := net.DialTimeout("unix", b.socket, time.Second)
	if err != nil {
		return boardAnswer{}, fmt.Errorf("reach the board: %w", err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if err := json.NewEncoder(c).Encode(r); err != nil {
		return boardAnswer{}, fmt.Errorf("ask the board to %s: %w", r.Op, err)
	}
	var a boardAnswer
	if err := json.NewDecoder(c).Decode(&a); err != nil {
		return boardAnswer{}, fmt.Errorf("ask the board to %s: %w", r.Op, err)
	}
	if !a.OK {
		return a, fmt.Errorf("ask the board to %s: %s", r.Op, a.Error)
	}
	return a, nil
}

// press holds a button for a moment.
func (b board) press(line string) error {
	_, err := b.do(boardRequest{Op: "pulse", Line: line, MS: 40})
	return err
}

// watch calls change for each line that changes, until ctx ends or the board is
// gone. ready, when not nil, is called once changes are being seen.
func (b board) watch(ctx context.Context, ready func(), change func(line string, active bool)) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", b.socket)
	if err != nil {
		return fmt.Errorf("reach the board: %w", err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if err := json.NewEncoder(c).Encode(boardRequest{Op: "watch"}); err != nil {
		return fmt.Errorf("watch the board: %w", err)
	}
	in := bufio.NewScanner(c)
	for in.Scan() {
		var a boardAnswer
		if err := json.Unmarshal(in.Bytes(), &a); err != nil {
			return fmt.Errorf("watch the board: %w", err)
		}
		switch {
		case a.Line != "":
			change(a.Line, a.Active)
		case !a.OK:
			return errors.New("watch the board: " + a.Error)
		case ready != nil:
			ready()
		}
	}
	return ctx.Err()
}
