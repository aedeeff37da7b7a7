package console

import (
	"testing"
	"time"

	"kentongan/cmd/kentongan-centre/internal/store"
)

func TestManyOfflineAreOneLine(t *testing.T) {
	at := func(min int) time.Time { return time.Date(2026, 11, 26, 3, min, 0, 0, time.UTC) }
	list := []store.Problem{{What: "missing", Since: at(0)}}
	for n := range 4 {
		list = append(list, store.Problem{What: "device", Device: "cam", Since: at(9 - n)})
	}
	list = append(list, store.Problem{What: "alarm", Since: at(1)})
	if got := gathered(list); len(got) != 6 {
		t.Errorf("four devices are gathered: %+v", got)
	}
	list = append(list, store.Problem{What: "device", Device: "cam", Since: at(30)})
	got := gathered(list)
	if len(got) != 3 || got[0].What != "missing" || got[1].What != "devices" || got[1].Count != 5 || !got[1].Since.Equal(at(6)) || got[2].What != "alarm" {
		t.Errorf("five devices: %+v", got)
	}
}
