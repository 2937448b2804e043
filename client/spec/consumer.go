package spec

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Consumer is what one consumer writes. The consumer itself checks what cannot be
// together.
type Consumer struct {
	// Path is the folder below which the client makes its own folders.
	Path string
	// ChunkSize is in bytes; with ChunkSizes, the largest of them.
	ChunkSize uint64
	// ChunkSizes are the sizes of which one is drawn for each chunk; empty is ChunkSize.
	ChunkSizes []WeightedSize
	// FileSize is in bytes, at least ChunkSize. The size of each file is drawn evenly
	// from MinFileSize to FileSize; MinFileSize 0 is FileSize.
	FileSize, MinFileSize uint64
	// Direct writes with O_DIRECT.
	Direct bool
	// Sync says when data is forced to storage; unspecified is never. SyncBytes is how
	// much is written between two syncs, with the policy of that name.
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
	// counted, and the consumer goes on after a pause.
	StopOnError bool
}

// WeightedSize is one chunk size of several.
type WeightedSize struct {
	Bytes uint64
	// Weight is how often it is drawn, relative to the others; at least 1.
	Weight uint32
}

// pathRoom is what the names of a client's folders and files may take behind the path of a
// consumer.
const pathRoom = 256

// Resolve fills in the defaults and checks what the client itself relies on.
func (c *Consumer) Resolve() error {
	for _, one := range c.ChunkSizes {
		c.ChunkSize = max(c.ChunkSize, one.Bytes)
	}
	c.MinFileSize = Or(c.MinFileSize, c.FileSize)
	switch {
	case c.Path == "":
		return errors.New("path: there is none")
	case strings.ContainsRune(c.Path, 0):
		return fmt.Errorf("path: %q is not a path: it has a byte 0", c.Path)
	case c.ChunkSize == 0:
		return errors.New("chunk_size: is 0")
	case c.FileSize < c.ChunkSize:
		return fmt.Errorf("file_size: %s is less than chunk_size (%s)", Size(c.FileSize), Size(c.ChunkSize))
	case c.FileSize < c.MinFileSize:
		return fmt.Errorf("file_size: %s is less than its smallest (%s)", Size(c.FileSize), Size(c.MinFileSize))
	}
	c.Sync = Or(c.Sync, bulkheadv1.SyncPolicy_SYNC_POLICY_NONE)
	c.Data = Or(c.Data, bulkheadv1.DataKind_DATA_KIND_RANDOM)
	c.Pattern = Or(c.Pattern, bulkheadv1.Pattern_PATTERN_SEQUENTIAL)
	c.Verify = Or(c.Verify, bulkheadv1.VerifyMode_VERIFY_MODE_OFF)
	c.Concurrency = Or(c.Concurrency, 1)
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return fmt.Errorf("path: %w", err)
	}
	if len(path) > protocol.MaxPathBytes-pathRoom {
		return fmt.Errorf("path: it has %d bytes; use at most %d, for the paths below it are told to the supervisor", len(path), protocol.MaxPathBytes-pathRoom)
	}
	c.Path = path
	return nil
}

// Files is how many files may be there at once, unless all are kept: those that are
// kept, one being written by each writer, one on its way out, unless that is written over
// in place, and one being read back, if each is when it is finished.
func (c Consumer) Files() uint64 {
	files := uint64(c.KeepFiles) + uint64(max(c.Concurrency, 1))
	if !c.Recycle {
		files++
	}
	if c.Verify == bulkheadv1.VerifyMode_VERIFY_MODE_ROLLOVER || c.Verify == bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS {
		files++
	}
	return files
}

// rampDelay is how long after the first a consumer begins.
func (c Config) rampDelay(index int) time.Duration {
	return time.Duration(float64(c.Ramp) * float64(index) / float64(len(c.Consumers)))
}

// AllBegun is when the last consumer makes its first write.
func (c Config) AllBegun() time.Duration {
	var last time.Duration
	for i := range c.Consumers {
		last = max(last, c.Begin(i))
	}
	return last
}

// Begin is when a consumer makes its first write, from the start of the load.
func (c Config) Begin(index int) time.Duration {
	return c.Consumers[index].StartDelay + c.rampDelay(index)
}
