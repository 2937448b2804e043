package workload

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
)

// SizesText returns chunk sizes as a configuration has them on one line: "4KiB", or
// "4KiB:70,128KiB:30".
func SizesText(sizes []WeightedSize) string {
	if len(sizes) == 1 {
		return human.ExactSize(sizes[0].Bytes)
	}
	parts := make([]string, len(sizes))
	for i, one := range sizes {
		parts[i] = fmt.Sprintf("%s:%d", human.ExactSize(one.Bytes), one.Weight)
	}
	return strings.Join(parts, ",")
}
