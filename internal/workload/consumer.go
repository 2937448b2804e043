package workload

import (
	"cmp"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Consumer is what one consumer writes. What comes from a configuration has every field set; the
// wire may leave some out, and each of these says what it means then.
type Consumer struct {
	// Path is the folder below which the client makes its own folders.
	Path string
	// ChunkSize is in bytes, at least 1; with ChunkSizes, the largest of them.
	ChunkSize uint64
	// ChunkSizes are the sizes of which one is drawn for each chunk; empty is ChunkSize.
	ChunkSizes []WeightedSize
	// FileSize is in bytes, at least ChunkSize. The size of each file is drawn evenly
	// from MinFileSize to FileSize; MinFileSize 0 is FileSize.
	FileSize, MinFileSize uint64
	// Direct writes with O_DIRECT.
	Direct bool
	// Sync says when data is forced to storage; unspecified is refused. SyncBytes is how much is
	// written between two syncs, with the policy of that name.
	Sync      bulkheadv1.SyncPolicy
	SyncBytes uint64
	// RateBytes and RateChunks are the most in a second; 0 is no limit.
	RateBytes  uint64
	RateChunks float64
	// Data is what the chunks are filled with; unspecified is random. DataPercent, 0 to
	// 100, is the part of compressible and dedupable data that is so. Seed repeats the
	// data of another run; 0 is one of its own.
	Data        bulkheadv1.DataKind
	DataPercent uint32
	Seed        uint64
	// Preallocate has each file's space allocated before its first write.
	Preallocate bool
	// Pattern is the order of the chunks; unspecified is sequential.
	Pattern bulkheadv1.Pattern
	// Concurrency is how many writers there are; 0 is 1.
	Concurrency uint32
	// StartDelay is the time before the first write, ThinkTime that between two chunks
	// of a writer.
	StartDelay, ThinkTime time.Duration
	// KeepFiles is how many finished files stay while running; 0 keeps all.
	KeepFiles uint32
	// Recycle writes over the oldest file where it would be removed.
	Recycle bool
	// Verify says when files are read back; unspecified is never.
	Verify bulkheadv1.VerifyMode
	// Reserve is the free space that is left on the file system.
	Reserve Reserve
	// ReserveInodes is how many inodes are left on it.
	ReserveInodes InodeReserve
	// StopOnError ends the consumer's work at its first error. Otherwise errors are
	// counted, and the consumer continues after a pause.
	StopOnError bool
	// Readers is how many readers there are beside the writers, and Read what they do.
	Readers uint32
	Read    Read
}

// Read is how finished files are read beside the writing.
type Read struct {
	// RateBytes and RateOps are the most in a second, for all readers together; 0 is no limit.
	RateBytes uint64
	RateOps   float64
	// Pattern is the order of the reads, sequential or random; unspecified is sequential.
	Pattern bulkheadv1.Pattern
	// Size is how much one read call reads; 0 is ChunkSize.
	Size uint64
	// Verify compares what was read with what was written. What is read of a neighbour always is.
	Verify bool
	// Of says whose files are read; unspecified is the consumer's own.
	Of bulkheadv1.ReadOf
}

// Neighbours reports whether the files of other clients are read, and others told of the consumer's own.
func (r Read) Neighbours() bool { return r.Of == bulkheadv1.ReadOf_READ_OF_NEIGHBOUR }

// Compares reports whether what was read is compared with what was written.
func (r Read) Compares() bool { return r.Verify || r.Neighbours() }

// WeightedSize is one chunk size of several.
type WeightedSize struct {
	Bytes uint64
	// Weight is how often it is drawn, relative to the others; at least 1.
	Weight uint32
}

// Reserve is free space that is left on a file system: Bytes, or Percent of the file
// system, or the smaller of the two if both are set; the zero value is none.
type Reserve struct {
	Bytes   uint64
	Percent uint32
}

// InodeReserve is how many inodes are left on a file system: Count, or Percent of those that
// it has, or the smaller of the two if both are set; the zero value is none.
type InodeReserve struct {
	Count   uint64
	Percent uint32
}

// Writers returns how many writers there are.
func (c Consumer) Writers() uint32 { return max(c.Concurrency, 1) }

// SmallestFile returns the size of the smallest file that may be drawn.
func (c Consumer) SmallestFile() uint64 {
	if c.MinFileSize == 0 {
		return c.FileSize
	}
	return c.MinFileSize
}

// Sizes returns the sizes that a chunk may have; there is at least one.
func (c Consumer) Sizes() []WeightedSize {
	if len(c.ChunkSizes) == 0 {
		return []WeightedSize{{Bytes: c.ChunkSize, Weight: 1}}
	}
	return c.ChunkSizes
}

// MeanChunk returns the mean size of the chunks that are drawn, in bytes.
func (c Consumer) MeanChunk() float64 {
	bytes, weight := 0.0, 0.0
	for _, one := range c.Sizes() {
		bytes += float64(one.Bytes) * float64(one.Weight)
		weight += float64(one.Weight)
	}
	return bytes / weight
}

// ReadSize returns how much one read call of a reader reads.
func (c Consumer) ReadSize() uint64 { return cmp.Or(c.Read.Size, c.ChunkSize) }

// FilesFinished returns how many finished files may be there at once; 0 if all are kept.
func (c Consumer) FilesFinished() uint64 {
	if c.KeepFiles == 0 {
		return 0
	}
	return c.Files()
}

// Files returns how many files may be there at once, unless all are kept: those that are
// kept, one being written by each writer, one on its way out, unless that is written over
// in place, and one being read back, if each is when it is finished.
func (c Consumer) Files() uint64 {
	files := uint64(c.KeepFiles) + uint64(c.Writers())
	if !c.Recycle {
		files++
	}
	if c.Verify == bulkheadv1.VerifyMode_VERIFY_MODE_ROLLOVER ||
		c.Verify == bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS {
		files++
	}
	return files
}
