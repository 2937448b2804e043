package workload

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// problems collects what is wrong.
type problems []Problem

// invalid notes a value that is impossible by itself.
func (p *problems) invalid(key, value, advice string, args ...any) {
	*p = append(*p, Problem{Key: key, Value: value, Advice: fmt.Sprintf(advice, args...)})
}

// bounded notes a value that is not within its bounds.
func bounded[T uint64 | float64 | time.Duration](p *problems, key string, value, low, high T,
	text func(T) string) {
	if !(low <= value && value <= high) { // a NaN is not
		p.invalid(key, text(value), "use %s to %s", text(low), text(high))
	}
}

// atMost notes a value that is more than that of another setting, and may not be. One that is
// negative has a problem of its own and bounds nothing.
func atMost[T uint64 | time.Duration](p *problems, key string, value T, other string, most T, text func(T) string) {
	if most >= 0 && value > most {
		*p = append(*p, Problem{Exceeds: true, Key: key, Value: text(value), Other: other, OtherValue: text(most)})
	}
}

// Check returns every reason why a consumer cannot write what c says. It does not look at the
// path, which is a matter of the machine.
func (c Consumer) Check() []Problem {
	var found problems
	if n := len(c.ChunkSizes); n > MaxChunkSizes {
		found.invalid("chunk_size", fmt.Sprintf("a list of %d sizes", n), "use at most %d", MaxChunkSizes)
		c.ChunkSizes = nil
	}
	c.checkSizes(&found)
	c.checkPattern(&found)
	c.checkDirect(&found)
	c.checkPace(&found)
	c.checkMemory(&found)
	c.checkChoices(&found)
	c.checkRead(&found)
	bounded(&found, "start_delay", c.StartDelay, 0, MaxStartDelay, human.ExactDuration)
	if c.KeepFiles > MaxKeepFiles {
		found.invalid("keep_files", strconv.FormatUint(uint64(c.KeepFiles), 10), "use 0 to %d", MaxKeepFiles)
	}
	return found
}

// checkSizes looks at the sizes of chunks and files.
func (c Consumer) checkSizes(found *problems) {
	largest := uint64(0)
	for _, one := range c.Sizes() {
		bounded(found, "chunk_size", one.Bytes, 1, MaxChunk, human.ExactSize)
		if one.Weight < 1 || one.Weight > MaxWeight {
			found.invalid("chunk_size", fmt.Sprintf("weight %d", one.Weight), "use 1 to %d", MaxWeight)
		}
		largest = max(largest, one.Bytes)
	}
	if largest != c.ChunkSize {
		found.invalid("chunk_size", human.ExactSize(c.ChunkSize), "the largest of its sizes is %s",
			human.ExactSize(largest))
	}
	bounded(found, "file_size", c.FileSize, 1, MaxFile, human.ExactSize)
	atMost(found, "chunk_size", c.ChunkSize, "file_size", c.FileSize, human.ExactSize)
	atMost(found, "file_size.min", c.MinFileSize, "file_size", c.FileSize, human.ExactSize)
}

// checkPattern looks for an order in which chunks cannot be written.
func (c Consumer) checkPattern(found *problems) {
	pattern := protocol.Word(c.Pattern)
	if len(c.ChunkSizes) > 1 && c.Pattern == bulkheadv1.Pattern_PATTERN_RANDOM {
		*found = append(*found, Problem{Key: "pattern", Value: pattern, Other: "chunk_size",
			OtherValue: SizesText(c.ChunkSizes), Advice: "use one chunk size, or another pattern"})
	}
	if c.Recycle && c.Pattern == bulkheadv1.Pattern_PATTERN_APPEND {
		*found = append(*found, Problem{Key: "recycle", Value: "true", Other: "pattern", OtherValue: pattern,
			Advice: "what is appended writes over nothing: use another pattern, or recycle: false"})
	}
	if c.Recycle && c.KeepFiles == 0 {
		*found = append(*found, Problem{Key: "recycle", Value: "true", Other: "keep_files", OtherValue: "0",
			Advice: "files that are all kept are never written over: set keep_files, or recycle: false"})
	}
}

// checkDirect looks for a chunk that O_DIRECT cannot write.
func (c Consumer) checkDirect(found *problems) {
	if !c.Direct {
		return
	}
	for _, one := range c.Sizes() {
		if one.Bytes%DirectUnit != 0 {
			*found = append(*found, Problem{Key: "direct", Value: "true", Other: "chunk_size",
				OtherValue: SizesText(c.Sizes()), Advice: fmt.Sprintf("O_DIRECT writes multiples of %s, and %s is none",
					human.ExactSize(DirectUnit), human.ExactSize(one.Bytes))})
			return
		}
	}
}

