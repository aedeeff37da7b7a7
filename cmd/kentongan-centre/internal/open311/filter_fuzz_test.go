package open311

import (
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// FuzzFilter: whatever a stranger asks for, what is looked for is bounded.
func FuzzFilter(f *testing.F) {
	f.Add("page=2&page_size=50&service_code=jalan-rusak,lampu-jalan&status=open,closed")
	f.Add("service_request_id=1,2,3")
	f.Add("start_date=2026-11-01T00:00:00Z&end_date=2026-11-26T00:00:00Z")
	f.Add("page=%zz&page_size=-1")
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/open311/v2/requests.json", nil)
		r.URL = &url.URL{Path: r.URL.Path, RawQuery: query}
		got, err := (&API{now: time.Now}).filter(r)
		if err == nil && (got.Most > maxPage || got.Skip < 0 || len(got.IDs) > maxList || len(got.Codes) > maxList) {
			t.Errorf("%q is %+v", query, got)
		}
	})
}
