package consumer

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/client/block"
	"bulkhead/internal/pathname"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	defaultInterval   = time.Second
	defaultStallAfter = 2 * time.Second
)

// task is a checked ConsumerTask.
type task struct {
	process    *bulkheadv1.Process // with the pid of this process
	spec       *bulkheadv1.ConsumerSpec
	owner      block.Owner
	data       block.Data
	folder     string
	chunkSize  int // the largest
	chunkSizes []*bulkheadv1.WeightedSize
	minFile    uint64
	maxFile    uint64
	keepFiles  int
	recycle    bool
	mode       openMode
	random     bool // order of the chunks
	sync       bulkheadv1.SyncPolicy
	verify     bulkheadv1.VerifyMode
	writers    int
	startDelay time.Duration
	thinkTime  time.Duration
	stopAtOnce bool // at the first failure
	interval   time.Duration
	stallAfter time.Duration
	keep       bool
	budget     int // its descriptor; 0 without
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
	spec := proto.CloneOf(asked.GetSpec())
	t := &task{
		process:    proto.CloneOf(request.GetProcess()),
		spec:       spec,
		owner:      block.Owner{Run: block.RunOf(asked.GetRunId()), Consumer: request.GetProcess().GetIndex()},
		data:       block.Data{Kind: blockKind(spec.GetData()), Percent: uint8(spec.GetData().GetPercent())},
		folder:     pathname.Of(spec),
		chunkSize:  int(spec.GetChunkSizeBytes()),
		chunkSizes: spec.GetChunkSizes(),
		minFile:    cmp.Or(spec.GetMinFileSizeBytes(), spec.GetFileSizeBytes()),
		maxFile:    spec.GetFileSizeBytes(),
		keepFiles:  int(spec.GetKeepFiles()),
		recycle:    spec.GetRecycle(),
		mode: openMode{
			direct:   spec.GetDirect(),
			dsync:    spec.GetSync() == bulkheadv1.SyncPolicy_SYNC_POLICY_DSYNC,
			appended: spec.GetPattern() == bulkheadv1.Pattern_PATTERN_APPEND,
		},
		random:     spec.GetPattern() == bulkheadv1.Pattern_PATTERN_RANDOM,
		sync:       spec.GetSync(),
		verify:     spec.GetVerify(),
		writers:    int(max(spec.GetConcurrency(), 1)),
		startDelay: time.Duration(spec.GetStartDelayNano()),
		thinkTime:  time.Duration(spec.GetThinkTimeNano()),
		stopAtOnce: spec.GetStopOnError(),
		interval:   orDefault(asked.GetProgressIntervalNano(), defaultInterval),
		stallAfter: orDefault(asked.GetStallAfterNano(), defaultStallAfter),
		keep:       asked.GetKeep(),
		budget:     int(asked.GetBudgetDescriptor()),
	}
	t.process.Pid = int32(os.Getpid())
	copy(t.owner.Client[:], asked.GetClientId())
	return t, nil
}

// blockKind is the kind of data that a task asks for; random unless it says.
func blockKind(data *bulkheadv1.DataSpec) block.Kind {
	switch data.GetKind() {
	case bulkheadv1.DataKind_DATA_KIND_ZEROS:
		return block.Zeros
	case bulkheadv1.DataKind_DATA_KIND_COMPRESSIBLE:
		return block.Compressible
	case bulkheadv1.DataKind_DATA_KIND_DEDUPABLE:
		return block.Dedupable
	default:
		return block.Random
	}
}

// blockFile is what the blocks of a file say of it.
func (t *task) blockFile(f *loadFile) block.File {
	return block.File{Owner: t.owner, Number: f.number, Generation: f.generation, Size: f.target, Data: t.data}
}

// syncsFiles reports whether a finished file is forced to storage.
func (t *task) syncsFiles() bool { return t.sync != bulkheadv1.SyncPolicy_SYNC_POLICY_NONE }

// fileName returns the name of the file of that number.
func fileName(number uint64) string { return fmt.Sprintf("load-%08d.dat", number) }

// loadName is what fileName returns.
var loadName = regexp.MustCompile(`^load-[0-9]{8,}\.dat$`)

// IsLoadFile reports whether a file of that name, in a consumer's folder, is the consumer's.
func IsLoadFile(name string) bool { return name == probeName || loadName.MatchString(name) }

func orDefault(nanos int64, fallback time.Duration) time.Duration {
	if nanos == 0 {
		return fallback
	}
	return time.Duration(nanos)
}
