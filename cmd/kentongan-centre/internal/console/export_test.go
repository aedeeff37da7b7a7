package console

import (
	"context"
	"time"

	"kentongan/cmd/kentongan-centre/internal/access"
)

// Routes are the patterns of everything that is served, with the role that each
// needs, for tests that walk them all.
func (c *Console) Routes() map[string]access.Role {
	out := map[string]access.Role{}
	for _, rt := range c.routes() {
		out[rt.pattern] = rt.need
	}
	return out
}

// ReadDirectory is what the console does by itself now and then.
func (c *Console) ReadDirectory() { c.readDirectory(context.Background()) }

// Beat makes event streams look after their sessions so often.
func (c *Console) Beat(every time.Duration) { c.beat = every }

// SoonEvery holds ordinary changes back for so long.
func (c *Console) SoonEvery(every time.Duration) { c.soonEvery = every }

// Requests bounds what an address may ask.
func (c *Console) Requests(burst int, every time.Duration) {
	c.requests = access.NewLimiter(burst, every)
}
