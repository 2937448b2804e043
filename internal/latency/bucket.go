package latency

import (
	"math"
	"math/bits"
)

// Scale is a division of all values into buckets: how many leading bits of a value name its
// bucket, at least 2. Each bucket of a scale lies within one of any scale with fewer bits.
type Scale int

const (
	// exact is the scale of a Histogram, HdrHistogram's for three significant decimal digits: it
	// has 2·10^3 steps in every doubling, so values below 2048 have a bucket of their own.
	exact Scale = 11
	// compact is the scale of a Compact.
	compact Scale = 8
	// maxValue is the largest value that is recorded.
	maxValue = math.MaxInt64
)

// shift returns how many bits of v name no bucket.
func (s Scale) shift(v uint64) int { return max(bits.Len64(v), int(s)) - int(s) }

// Bucket returns the number of the bucket that v falls into, counted from 0 without a gap.
func (s Scale) Bucket(v uint64) int {
	shift := s.shift(v)
	return shift<<(s-1) + int(v>>shift)
}

// Range returns the lowest and the highest value of the bucket of that number.
func (s Scale) Range(bucket int) (low, top uint64) {
	shift := max(bucket>>(s-1), 1) - 1
	low = uint64(bucket-shift<<(s-1)) << shift
	return low, low + 1<<shift - 1
}

// Low returns the lowest value of the bucket that v falls into.
func (s Scale) Low(v uint64) uint64 {
	shift := s.shift(v)
	return v >> shift << shift
}

// Top returns the highest value of the bucket that v falls into.
func (s Scale) Top(v uint64) uint64 { return v | (1<<s.shift(v) - 1) }
