package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/stream"
	"kentongan/agent/uplink"
)

// What can be wrong with a part of a configuration that is valid is tried while the
// configuration of before still runs. A start is more lenient: there is nothing
// better to go on with, so a part that can't work says so, and the others do.

// tryAll tells whether all units can be made; old is what runs.
func (a *Agent) tryAll(old, live *config.Config, ends []string, begins []planned) error {
	freed := map[string]bool{} // ports that the units which end give back
	for _, p := range a.plan(old) {
		if _, port, err := net.SplitHostPort(p.listens); err == nil && slices.Contains(ends, p.name) {
			freed[port] = true
		}
	}
	for _, p := range begins {
		if p.at != "" {
			if err := filesOf(live, p.at); err != nil {
				return err // says where
			}
		}
		if p.try != nil {
			if err := p.try(); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
		if _, port, err := net.SplitHostPort(p.listens); err == nil && !freed[port] {
			if err := tryListen(p.listens); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	return nil
}

// listenLimit is for a name of this machine that has to be looked up.
const listenLimit = 5 * time.Second

// tryListen tells whether somebody can listen there.
func tryListen(at string) error {
	ctx, cancel := context.WithTimeout(context.Background(), listenLimit)
	defer cancel()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at)
	if err != nil {
		return err // says where
	}
	return l.Close()
}

// tryEye tells whether the program that decodes can be run.
func tryEye(c *config.Config) func() error {
	return func() error {
		program := c.Pictures.FFmpeg
		if !filepath.IsAbs(program) {
			return nil // looked for, or not wanted
		}
		if _, err := exec.LookPath(program); err != nil {
			return c.Wrong("pictures.ffmpeg", fmt.Sprintf("%v; install it, or write auto", err), err)
		}
		return nil
	}
}

// tryStream tells whether a camera's streams can be asked: with its password, and
// with the certificate that it is believed by.
func tryStream(c *config.Config, i int) func() error {
	return func() error {
		s := c.Streams[i]
		main, sub, err := baseStreams(s)
		if err != nil {
			return c.Wrong(fmt.Sprintf("streams[%d].password_file", i), err.Error(), err)
		}
		for _, cfg := range watchedOf(s, main, sub) {
			if err := stream.Check(cfg); err != nil {
				return c.Wrong(fmt.Sprintf("streams[%d]", i), err.Error(), err)
			}
		}
		return nil
	}
}

// tryUplink makes the uplink's configuration and tells whether it can be used.
func (a *Agent) tryUplink(old, live *config.Config) (*uplink.Checked, error) {
	up, err := a.uplinkConfig(live)
	if err != nil {
		return nil, err
	}
	checked, err := a.uplink.Check(up)
	if err != nil || live.Digest(uplinkValues...) == old.Digest(uplinkValues...) {
		return checked, err
	}
	return checked, filesOf(live, "uplink.brokers") // whoever takes one that is missing has no link any more
}

// filesOf tells what is wrong with the files that the values at a path name.
func filesOf(c *config.Config, at string) error {
	var wrong config.Problems
	if all, ok := errors.AsType[config.Problems](c.CheckFiles()); ok {
		for _, p := range all {
			if config.Below(p.Path, at) {
				wrong = append(wrong, p)
			}
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrong
}
