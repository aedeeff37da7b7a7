package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// furnish gives the demo's centre two agencies, a routing table, and an operator
// of one of them, by the forms that an admin would fill in. It returns a link
// that lets the operator in once.
func (c *centre) furnish(ctx context.Context) (operator string, err error) {
	for _, f := range []struct {
		path string
		form url.Values
	}{
		{"/agencies", url.Values{"id": {"dishub"}, "name_id": {"Dinas Perhubungan"}, "name_en": {"Transport Agency"}}},
		{"/agencies", url.Values{"id": {"dpupr"}, "name_id": {"Dinas PUPR"}, "name_en": {"Public Works Agency"}}},
		{"/agencies/devices", url.Values{"device": {demoDevice}, "agency": {"dishub"}}},
		{"/agencies/services", url.Values{"code": {"jalan-rusak"}, "agency": {"dpupr"}, "name_id": {"Jalan rusak"}, "name_en": {"Damaged road"}, "public": {"1"}}},
	} {
		if err := c.post(ctx, f.path, f.form); err != nil {
			return "", err
		}
	}
	dir := c.args[1] // after --data
	link, err := c.user(ctx, "add", "--data", dir, "--name", "budi", "--full-name", "Budi", "--role", "operator", "--agency", "dpupr", "--url", c.page)
	return link + "?now", err
}

// post fills in a form of the centre's as the demo's account.
func (c *centre) post(ctx context.Context, path string, form url.Values) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.page+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.do(req)
	if err != nil {
		return fmt.Errorf("tell the centre %s: %w", path, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("tell the centre %s: %s", path, res.Status)
	}
	return nil
}
