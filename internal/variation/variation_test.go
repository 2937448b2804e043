package variation

import (
	"math"
	"testing"
)

func TestCoefficient(t *testing.T) {
	for _, row := range []struct {
		values     []float64
		mean, want float64
	}{
		{[]float64{5, 5, 5}, 5, 0},
		{[]float64{90, 110}, 100, math.Sqrt(200) / 100},
		{[]float64{2, 4, 4, 4, 5, 5, 7, 9}, 5, math.Sqrt(32.0/7) / 5}, // a sample: divided by 7, not by 8
		{[]float64{0, 10}, 5, math.Sqrt(2)},
		{[]float64{3e12, 3e12 + 3e6, 3e12 - 3e6}, 3e12, 1e-6},
		{[]float64{0, 0}, 0, math.Inf(1)},
		{[]float64{7}, 7, math.Inf(1)},
		{nil, 0, math.Inf(1)},
	} {
		s := Of(row.values)
		if got := s.Coefficient(); got != row.want && math.Abs(got-row.want) > 1e-8 {
			t.Errorf("the coefficient of %v is %v; want %v", row.values, got, row.want)
		}
		if got := s.Mean(); math.Abs(got-row.mean) > 1e-9*row.mean {
			t.Errorf("the mean of %v is %v; want %v", row.values, got, row.mean)
		}
	}
}