// checkPace looks at the rates, and for a think time that keeps the writers from them: chunks
// would be due and not be written although nothing but the think time is in the way, and the
// response times would say how long the load has lasted.
func (c Consumer) checkPace(found *problems) {
	bounded(found, "rate.bytes", c.RateBytes, 0, MaxRateBytes, human.ExactSize)
	bounded(found, "rate.chunks", c.RateChunks, 0, MaxRateChunks, human.ExactNumber)
	bounded(found, "think_time", c.ThinkTime, 0, MaxThinkTime, human.ExactDuration)
	if c.ThinkTime <= 0 {
		return
	}
	most := float64(c.Writers()) / c.ThinkTime.Seconds() // chunks in a second
	key, text, asked := "rate.chunks", human.ExactNumber(c.RateChunks), c.RateChunks
	if chunks := float64(c.RateBytes) / c.MeanChunk(); c.RateBytes > 0 && (asked == 0 || chunks < asked) {
		key, text, asked = "rate.bytes", human.ExactSize(c.RateBytes), chunks // the slower one holds
	}
	if asked > most {
		*found = append(*found, Problem{Key: "think_time", Value: human.ExactDuration(c.ThinkTime), Other: key,
			OtherValue: text, Advice: fmt.Sprintf("with a concurrency of %d and that time between two chunks, at "+
				"most %s are written in a second: lower the rate or think_time, or raise concurrency",
				c.Writers(), human.ExactNumber(math.Trunc(most*1000)/1000))})
	}
}

// checkMemory looks at how many writers there are, and what their chunks take.
func (c Consumer) checkMemory(found *problems) {
	if c.Writers() > MaxWriters {
		found.invalid("concurrency", strconv.FormatUint(uint64(c.Concurrency), 10), "use 1 to %d", MaxWriters)
		return
	}
	if memory := uint64(c.Writers()) * c.ChunkSize; c.ChunkSize <= MaxChunk && memory > MaxChunkMemory {
		*found = append(*found, Problem{Key: "concurrency", Value: strconv.FormatUint(uint64(c.Concurrency), 10),
			Other: "chunk_size", OtherValue: SizesText(c.Sizes()),
			Advice: fmt.Sprintf("the chunks of all writers together take %s of memory, and may take %s",
				human.ExactSize(memory), human.ExactSize(MaxChunkMemory))})
	}
}

// checkSync looks at when data is forced to storage.
func (c Consumer) checkSync(found *problems) {
	policy := protocol.Word(c.Sync)
	switch {
	case bulkheadv1.SyncPolicy_name[int32(c.Sync)] == "", c.Sync == bulkheadv1.SyncPolicy_SYNC_POLICY_UNSPECIFIED:
		found.invalid("sync", policy, "use none, file, chunk, dsync or a size")
	case c.Sync == bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES:
		bounded(found, "sync", c.SyncBytes, 1, MaxFile, human.ExactSize)
	case c.SyncBytes != 0:
		size := human.ExactSize(c.SyncBytes)
		found.invalid("sync", policy+" with "+size, "use %s or %s", policy, size)
	}
}

// checkChoices looks for values of enums that nobody knows, and for what comes with some alone.
func (c Consumer) checkChoices(found *problems) {
	c.checkSync(found)
	if bulkheadv1.Pattern_name[int32(c.Pattern)] == "" {
		found.invalid("pattern", protocol.Word(c.Pattern), "use sequential, random or append")
	}
	if bulkheadv1.VerifyMode_name[int32(c.Verify)] == "" {
		found.invalid("verify", protocol.Word(c.Verify), "use off, at-rollover, at-end or continuous")
	}
	kind := protocol.Word(c.Data)
	switch {
	case bulkheadv1.DataKind_name[int32(c.Data)] == "":
		found.invalid("data", kind, "use random, zeros, compressible:PERCENT or dedupable:PERCENT")
	case c.Data == bulkheadv1.DataKind_DATA_KIND_COMPRESSIBLE, c.Data == bulkheadv1.DataKind_DATA_KIND_DEDUPABLE:
		if c.DataPercent > 100 {
			found.invalid("data", fmt.Sprintf("%s:%d", kind, c.DataPercent), "use 0 to 100 percent")
		}
	case c.DataPercent > 0:
		found.invalid("data", fmt.Sprintf("%s:%d", kind, c.DataPercent),
			"only compressible and dedupable data have a percentage")
	}
}
