package consumer

import (
	"path/filepath"
	"time"

	"bulkhead/client/consumer/disk"
	"bulkhead/internal/boottime"
	"bulkhead/internal/pathname"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// loadFile is one file being written, and what its phases took.
type loadFile struct {
	disk.File
	turn
	name       string
	target     uint64 // bytes it is to have
	written    uint64 // bytes of whole chunks written so far
	end        uint64 // where the chunk that reaches furthest ends
	had        uint64 // bytes of the generation before
	allocated  bool   // it may have bytes behind end that were not written
	chunks     uint64
	unsynced   uint64    // bytes since the last fdatasync
	firstWrite time.Time // zero before the first write
	creating   time.Duration
	writing    time.Duration
	syncing    time.Duration
	closing    time.Duration
	partial    bool
	cut        bool // partial because the budget is spent, not because the time is over
}

// rollover returns the message that the file is closed.
func (f *loadFile) rollover(t *task) *bulkheadv1.Rollover {
	path, raw := pathname.Wire(filepath.Join(t.folder, f.name))
	return &bulkheadv1.Rollover{
		Path:               path,
		PathBytes:          raw,
		FileIndex:          f.number,
		SizeBytes:          f.end,
		ChunkSizeBytes:     uint64(t.chunkSize),
		Chunks:             f.chunks,
		FirstWriteUnixNano: f.firstWrite.UnixNano(),
		CreateNano:         int64(f.creating),
		WriteNano:          int64(f.writing),
		SyncNano:           int64(f.syncing),
		CloseNano:          int64(f.closing),
		Verification:       bulkheadv1.Verification_VERIFICATION_OFF,
		Partial:            f.partial,
		Generation:         f.generation,

		FirstWriteElapsedNano: boottime.At(f.firstWrite),
	}
}
