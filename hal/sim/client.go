package sim

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
)

// ErrNobody is a control socket at which no board answers.
var ErrNobody = errors.New("no simulated board answers")

// ErrPlayed is a control socket at which another program's board answers.
var ErrPlayed = errors.New("another board answers there; stop it or name another path")

// Follow watches the lines of the board that another program plays, over its
// control socket: first each as it is, then each change, until ctx ends, when it
// returns nil. ErrNobody is that nobody plays one there.
func Follow(ctx context.Context, socket string, each func(c Change, first bool)) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNobody, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := fmt.Fprintln(conn, `{"op":"watch"}`); err != nil {
		return fmt.Errorf("watch the board at %s: %w", socket, err)
	}
	in := bufio.NewReader(conn)
	for first := true; ; first = false {
		text, err := in.ReadBytes('\n')
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("watch the board at %s: %w", socket, err)
		}
		var said struct {
			Error string   `json:"error"`
			Lines []Change `json:"lines"`
			Change
		}
		if err := json.Unmarshal(text, &said); err != nil {
			return fmt.Errorf("watch the board at %s: %w", socket, err)
		}
		switch {
		case said.Error != "":
			return fmt.Errorf("watch the board at %s: %w", socket, errors.New(said.Error))
		case first:
			for _, c := range said.Lines {
				each(c, true)
			}
		default:
			each(said.Change, false)
		}
	}
}
