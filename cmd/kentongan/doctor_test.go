package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"kentongan/agent/doctor"
)

// TestServiceVerdict puts what systemd says into the doctor's words.
func TestServiceVerdict(t *testing.T) {
	now := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		show  string
		cause string
	}{
		"runs":         {"ActiveState=active\nSubState=running\nNRestarts=0\nUnitFileState=enabled\nExecMainStartTimestamp=Thu 2026-11-26 09:59:59 UTC\n", "service.ok"},
		"not at boot":  {"ActiveState=active\nSubState=running\nNRestarts=0\nUnitFileState=disabled\n", "service.not_at_boot"},
		"first start":  {"ActiveState=activating\nSubState=start\nNRestarts=0\n", "service.starting"},
		"ends, begins": {"ActiveState=activating\nSubState=auto-restart\nNRestarts=7\nResult=exit-code\nExecMainStatus=3\n", "service.crash_loop"},
		"stopped":      {"ActiveState=inactive\nSubState=dead\n", "service.stopped"},
		"failed":       {"ActiveState=failed\nResult=resources\n", "service.failed"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := verdictOf(readShow(tt.show, now)); got.Cause != tt.cause {
				t.Errorf("%+v, want %s", got, tt.cause)
			}
		})
	}
	if got := verdictOf(serviceStatus{State: stateNotInstalled}); got.Cause != "service.missing" {
		t.Errorf("not installed: %+v", got)
	}
	got := verdictOf(readShow("ActiveState=activating\nSubState=auto-restart\nNRestarts=7\nResult=exit-code\nExecMainStatus=3\n", now))
	if got.With["restarts"] != "7" || got.With["detail"] != "exit-code, status 3" {
		t.Errorf("a crash loop is %v", got.With)
	}
}

// TestLangOf follows the environment; Indonesian is the language of the place.
func TestLangOf(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want doctor.Lang
	}{
		{nil, doctor.Indonesian},
		{map[string]string{"LANG": "C.UTF-8"}, doctor.Indonesian},
		{map[string]string{"LANG": "en_GB.UTF-8"}, doctor.English},
		{map[string]string{"LANG": "en_GB.UTF-8", "LC_ALL": "id_ID.UTF-8"}, doctor.Indonesian},
		{map[string]string{"LANG": "id_ID.UTF-8", "LC_MESSAGES": "en_US"}, doctor.English},
	} {
		if got := langOf(func(k string) string { return tt.env[k] }); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.env, got, tt.want)
		}
	}
}

// TestDoctorJSON prints one object a line, with what there is in both languages.
func TestDoctorJSON(t *testing.T) {
	var out, bad strings.Builder
	status := runDoctor(t.Context(), env{strings.NewReader(""), &out, &bad}, []string{"--json", "--config", t.TempDir() + "/none.yaml"})
	if status != exitConfig || bad.Len() > 0 {
		t.Errorf("status %d, on standard error %q", status, bad.String())
	}
	n := 0
	for dec := json.NewDecoder(strings.NewReader(out.String())); dec.More(); n++ {
		var f doctor.Finding
		if err := dec.Decode(&f); err != nil {
			t.Fatal(err)
		}
		if n == 0 && (f.Check != "config" || f.State != doctor.Fail || f.Cause != "config.missing" || f.Next.EN == "" || f.Next.ID == "") {
			t.Errorf("the first is %+v", f)
		}
		if f.Title.ID == "" || f.Seen.EN == "" {
			t.Errorf("%+v says nothing", f)
		}
	}
	if lines := strings.Count(out.String(), "\n"); n < 5 || lines != n {
		t.Errorf("%d objects in %d lines", n, lines)
	}
}
