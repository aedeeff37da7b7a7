package console

import (
	"net/http"
	"slices"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

type streamPage struct {
	store.Stream
	Site          string
	Active, Ended []alarmView
	Pictures      []pictureView
	Orders        []store.Order
	May           bool
	Keep          time.Duration
	History       []store.StreamPoint
}

// pictureView is a picture and who looks at it.
type pictureView struct {
	store.Picture
	May bool
	Now time.Time
}

// Erasable tells whether there is something to erase.
func (p pictureView) Erasable() bool {
	return p.May && p.State != store.PictureErased && p.State != store.PictureExpired
}

// Verdict is what is known of the picture, nil for nothing.
func (s streamPage) Verdict() *report.PictureState {
	if s.Doc == nil {
		return nil
	}
	return s.Doc.Picture
}

func (c *Console) streamOf(r *http.Request) (store.Stream, bool, error) {
	id, name := r.PathValue("id"), r.PathValue("name")
	if !report.ValidDevice(id) {
		return store.Stream{}, false, nil
	}
	list, err := c.view(r).Streams(r.Context(), id)
	for _, s := range list {
		if s.Name == name {
			return s, true, nil
		}
	}
	return store.Stream{}, false, err
}

func (c *Console) stream(w http.ResponseWriter, r *http.Request) {
	s, found, err := c.streamOf(r)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	if !found {
		c.show(w, r, http.StatusNotFound, "message.html", "devices", "notfound", "err.nostream")
		return
	}
	p := streamPage{Stream: s, May: may(r, access.Operator), Keep: c.cfg.KeepPictures}
	if err := c.fillStream(r, &p); err != nil {
		c.fail(w, r, err)
		return
	}
	c.show(w, r, http.StatusOK, "stream.html", "devices", s.Name, p)
}

func (c *Console) fillStream(r *http.Request, p *streamPage) error {
	ctx, st := r.Context(), c.view(r)
	back, source := r.URL.Path, "stream/"+p.Name
	history, err := st.StreamHistory(ctx, p.Device, c.cfg.Now().Add(-sparkSpan))
	if err != nil {
		return err
	}
	p.History = history[p.Name]
	active, err := st.Alarms(ctx, store.AlarmFilter{Device: p.Device, Source: source, Hidden: true, Limit: maxAlarms})
	if err != nil {
		return err
	}
	if p.Active, err = c.views(r, active, back); err != nil {
		return err
	}
	ended, err := st.Alarms(ctx, store.AlarmFilter{Device: p.Device, Source: source, Ended: true, Limit: maxOrders})
	if err != nil {
		return err
	}
	if p.Ended, err = c.views(r, ended, back); err != nil {
		return err
	}
	pictures, err := st.Pictures(ctx, p.Device, p.Name, maxPictures)
	for _, pic := range pictures {
		p.Pictures = append(p.Pictures, pictureView{pic, p.May, c.cfg.Now()})
	}
	if err != nil {
		return err
	}
	p.Orders, err = st.Orders(ctx, store.OrderFilter{Device: p.Device, Name: report.OrderSnapshot, Subject: p.Name, Limit: maxOrders})
	return err
}

// picture gives the bytes of a picture.
func (c *Console) picture(w http.ResponseWriter, r *http.Request) {
	device, id := r.PathValue("device"), r.PathValue("id")
	data, format, err := c.view(r).PictureData(r.Context(), device, id)
	if err != nil {
		c.refused(w, r, err)
		return
	}
	// What a device sends as a picture is shown as one or not at all.
	h := w.Header()
	h.Set("Content-Type", "image/jpeg")
	h.Set("Cache-Control", "private, no-store")
	if format != "jpeg" {
		h.Set("Content-Type", "application/octet-stream")
		if format == "mp4" {
			h.Set("Content-Type", "video/mp4")
		}
		name := device + "-" + id + ".mp4"
		if slices.Contains([]string{report.LogFormat, report.ProfileFormat, report.StacksFormat}, format) {
			name = device + "-" + id + "." + format
		}
		h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	}
	_, _ = w.Write(data) // the client has gone
}
