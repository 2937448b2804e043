package workload

import (
	"time"

	"bulkhead/internal/protocol"
)

// The bounds of a consumer's settings. What a bound of bytes is of begins at 1 B, unless it says so.
const (
	// MaxChunk is the largest chunk, which is held in memory.
	MaxChunk = 1 << 30
	// MaxChunkMemory bounds what the chunks of a consumer's writers take together; each
	// has a pool of data of up to 4 MiB beside its chunk.
	MaxChunkMemory = 1 << 30
	// MaxChunkSizes bounds the sizes of a consumer's chunks, and the time that it takes to draw one.
	MaxChunkSizes = protocol.MaxChunkSizes
	// MaxWeight bounds the weight of one of them, which is at least 1.
	MaxWeight = 1_000_000
	// MaxFile is the largest file, and the most that is written between two syncs.
	MaxFile = 16 << 40
	// MaxWriters bounds the threads of a consumer: each writer may be in the kernel.
	MaxWriters = 256
	// DirectUnit is the least alignment that O_DIRECT asks for anywhere.
	DirectUnit = 512
	// MaxRateBytes and MaxRateChunks bound the rates; 0 is no limit.
	MaxRateBytes  = 1 << 40
	MaxRateChunks = 1e9
	// MaxReaders bounds the threads of a consumer's readers, and MaxReadMemory what they read into
	// together.
	MaxReaders    = 256
	MaxReadMemory = 1 << 30
	// MaxRateOps bounds the rate of their reads; 0 is no limit.
	MaxRateOps = 1e9
	// VerifiedUnit is what reads that are compared are a multiple of: a block.
	VerifiedUnit = 4096
	// MaxStartDelay and MaxThinkTime bound the times of a consumer; 0 is none.
	MaxStartDelay = 365 * 24 * time.Hour
	MaxThinkTime  = time.Hour
	// MaxKeepFiles is the most finished files that stay, unless all do.
	MaxKeepFiles = 1_000_000
	// SteadyIntervals is the least number of progress intervals in the window of a steady
	// throughput: the five rounds of a measurement window in SNIA's Solid State Storage
	// Performance Test Specification. Fewer say little about a deviation.
	SteadyIntervals = 5
)

// What a consumer does that is told neither of the two.
const (
	// DefaultProgressInterval is the time between two progress messages.
	DefaultProgressInterval = time.Second
	// DefaultStallAfter is how long a system call lasts before its consumer counts as stalled.
	DefaultStallAfter = 2 * time.Second
)
