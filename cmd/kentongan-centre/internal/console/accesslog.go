package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"kentongan/cmd/kentongan-centre/internal/access"
)

type logPage struct {
	List         []access.Entry
	Name, Action string
	Actions      []string
	Older        int64
	Paged        bool
	Whole        int64  // entries that are as they were written
	Broken       int64  // the first that is not, 0 for none
	Newest       string // hash
}

// actions are the words of the access log.
func (c *Console) actions() []string {
	set := []string{"login"}
	for _, rt := range c.routes() {
		if rt.action != "" && !slices.Contains(set, rt.action) {
			set = append(set, rt.action)
		}
	}
	slices.Sort(set)
	return set
}

const maxLog = 100

func (c *Console) accessLog(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p := logPage{Name: strings.TrimPrefix(strings.TrimSpace(q.Get("name")), "#"), Action: q.Get("action"), Actions: c.actions()}
	before, err := strconv.ParseInt(q.Get("before"), 10, 64)
	p.Paged = err == nil && before > 0
	if p.List, err = c.cfg.Access.Journal(r.Context(), p.Name, p.Action, max(0, before), maxLog); err == nil {
		p.Whole, p.Broken, p.Newest, err = c.cfg.Access.Check(r.Context())
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	if len(p.List) == maxLog {
		p.Older = p.List[maxLog-1].Seq
	}
	c.show(w, r, http.StatusOK, "accesslog.html", "accesslog", "accesslog", p)
}
