// Package variation measures how steady a rate is: by its coefficient of variation, the standard
// deviation of a sample divided by its mean. A client that waits for a steady throughput and the
// report that looks for one measure by it alike.
package variation

import "math"

// Spread is a sample that grows. Its zero value is empty.
type Spread struct {
	// Values are counted in units of the first that is not 0, so that the squares keep their
	// precision.
	unit, n, sum, squares float64
}

// Of returns the spread of values, none of which is negative.
func Of(values []float64) Spread {
	var s Spread
	for _, v := range values {
		s.Add(v)
	}
	return s
}

// Add takes a value in, which is not negative.
func (s *Spread) Add(value float64) {
	if s.unit == 0 {
		s.unit = value
	}
	s.n++
	if s.unit > 0 {
		x := value / s.unit
		s.sum, s.squares = s.sum+x, s.squares+x*x
	}
}

// Mean returns the mean; 0 of nothing.
func (s *Spread) Mean() float64 {
	if s.n == 0 {
		return 0
	}
	return s.sum / s.n * s.unit
}

// Coefficient returns the coefficient of variation; 0 is perfectly steady. It is infinite if there
// are fewer than two values, or all are 0: neither says that anything is steady.
func (s *Spread) Coefficient() float64 {
	if s.n < 2 || s.sum == 0 {
		return math.Inf(1)
	}
	mean := s.sum / s.n
	return math.Sqrt(max(s.squares/s.n-mean*mean, 0)*s.n/(s.n-1)) / mean
}
