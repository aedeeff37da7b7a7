package console_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every expression of the dashboard names metrics that the centre has, with labels
// that they have.
func TestGrafanaDashboard(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/grafana/kentongan.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct {
				Expr, LegendFormat string
			}
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	srv, _, _ := serve(t, func(s *seeder) { s.province(); s.trouble() })
	_, body := get(t, srv.URL+"/metrics")
	name, label := regexp.MustCompile(`kentongan_[a-z0-9_]+`), regexp.MustCompile(`\{\{(\w+)\}\}`)
	var ids []int
	for _, p := range board.Panels {
		if len(p.Targets) == 0 || slices.Contains(ids, p.ID) {
			t.Errorf("panel %q: no expression, or the id %d twice", p.Title, p.ID)
		}
		ids = append(ids, p.ID)
		for _, q := range p.Targets {
			metrics := name.FindAllString(q.Expr, -1)
			if len(metrics) == 0 {
				t.Errorf("panel %q: no metric in %q", p.Title, q.Expr)
			}
			for _, m := range metrics {
				at := strings.Index(body, "\n# TYPE "+m+" ")
				if at < 0 {
					t.Errorf("panel %q: the centre has no metric %s", p.Title, m)
					continue
				}
				for _, l := range label.FindAllStringSubmatch(q.LegendFormat, -1) {
					if !strings.Contains(body[at:], "\n"+m+"{"+l[1]+"=") {
						t.Errorf("panel %q: %s has no label %s", p.Title, m, l[1])
					}
				}
			}
		}
	}
	if len(ids) < 10 {
		t.Errorf("%d panels", len(ids))
	}
}
