package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// centre is the command centre as another program.
type centre struct {
	*process
	page   string // URL
	broker string // URL, of the broker that it runs itself
	key    string // its verifier
	enter  string // URL that lets a person in, once
	token  string // of the demo's own account, for its API
}

// startCentre runs the centre and waits for what it says of itself.
func startCentre(ctx context.Context, program string, args ...string) (*centre, error) {
	c := &centre{process: newProcess("centre", program, args...)}
	if err := c.restart(ctx); err != nil {
		return c, err
	}
	return c, c.letIn(ctx)
}

// letIn makes an account at the centre, as whoever sets one up does, and a way
// in for a person and for the demo itself.
func (c *centre) letIn(ctx context.Context) (err error) {
	who := []string{"--data", c.args[slices.Index(c.args, "--data")+1], "--name", "sari"}
	if c.enter, err = c.user(ctx, "add", append(who, "--full-name", "Sari", "--role", "admin", "--url", c.page)...); err != nil {
		return err
	}
	c.enter += "?now"
	c.token, err = c.user(ctx, "token", append(who, "--label", "demo")...)
	return err
}

// user runs kentongan-centre user and returns the line that it prints.
func (c *centre) user(ctx context.Context, do string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.path, append([]string{"user", do}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return "", fmt.Errorf("centre: user %s: %w", do, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// do asks the centre as the demo's account.
func (c *centre) do(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", "Bearer "+c.token)
	return http.DefaultClient.Do(req)
}

// restart runs the centre if it does not run, and waits until it is ready.
func (c *centre) restart(ctx context.Context) error {
	if err := c.start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return c.waitLine(ctx, func(line string) bool {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "page":
			c.page = value
		case "broker":
			c.broker = value
		case "key":
			c.key = value
		}
		return c.page != "" && c.broker != "" && c.key != ""
	})
}

// The parts of the centre's JSON API that are used here.
type (
	complaint struct {
		ID     int64  `json:"id"`
		Ticket string `json:"ticket"`
		Seq    uint64 `json:"seq"`
	}
	laneCount struct {
		Device     string `json:"device"`
		Lane       string `json:"lane"`
		Epoch      string `json:"epoch"`
		Received   uint64 `json:"received"`
		Missing    uint64 `json:"missing"`
		Explained  uint64 `json:"explained"`
		Duplicates uint64 `json:"duplicates"`
		Conflicts  uint64 `json:"conflicts"`
	}
	alarmState struct {
		ID        string `json:"id"`
		Device    string `json:"device"`
		Source    string `json:"source"`
		Condition string `json:"condition"`
		Severity  string `json:"severity"`
		State     string `json:"state"`
		By        string `json:"by"`
		False     bool   `json:"false"`
		Hidden    int    `json:"hidden"`
		Text      struct {
			ID string `json:"id"`
			EN string `json:"en"`
		} `json:"text"`
	}
	aroundState struct {
		Source  string `json:"source"`
		Reading *struct {
			Temperature float64 `json:"temperature_c"`
			Humidity    float64 `json:"humidity_percent"`
		} `json:"reading"`
		Input *struct {
			Active bool `json:"active"`
		} `json:"input"`
	}
	streamState struct {
		Device string `json:"device"`
		Name   string `json:"stream"`
		State  string `json:"state"`
		Report struct {
			Codec string `json:"codec"`
		} `json:"report"`
		Stats struct {
			FPS float64 `json:"fps"`
		} `json:"stats"`
	}
)

// complaints returns all that the centre has of a device, page by page.
func (c *centre) complaints(ctx context.Context, device string) (all []complaint, err error) {
	query := "/api/v1/complaints?limit=500&device=" + device
	for page := query; ; page = fmt.Sprintf("%s&before=%d", query, all[len(all)-1].ID) {
		var got struct {
			Complaints []complaint `json:"complaints"`
		}
		if err := c.get(ctx, page, &got); err != nil {
			return nil, err
		}
		all = append(all, got.Complaints...)
		if len(got.Complaints) < 500 {
			return all, nil
		}
	}
}

func (c *centre) lanes(ctx context.Context) ([]laneCount, error) {
	var got struct {
		Lanes []laneCount `json:"lanes"`
	}
	err := c.get(ctx, "/api/v1/lanes", &got)
	return got.Lanes, err
}

// alarms are those that are not over; ended, those that are.
func (c *centre) alarms(ctx context.Context, ended bool) ([]alarmState, error) {
	path := "/api/v1/alarms"
	if ended {
		path += "?ended=1"
	}
	var got struct {
		Alarms []alarmState `json:"alarms"`
	}
	err := c.get(ctx, path, &got)
	return got.Alarms, err
}

func (c *centre) streams(ctx context.Context) ([]streamState, error) {
	var got struct {
		Streams []streamState `json:"streams"`
	}
	err := c.get(ctx, "/api/v1/streams", &got)
	return got.Streams, err
}

// surroundings are what the sensors and contacts of a device say.
func (c *centre) surroundings(ctx context.Context, device string) ([]aroundState, error) {
	var got struct {
		Surroundings []aroundState `json:"surroundings"`
	}
	err := c.get(ctx, "/api/v1/surroundings?device="+device, &got)
	return got.Surroundings, err
}

// get asks the centre's API.
func (c *centre) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.page+path, nil)
	if err != nil {
		return err
	}
	res, err := c.do(req)
	if err != nil {
		return fmt.Errorf("ask the centre for %s: %w", path, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the centre for %s: %s", path, res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return fmt.Errorf("ask the centre for %s: %w", path, err)
	}
	return nil
}
