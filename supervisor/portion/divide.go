package portion

import "math/bits"

// Rate is how much may be written per second; 0 is no limit.
type Rate struct {
	Bytes uint64
	// Chunks are in thousandths.
	Chunks uint64
}

// Member has a part in a rate.
type Member struct {
	Name string
	// Consumers is by how many the member is weighed, at least 1.
	Consumers uint32
}

// Part is what a member may write.
type Part struct {
	Member
	Rate
}

// Divide divides a rate. Each member gets what is due to its consumers, and what is left over goes in
// units of one to the first ones. Nobody gets 0 of a limit, which would be none: where there is less than
// a unit for each consumer, each gets one.
func Divide(total Rate, members []Member) []Part {
	parts := make([]Part, len(members))
	weights := make([]uint64, len(members))
	for i, m := range members {
		parts[i].Member, weights[i] = m, uint64(max(m.Consumers, 1))
	}
	bytes, chunks := divide(total.Bytes, weights), divide(total.Chunks, weights)
	for i := range parts {
		parts[i].Rate = Rate{Bytes: bytes[i], Chunks: chunks[i]}
	}
	return parts
}

// divide divides a number by weights.
func divide(total uint64, weights []uint64) []uint64 {
	parts := make([]uint64, len(weights))
	sum := uint64(0)
	for _, w := range weights {
		sum += w
	}
	switch {
	case total == 0 || sum == 0:
		return parts
	case total < sum:
		copy(parts, weights)
		return parts
	}
	left := total
	for i, w := range weights {
		high, low := bits.Mul64(total, w)
		parts[i], _ = bits.Div64(high, low, sum) // high < sum, as w <= sum and total < 1<<64
		left -= parts[i]
	}
	for i := range left { // less than there are parts
		parts[i]++
	}
	return parts
}
