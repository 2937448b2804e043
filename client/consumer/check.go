package consumer

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"bulkhead/client/block"
	"bulkhead/internal/pathname"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// maxChunkMemory bounds the memory of a consumer: each of its writers holds one
	// chunk, and a pool of data of up to 4 MiB beside it.
	maxChunkMemory = 1 << 30
	// maxWriters bounds the threads of a consumer: each writer may be in the kernel.
	maxWriters = 256
	// maxChunkSizes bounds the time that it takes to draw one.
	maxChunkSizes = 64
	// leastDirectUnit is the least alignment that O_DIRECT asks for anywhere.
	leastDirectUnit = 512
	// minInterval keeps Progress messages from becoming a load of their own.
	minInterval = time.Millisecond
	// clientIDSize is the length of a client's identity in bytes.
	clientIDSize = 16
)

// findings collects what is wrong with a task, one text each.
type findings []string

func (f *findings) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// checkTask returns what is wrong with a task.
func checkTask(asked *bulkheadv1.ConsumerTask) []string {
	var found findings
	spec := asked.GetSpec()
	found.checkSizes(spec)
	found.checkChunkSizes(spec)
	found.checkWriters(spec)
	found.checkDirect(spec)
	found.checkSync(spec)
	found.checkOrder(spec)
	found.checkData(spec.GetData())
	found.checkTimes(spec)
	if err := checkFolder(pathname.Of(spec)); err != nil {
		found.add("%v", err)
	}
	if d := time.Duration(asked.GetProgressIntervalNano()); d != 0 && d < minInterval {
		found.add("progress interval %v: it is at least %v, or 0 for %v", d, minInterval, defaultInterval)
	}
	if d := time.Duration(asked.GetStallAfterNano()); d < 0 {
		found.add("stall threshold %v: it is positive, or 0 for %v", d, defaultStallAfter)
	}
	if n := len(asked.GetClientId()); n != 0 && n != clientIDSize {
		found.add("client id of %d bytes: it has %d", n, clientIDSize)
	}
	return found
}

func (f *findings) checkSizes(spec *bulkheadv1.ConsumerSpec) {
	chunk, file, least := spec.GetChunkSizeBytes(), spec.GetFileSizeBytes(), spec.GetMinFileSizeBytes()
	switch {
	case chunk == 0:
		f.add("chunk size 0 B: a chunk has at least 1 B")
	case chunk > maxChunkMemory:
		f.add("chunk size %d B: a chunk has at most 1 GiB, because it is held in memory", chunk)
	case file < chunk:
		f.add("file size %d B is less than the chunk size of %d B", file, chunk)
	case file > block.MaxFileSize:
		f.add("file size %d B is more than a file can have: it is at most %d B", file, uint64(block.MaxFileSize))
	case least > file:
		f.add("least file size %d B is more than the largest of %d B", least, file)
	}
}

func (f *findings) checkChunkSizes(spec *bulkheadv1.ConsumerSpec) {
	sizes := spec.GetChunkSizes()
	if len(sizes) == 0 {
		return
	}
	if len(sizes) > maxChunkSizes {
		f.add("%d chunk sizes: there are at most %d", len(sizes), maxChunkSizes)
		return
	}
	var largest uint64
	for i, s := range sizes {
		largest = max(largest, s.GetSizeBytes())
		if s.GetSizeBytes() == 0 {
			f.add("chunk size %d of %d is 0 B: a chunk has at least 1 B", i+1, len(sizes))
		}
		if s.GetWeight() == 0 {
			f.add("chunk size %d of %d has weight 0: it is at least 1", i+1, len(sizes))
		}
	}
	if largest != spec.GetChunkSizeBytes() {
		f.add("the largest of the chunk sizes is %d B, and the chunk size says %d B", largest, spec.GetChunkSizeBytes())
	}
	if len(sizes) > 1 && spec.GetPattern() == bulkheadv1.Pattern_PATTERN_RANDOM {
		f.add("pattern random with %d chunk sizes: chunks have places in a random order only if they have one size", len(sizes))
	}
}

