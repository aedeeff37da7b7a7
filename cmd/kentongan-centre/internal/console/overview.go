package console

import (
	"net/http"

	"kentongan/cmd/kentongan-centre/internal/ingest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

type overviewPage struct {
	store.Overview
	Problems []store.Problem
	Cards    []deviceCard
	Feed     []complaint
	Ingest   ingest.Status
}

// deviceCard is a device and its first cameras, in short.
type deviceCard struct {
	deviceRow
	Cameras []store.Stream
}

// The first page shows so many devices, and so many cameras of each; the other
// pages show all.
const (
	maxCards   = 4
	maxCameras = 6
)

// cards are the first devices, those that are offline before the others.
func (c *Console) cards(r *http.Request) ([]deviceCard, error) {
	list, err := c.view(r).FirstDevices(r.Context(), "", maxCards)
	if err != nil {
		return nil, err
	}
	var cards []deviceCard
	for _, row := range c.deviceRows(list) {
		cameras, err := c.view(r).Streams(r.Context(), row.ID)
		if err != nil {
			return nil, err
		}
		cards = append(cards, deviceCard{row, cameras[:min(len(cameras), maxCameras)]})
	}
	return cards, nil
}

func (o overviewPage) Bad() int    { return o.Silent + o.Failed + o.Unusable }
func (o overviewPage) Empty() bool { return o.Devices == 0 }
func (o overviewPage) Whole() bool { return o.Missing == 0 && o.Conflicts == 0 }

// Rest is the streams that nobody can tell the state of: they are starting, or
// their device is offline.
func (o overviewPage) Rest() int { return o.Streams - o.Playing - o.Silent - o.Failed }

func (c *Console) overview(w http.ResponseWriter, r *http.Request) {
	o, err := c.view(r).Overview(r.Context(), dayBegan(c.cfg.Now()))
	if err != nil {
		c.fail(w, r, err)
		return
	}
	problems, err := c.view(r).Problems(r.Context(), c.cfg.Now(), maxProblems)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	list, err := c.view(r).Complaints(r.Context(), store.ComplaintFilter{Limit: maxFeed})
	if err != nil {
		c.fail(w, r, err)
		return
	}
	cards, err := c.cards(r)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.show(w, r, http.StatusOK, "overview.html", "overview", "overview", overviewPage{o, gathered(problems), cards, dressed(list), c.cfg.Ingest()})
}
