package stories

import (
	"fmt"
	"testing"

	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
)

// A step of a curve in which the storage was stuck has a point: chunks were due, and none was written.
func TestAStepThatIsStuckIsInItsCurve(t *testing.T) {
	var stages []report.Stage
	for i := range 4 {
		s := report.Stage{Number: i + 1, Clients: 1, Finished: 1, OfferedBytesPerSecond: 1000, BytesPerSecond: 1000,
			Chunks: 10, Response: &report.Latency{Count: 9, P99Nano: 1e6}}
		s.Name, s.Told.Curve, s.Told.RatePercent = fmt.Sprintf("c %d%%", 10*(i+1)), 1, float64(10*(i+1))
		if i == 3 {
			s.BytesPerSecond, s.Chunks, s.Response = 0, 0, &report.Latency{Count: 90, P99Nano: 4e9}
		}
		stages = append(stages, s)
	}
	curves := judge.Curves(stages, false)
	if len(curves) != 1 || len(curves[0].Points) != 4 || curves[0].Knee.Stage != 3 {
		t.Errorf("%+v; want a knee at the third of four steps", curves)
	}
}

// The knee is the last step before the first one that the storage does not keep up with.
func TestKnee(t *testing.T) {
	ms := func(list ...float64) []float64 { return list }
	for _, test := range []struct {
		name  string
		p99   []float64 // ms; 0 for none
		short int       // the first point of which too little is delivered, from 1; 0 for none
		state string
		knee  int
	}{
		{"none", ms(2, 2, 2.2, 3, 3.9), 0, report.KneeNone, 0},
		{"it rises and stays", ms(2, 2, 2.2, 5, 40), 0, report.KneeFound, 3},
		{"it rises at the end", ms(2, 2, 2, 2, 40), 0, report.KneeFound, 4},
		{"a spike alone is none", ms(2, 2, 90, 2, 3), 0, report.KneeNone, 0},
		{"a spike before it does not hide it", ms(90, 2, 2, 2, 8), 0, report.KneeFound, 4},
		{"short", ms(2, 2, 2, 2, 2), 4, report.KneeFound, 3},
		{"short before it is slow", ms(2, 2, 2, 2, 9), 4, report.KneeFound, 3},
		{"slow before it is short", ms(2, 2, 9, 9, 9), 5, report.KneeFound, 2},
		{"the first is short", ms(2, 2, 2), 1, report.KneeBelow, 0},
		{"twice as slow from the second on tells nothing", ms(2, 5, 5, 5), 0, report.KneeNone, 0},
		{"no response", ms(0, 0, 0), 0, report.KneeNone, 0},
		{"no response, short", ms(0, 0, 0), 3, report.KneeFound, 2},
		{"too few", ms(2, 90), 2, report.KneeUntold, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var points []report.CurvePoint
			for i, p99 := range test.p99 {
				p := report.CurvePoint{Stage: i + 1, OfferedBytesPerSecond: 1000, BytesPerSecond: 950}
				if p99 > 0 {
					p.Response = &report.Latency{Count: 9, P99Nano: int64(p99 * 1e6)}
				}
				if test.short > 0 && i+1 >= test.short {
					p.BytesPerSecond = 949
				}
				points = append(points, p)
			}
			if k := judge.Knee(points); k.State != test.state || k.Stage != test.knee ||
				(k.Beyond > 0) != (k.Short || k.Slow) {
				t.Errorf("%+v", k)
			}
		})
	}
}
