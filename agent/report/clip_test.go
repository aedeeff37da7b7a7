package report

import "testing"

func TestClip(t *testing.T) {
	for _, tt := range []struct {
		s    string
		most int
		want string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "abc"},
		{"aé", 2, "a"}, {"aé", 3, "aé"}, {"a世b", 3, "a"}, {"a世b", 4, "a世"}, {"世", 0, ""},
	} {
		if got := Clip(tt.s, tt.most); got != tt.want {
			t.Errorf("Clip(%q, %d) is %q, want %q", tt.s, tt.most, got, tt.want)
		}
	}
}
