package sensor

import (
	"testing"

	"kentongan/agent/report"
)

func TestLimits(t *testing.T) {
	all := Limits{TooHot: new(60.0), TooCold: new(0.0), Humid: new(90.0), LowVoltage: new(11.5), Hysteresis: 2}
	temperature := func(v float64) report.Reading { return report.Reading{Temperature: &v} }
	humidity := func(v float64) report.Reading { return report.Reading{Humidity: &v} }
	voltage := func(v float64) report.Reading { return report.Reading{Voltage: &v} }
	tests := map[string]struct {
		condition string
		of        func(float64) report.Reading
		values    []float64
		want      []bool
	}{
		"too hot, at the limit and back": {CondTooHot, temperature, []float64{59.9, 60, 59, 58.1, 58, 59.9, 60}, []bool{false, true, true, true, false, false, true}},
		"too cold":                       {CondTooCold, temperature, []float64{0.1, 0, 1.9, 2, 0.1, -5}, []bool{false, true, true, false, false, true}},
		"humid":                          {CondHumid, humidity, []float64{89, 95, 88.5, 88}, []bool{false, true, true, false}},
		"low voltage, in tenths":         {CondLowVoltage, voltage, []float64{12, 11.5, 11.6, 11.7}, []bool{false, true, true, false}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, l := range all.conditions() {
				for i, v := range tt.values {
					r := tt.of(v)
					if got := l.of(r); (got != nil) != (l.condition == tt.condition || l.condition == CondTooHot && tt.condition == CondTooCold || l.condition == CondTooCold && tt.condition == CondTooHot) {
						t.Errorf("%s looks at %+v: %v", l.condition, r, got)
					}
					if l.condition != tt.condition {
						continue
					}
					if got := l.over(v); got != tt.want[i] {
						t.Errorf("value %d, %g: present %v, want %v", i, v, got, tt.want[i])
					}
				}
			}
		})
	}
	if got := (Limits{}).conditions(); len(got) != 0 {
		t.Errorf("%d conditions without a limit", len(got))
	}
}
