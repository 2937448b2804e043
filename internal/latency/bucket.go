package latency

import (
	"math"
	"math/bits"
)

const (
	// digits is the precision kept, in significant decimal digits.
	digits = 3
	// exactBits is how many leading bits of a value name its bucket: enough
	// for 2·10^digits steps, so values below 2048 have a bucket of their own.
	exactBits = 11
	// maxValue is the largest value a bucket can name.
	maxValue = math.MaxInt64
)

// bucketOf returns the lowest value, in nanoseconds, of the bucket that v falls
// into. It agrees with HdrHistogram's for its whole range.
func bucketOf(v uint64) uint64 {
	shift := max(bits.Len64(v), exactBits) - exactBits
	return v >> shift << shift
}

// bucketTop returns the highest value of the bucket whose lowest value is low.
func bucketTop(low uint64) uint64 {
	shift := max(bits.Len64(low), exactBits) - exactBits
	return min(low+1<<shift-1, maxValue)
}