func (f *findings) checkWriters(spec *bulkheadv1.ConsumerSpec) {
	writers, chunk := uint64(spec.GetConcurrency()), spec.GetChunkSizeBytes()
	switch {
	case writers > maxWriters:
		f.add("concurrency %d: a consumer has at most %d writers", writers, maxWriters)
	case chunk <= maxChunkMemory && writers*chunk > maxChunkMemory:
		f.add("concurrency %d with chunks of %d B needs %d B of memory for them: it is at most 1 GiB", writers, chunk, writers*chunk)
	}
	if spec.GetRecycle() && spec.GetKeepFiles() == 0 {
		f.add("recycle with keep_files 0, which keeps all files: there is none to write over; set keep_files")
	}
	if spec.GetRecycle() && spec.GetPattern() == bulkheadv1.Pattern_PATTERN_APPEND {
		f.add("recycle with pattern append: what is appended does not write over anything")
	}
}

func (f *findings) checkDirect(spec *bulkheadv1.ConsumerSpec) {
	if !spec.GetDirect() {
		return
	}
	for _, size := range chunkSizesOf(spec) {
		if size%leastDirectUnit != 0 {
			f.add("direct with chunks of %d B: O_DIRECT takes multiples of %d B", size, leastDirectUnit)
		}
	}
}

func (f *findings) checkSync(spec *bulkheadv1.ConsumerSpec) {
	policy, bytes := spec.GetSync(), spec.GetSyncBytes()
	if _, known := bulkheadv1.SyncPolicy_name[int32(policy)]; !known || policy == bulkheadv1.SyncPolicy_SYNC_POLICY_UNSPECIFIED {
		f.add("sync policy %v: it is none, file, chunk, bytes or dsync", policy)
		return
	}
	byBytes := policy == bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES
	switch {
	case byBytes && bytes == 0:
		f.add("sync after every 0 B: it is at least 1 B")
	case !byBytes && bytes != 0:
		f.add("sync after every %d B, and the sync policy is %v: only the policy bytes counts them", bytes, policy)
	}
}

func (f *findings) checkOrder(spec *bulkheadv1.ConsumerSpec) {
	if _, known := bulkheadv1.Pattern_name[int32(spec.GetPattern())]; !known {
		f.add("pattern %v: it is sequential, random or append", spec.GetPattern())
	}
	if _, known := bulkheadv1.VerifyMode_name[int32(spec.GetVerify())]; !known {
		f.add("verify %v: it is off, at rollover, at the end or continuous", spec.GetVerify())
	}
}

func (f *findings) checkData(data *bulkheadv1.DataSpec) {
	kind, percent := data.GetKind(), data.GetPercent()
	if _, known := bulkheadv1.DataKind_name[int32(kind)]; !known {
		f.add("data %v: they are random, zeros, compressible or dedupable", kind)
		return
	}
	parted := kind == bulkheadv1.DataKind_DATA_KIND_COMPRESSIBLE || kind == bulkheadv1.DataKind_DATA_KIND_DEDUPABLE
	switch {
	case percent > 100:
		f.add("data of %d percent: it is 0 to 100", percent)
	case percent > 0 && !parted:
		f.add("data of %d percent: only compressible and dedupable data have a part that is", percent)
	}
}

func (f *findings) checkTimes(spec *bulkheadv1.ConsumerSpec) {
	if d := time.Duration(spec.GetStartDelayNano()); d < 0 {
		f.add("start delay %v: it is not negative", d)
	}
	if d := time.Duration(spec.GetThinkTimeNano()); d < 0 {
		f.add("think time %v: it is not negative", d)
	}
	if r := spec.GetRateChunksPerSecond(); !(r >= 0) || math.IsInf(r, 1) {
		f.add("rate of %v chunks a second: it is positive, or 0 for no limit", r)
	}
}

// chunkSizesOf returns the sizes that a chunk may have.
func chunkSizesOf(spec *bulkheadv1.ConsumerSpec) []uint64 {
	if len(spec.GetChunkSizes()) == 0 {
		return []uint64{spec.GetChunkSizeBytes()}
	}
	var sizes []uint64
	for _, s := range spec.GetChunkSizes() {
		sizes = append(sizes, s.GetSizeBytes())
	}
	return sizes
}

// checkFolder returns an error unless path is the absolute path of a folder.
func checkFolder(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("path %q is not absolute", path)
	}
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("path %q does not exist", path)
	}
	if err != nil {
		return fmt.Errorf("path %q: %w", path, err)
	}
	if info.Mode()&os.ModeSymlink != 0 {
		return fmt.Errorf("path %q is a symbolic link, which a consumer does not follow", path)
	}
	if !info.IsDir() {
		return fmt.Errorf("path %q is not a folder", path)
	}
	return nil
}
