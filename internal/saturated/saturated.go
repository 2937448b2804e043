// Package saturated computes with amounts that stay at the largest number instead of wrapping:
// what is absurdly much, or claimed to be, is too much and never too little.
package saturated

import (
	"math"
	"math/bits"
)

// Add returns a + b, or the largest number.
func Add(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return math.MaxUint64
	}
	return sum
}

// Mul returns a · b, or the largest number.
func Mul(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	if high != 0 {
		return math.MaxUint64
	}
	return low
}
