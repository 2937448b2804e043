package compare

import (
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat"
)

// Where a difference is significant.
const (
	// significantP is the probability below which a difference is no chance, and
	// significantChange the least share it must have.
	significantP      = 0.01
	significantChange = 0.03
	// leastSamples is the fewest intervals of a run that a test is made with.
	leastSamples = 5
)

// significanceText names the test for a person.
const significanceText = "Welch's t-test on the values of intervals, of their logarithms for latencies; sample sizes " +
	"reduced for " +
	"autocorrelation; significant below p = 0.01 and from 3 % on"

// welch returns the probability that two series of values differ as much as they do by
// chance, if their means are the same: the two-sided t-test for unequal variances
// (B. L. Welch, The generalization of Student's problem when several different population
// variances are involved, Biometrika 34, 1947). Neighbouring intervals of one run are
// alike, which the test does not expect: so each sample counts only as so many as are
// independent of each other (effective). It returns NaN for fewer than leastSamples.
func welch(a, b []float64) float64 {
	if len(a) < leastSamples || len(b) < leastSamples {
		return math.NaN()
	}
	meanA, varA := stat.MeanVariance(a, nil)
	meanB, varB := stat.MeanVariance(b, nil)
	nA, nB := effective(a), effective(b)
	errA, errB := varA/nA, varB/nB
	if errA+errB == 0 {
		if meanA == meanB {
			return 1
		}
		return 0
	}
	t := (meanA - meanB) / math.Sqrt(errA+errB)
	freedom := (errA + errB) * (errA + errB) / (errA*errA/(nA-1) + errB*errB/(nB-1))
	// The two-sided tail of Student's distribution as a regularized incomplete beta
	// function (Abramowitz and Stegun 26.7.1 and 26.5.27).
	return mathext.RegIncBeta(freedom/2, 0.5, freedom/(freedom+t*t))
}

// effective returns how many independent values a series is worth: n·(1-r)/(1+r) for a
// correlation of r between neighbours (G. V. Bayley and J. M. Hammersley, The "effective"
// number of independent observations in an autocorrelated time series, JRSS supplement 8,
// 1946); between 2 and n.
func effective(list []float64) float64 {
	n := float64(len(list))
	mean := stat.Mean(list, nil)
	var products, squares float64
	for i, x := range list {
		squares += (x - mean) * (x - mean)
		if i > 0 {
			products += (x - mean) * (list[i-1] - mean)
		}
	}
	if squares == 0 {
		return n
	}
	r := min(max(products/squares, 0), 1)
	return max(n*(1-r)/(1+r), 2)
}
