package consumer

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// maxChunkSize bounds the memory of a consumer, which holds one chunk.
	maxChunkSize = 1 << 30
	// minInterval keeps Progress messages from becoming a load of their own.
	minInterval = time.Millisecond

	defaultInterval   = time.Second
	defaultStallAfter = 2 * time.Second
)

// task is a checked ConsumerTask.
type task struct {
	process    *bulkheadv1.Process // with the pid of this process
	spec       *bulkheadv1.ConsumerSpec
	folder     string
	chunkSize  int
	fileSize   uint64 // at least chunkSize
	keepFiles  int
	sync       bool
	interval   time.Duration
	stallAfter time.Duration
	keep       bool
}

// newTask checks what Run was asked to do. The error names everything that is
// wrong, in one line.
func newTask(request *bulkheadv1.RunRequest) (*task, error) {
	if request.GetProcess() == nil {
		return nil, errors.New("the request does not say which process this is")
	}
	asked := request.GetConsumer()
	if asked == nil {
		return nil, errors.New("a consumer needs a consumer task, and the request has none")
	}
	if asked.GetSpec() == nil {
		return nil, errors.New("the consumer task does not say what to write")
	}
	if problems := checkTask(asked); len(problems) > 0 {
		return nil, errors.New(strings.Join(problems, "; "))
	}
	spec := asked.GetSpec()
	t := &task{
		process:    proto.CloneOf(request.GetProcess()),
		spec:       proto.CloneOf(spec),
		folder:     spec.GetPath(),
		chunkSize:  int(spec.GetChunkSizeBytes()),
		fileSize:   spec.GetFileSizeBytes(),
		keepFiles:  int(spec.GetKeepFiles()),
		sync:       spec.GetSync() == bulkheadv1.SyncPolicy_SYNC_POLICY_FILE,
		interval:   orDefault(asked.GetProgressIntervalNano(), defaultInterval),
		stallAfter: orDefault(asked.GetStallAfterNano(), defaultStallAfter),
		keep:       asked.GetKeep(),
	}
	t.process.Pid = int32(os.Getpid())
	return t, nil
}

// checkTask returns what is wrong with a task, one text each.
func checkTask(asked *bulkheadv1.ConsumerTask) []string {
	var problems []string
	report := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf(format, args...))
	}
	spec := asked.GetSpec()
	chunk, file := spec.GetChunkSizeBytes(), spec.GetFileSizeBytes()
	switch {
	case chunk == 0:
		report("chunk size 0 B: a chunk has at least 1 B")
	case chunk > maxChunkSize:
		report("chunk size %d B: a chunk has at most 1 GiB, because it is held in memory", chunk)
	case file < chunk:
		report("file size %d B is less than the chunk size of %d B", file, chunk)
	case file > math.MaxInt64:
		report("file size %d B is more than a file can have", file)
	}
	switch spec.GetSync() {
	case bulkheadv1.SyncPolicy_SYNC_POLICY_NONE, bulkheadv1.SyncPolicy_SYNC_POLICY_FILE:
	default:
		report("sync policy %v: it is none or file", spec.GetSync())
	}
	if err := checkFolder(spec.GetPath()); err != nil {
		report("%v", err)
	}
	if d := time.Duration(asked.GetProgressIntervalNano()); d != 0 && d < minInterval {
		report("progress interval %v: it is at least %v, or 0 for %v", d, minInterval, defaultInterval)
	}
	if d := time.Duration(asked.GetStallAfterNano()); d < 0 {
		report("stall threshold %v: it is positive, or 0 for %v", d, defaultStallAfter)
	}
	return problems
}

// checkFolder returns an error unless path is the absolute path of a folder.
func checkFolder(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("path %q is not absolute", path)
	}
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("path %q does not exist", path)
	}
	if err != nil {
		return fmt.Errorf("path %q: %w", path, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("path %q is not a folder", path)
	}
	return nil
}

// filePath returns the path of the file of that number.
func (t *task) filePath(number uint64) string {
	return filepath.Join(t.folder, fmt.Sprintf("load-%08d.dat", number))
}

func orDefault(nanos int64, fallback time.Duration) time.Duration {
	if nanos == 0 {
		return fallback
	}
	return time.Duration(nanos)
}
