package console

import (
	"net/http"
	"time"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// The wall is for a screen that nobody touches: what is red, in letters that can
// be read across a room.

const (
	wallProblems = 7
)

type wallPage struct {
	store.Overview
	Problems []store.Problem
	Red      int // all that is red, also beyond those listed
	Map      drawing
	Apps     []application
	Kept     bool // this session is a screen's
}

// More is how many of the problems are not listed.
func (p wallPage) More() int { return p.Red - len(p.Problems) }

// Calm tells that nothing is red.
func (p wallPage) Calm() bool { return p.Red == 0 }

func (c *Console) wall(w http.ResponseWriter, r *http.Request) {
	v, ctx, at := c.view(r), r.Context(), c.cfg.Now()
	var p wallPage
	o, err := v.Overview(ctx, dayBegan(at))
	p.Overview = o
	if err == nil {
		p.Problems, err = v.Problems(ctx, at, maxProblems)
	}
	var places []store.Place
	if err == nil {
		places, err = v.Places(ctx, at)
	}
	var apps []store.App
	if err == nil {
		apps, err = v.Apps(ctx, "")
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	p.Problems = gathered(p.Problems)
	p.Red, p.Map, p.Apps = len(p.Problems), draw(banten, places), applications(c.appRows(apps))
	p.Problems = p.Problems[:min(len(p.Problems), wallProblems)]
	p.Kept = session(r).Kind == access.Wall
	c.show(w, r, http.StatusOK, "wall.html", "wall", "wall", p)
}

// dayBegan is when the viewers' day began.
func dayBegan(at time.Time) time.Time {
	at = at.In(wib)
	return time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, wib)
}

// doWall turns this browser's log-in into one that can only show the wall, and
// does so for long: the screen may hang in a room that others walk through.
func (c *Console) doWall(w http.ResponseWriter, r *http.Request) {
	s := session(r)
	token, err := c.cfg.Access.NewWall(r.Context(), s.Account.ID, c.from(r))
	if err == nil && s.Kind == access.Browser {
		err = c.cfg.Access.End(r.Context(), s.Account.ID, s.Hash)
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.letIn(w, r, token, int(access.WallLife.Seconds()))
	http.Redirect(w, r, "/wall", http.StatusSeeOther)
}
