package consumer

import (
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// loadFile is one file being written, and what its phases took.
type loadFile struct {
	file
	number     uint64
	path       string
	size       uint64 // bytes of whole chunks written so far
	chunks     uint64
	firstWrite time.Time // zero before the first write
	creating   time.Duration
	writing    time.Duration
	syncing    time.Duration
	closing    time.Duration
	partial    bool
}

// rollover says that the file is closed.
func (f *loadFile) rollover(chunkSize int) *bulkheadv1.Rollover {
	return &bulkheadv1.Rollover{
		Path:               f.path,
		FileIndex:          f.number,
		SizeBytes:          f.size,
		ChunkSizeBytes:     uint64(chunkSize),
		Chunks:             f.chunks,
		FirstWriteUnixNano: f.firstWrite.UnixNano(),
		CreateNano:         int64(f.creating),
		WriteNano:          int64(f.writing),
		SyncNano:           int64(f.syncing),
		CloseNano:          int64(f.closing),
		Verification:       bulkheadv1.Verification_VERIFICATION_OFF,
		Partial:            f.partial,
	}
}
