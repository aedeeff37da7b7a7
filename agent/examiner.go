package agent

import (
	"context"

	"kentongan/agent/doctor"
	"kentongan/agent/statuspage"
)

// examiner is the doctor on the technician's page. It looks at the device as the
// command does, but that the service is this process.
type examiner struct{ agent *Agent }

// Examine implements statuspage.Doctor.
func (x examiner) Examine(ctx context.Context, each func(statuspage.Check)) error {
	cfg := x.agent.current()
	NewDoctor(cfg, DoctorOptions{File: cfg.File}).Run(ctx, func(f doctor.Finding) {
		each(statuspage.Check{Name: f.Check, State: string(f.State), Title: f.Title, Seen: f.Seen, Next: f.Next})
	})
	return ctx.Err()
}
