package workload

import (
	"fmt"
	"strconv"

	"bulkhead/internal/human"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// checkRead looks at the readers, and at what they do if there are any.
func (c Consumer) checkRead(found *problems) {
	bounded(found, "read.rate.bytes", c.Read.RateBytes, 0, MaxRateBytes, human.ExactSize)
	bounded(found, "read.rate.ops", c.Read.RateOps, 0, MaxRateOps, human.ExactNumber)
	switch c.Read.Pattern {
	case bulkheadv1.Pattern_PATTERN_UNSPECIFIED, bulkheadv1.Pattern_PATTERN_SEQUENTIAL,
		bulkheadv1.Pattern_PATTERN_RANDOM:
	default:
		found.invalid("read.pattern", protocol.Word(c.Read.Pattern), "use sequential or random")
	}
	switch c.Read.Of {
	case bulkheadv1.ReadOf_READ_OF_UNSPECIFIED, bulkheadv1.ReadOf_READ_OF_FINISHED,
		bulkheadv1.ReadOf_READ_OF_NEIGHBOUR:
	default:
		found.invalid("read.of", protocol.Word(c.Read.Of), "use finished or neighbour")
	}
	if c.Readers == 0 {
		return
	}
	readers := strconv.FormatUint(uint64(c.Readers), 10)
	if c.Readers > MaxReaders {
		found.invalid("readers", readers, "use 0 to %d", MaxReaders)
		return
	}
	size := c.ReadSize()
	if size > MaxChunk {
		found.invalid("read.size", human.ExactSize(size), "use at most %s", human.ExactSize(MaxChunk))
		return
	}
	if memory := uint64(c.Readers) * size; memory > MaxReadMemory {
		*found = append(*found, Problem{Key: "readers", Value: readers, Other: "read.size",
			OtherValue: human.ExactSize(size), Advice: fmt.Sprintf("what all readers read into takes %s of memory, "+
				"and may take %s", human.ExactSize(memory), human.ExactSize(MaxReadMemory))})
	}
	if c.Direct && size%DirectUnit != 0 {
		*found = append(*found, Problem{Key: "direct", Value: "true", Other: "read.size",
			OtherValue: human.ExactSize(size), Advice: fmt.Sprintf("O_DIRECT reads multiples of %s",
				human.ExactSize(DirectUnit))})
	}
	if c.Read.Compares() && size%VerifiedUnit != 0 {
		key, value := "read.verify", "true"
		if !c.Read.Verify {
			key, value = "read.of", "neighbour"
		}
		*found = append(*found, Problem{Key: key, Value: value, Other: "read.size",
			OtherValue: human.ExactSize(size), Advice: fmt.Sprintf("what is compared is read in multiples of %s",
				human.ExactSize(VerifiedUnit))})
	}
}
