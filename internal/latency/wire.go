package latency

import (
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"bulkhead/internal/saturated"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// MaxWireBuckets is the most buckets FromProto accepts.
const MaxWireBuckets = 65536

// Proto returns h as it travels: values in rising order, the first as it is and
// then differences. Equal histograms give equal messages.
func (h *Histogram) Proto() *bulkheadv1.Histogram {
	p := &bulkheadv1.Histogram{Min: h.min, Max: h.max, Sum: h.sum}
	if h.count == 0 {
		return p
	}
	p.ValueDelta = make([]uint64, 0, len(h.buckets))
	p.Count = make([]uint64, 0, len(h.buckets))
	var last uint64
	for _, v := range slices.Sorted(maps.Keys(h.buckets)) {
		p.ValueDelta = append(p.ValueDelta, v-last)
		p.Count = append(p.Count, h.buckets[v])
		last = v
	}
	return p
}

// FromProto reads a histogram that may come from anybody. Values that are not
// the lowest of a bucket of this package are put into the bucket they fall
// into. A nil message is an empty histogram.
//
// It returns an error for more than MaxWireBuckets buckets, lists of unequal
// length, a count of 0, values that do not rise or exceed the longest
// time.Duration, a total count that overflows, and a minimum, maximum or sum
// that the values cannot have.
func FromProto(p *bulkheadv1.Histogram) (*Histogram, error) {
	values, counts := p.GetValueDelta(), p.GetCount()
	if len(values) != len(counts) {
		return nil, fmt.Errorf("histogram has %d values but %d counts", len(values), len(counts))
	}
	if len(values) > MaxWireBuckets {
		return nil, fmt.Errorf("histogram has %d buckets, more than %d", len(values), MaxWireBuckets)
	}
	h := new(Histogram)
	var first, last uint64
	for i, delta := range values {
		v, carry := bits.Add64(last, delta, 0)
		switch {
		case carry != 0 || v > maxValue:
			return nil, fmt.Errorf("histogram value %d exceeds %d ns", i, int64(maxValue))
		case i > 0 && delta == 0:
			return nil, fmt.Errorf("histogram value %d does not rise", i)
		case counts[i] == 0:
			return nil, fmt.Errorf("histogram count %d is 0", i)
		}
		if _, carry := bits.Add64(h.count, counts[i], 0); carry != 0 {
			return nil, errors.New("histogram counts overflow")
		}
		if i == 0 {
			first = v
		}
		last = v
		h.addBucket(exact.Low(v), counts[i])
		h.sum = saturated.Add(h.sum, saturated.Mul(v, counts[i])) // least possible sum
	}
	if err := h.adoptExact(p, first, last); err != nil {
		return nil, err
	}
	return h, nil
}

// adoptExact takes over the exact extremes and sum of p. h.sum is the least sum
// that p's buckets allow; first and last are the extreme values of its buckets.
func (h *Histogram) adoptExact(p *bulkheadv1.Histogram, first, last uint64) error {
	low, high, sum := p.GetMin(), p.GetMax(), p.GetSum()
	if h.count == 0 {
		if low != 0 || high != 0 || sum != 0 {
			return errors.New("histogram without values has a minimum, maximum or sum")
		}
		return nil
	}
	switch {
	case low < first || low > high || high > maxValue:
		return fmt.Errorf("histogram minimum %d does not fit its values and its maximum %d", low, high)
	case high < last:
		return fmt.Errorf("histogram maximum %d is below its highest value %d", high, last)
	case sum < h.sum || sum > saturated.Mul(high, h.count):
		return fmt.Errorf("histogram sum %d does not fit its values", sum)
	}
	h.widen(low, high)
	h.sum = sum
	return nil
}
