package consumer

import (
	"cmp"
	"errors"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/client/block"
	"bulkhead/client/consumer/disk"
	"bulkhead/internal/pathname"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// task is a checked ConsumerTask.
type task struct {
	process    *bulkheadv1.Process // with the pid of this process
	spec       *bulkheadv1.ConsumerSpec
	owner      block.Owner
	data       block.Data
	folder     string
	chunkSize  int // the largest
	maxFile    uint64
	keepFiles  int
	recycle    bool
	mode       disk.Mode // but for DSync, which is a stage's
	random     bool      // order of the chunks
	verify     bulkheadv1.VerifyMode
	writers    int // the most in any stage
	stages     workload.Stages
	read       *bulkheadv1.ReadSpec // nil without readers
	readSize   int
	startDelay time.Duration
	warmup     time.Duration // from when it may begin
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
		process: proto.CloneOf(request.GetProcess()),
		spec:    spec,
		owner:   block.Owner{Run: block.RunOf(asked.GetRunId()), Consumer: request.GetProcess().GetIndex()},
		data: block.Data{Kind: block.KindOf(spec.GetData().GetKind()),
			Percent: uint8(spec.GetData().GetPercent())},
		folder:    pathname.Of(spec),
		chunkSize: int(spec.GetChunkSizeBytes()),
		maxFile:   spec.GetFileSizeBytes(),
		keepFiles: int(spec.GetKeepFiles()),
		recycle:   spec.GetRecycle(),
		mode: disk.Mode{
			Direct: spec.GetDirect(),
			Append: spec.GetPattern() == bulkheadv1.Pattern_PATTERN_APPEND,
		},
		random:     spec.GetPattern() == bulkheadv1.Pattern_PATTERN_RANDOM,
		verify:     spec.GetVerify(),
		writers:    int(max(spec.GetConcurrency(), 1)),
		read:       spec.GetRead(),
		readSize:   int(cmp.Or(spec.GetRead().GetSizeBytes(), spec.GetChunkSizeBytes())),
		startDelay: time.Duration(spec.GetStartDelayNano()),
		warmup:     max(time.Duration(asked.GetWarmupNano()), 0),
		thinkTime:  time.Duration(spec.GetThinkTimeNano()),
		stopAtOnce: spec.GetStopOnError(),
		interval:   cmp.Or(time.Duration(asked.GetProgressIntervalNano()), workload.DefaultProgressInterval),
		stallAfter: cmp.Or(time.Duration(asked.GetStallAfterNano()), workload.DefaultStallAfter),
		keep:       asked.GetKeep(),
		budget:     int(asked.GetBudgetDescriptor()),
	}
	t.stages = workload.StagesOf(asked.GetStages())
	t.writers = int(t.stages.Writers(uint32(t.writers)))
	t.process.Pid = int32(os.Getpid())
	copy(t.owner.Client[:], asked.GetClientId())
	return t, nil
}

// blockFile returns what the blocks of a file say of it.
func (t *task) blockFile(f *loadFile) block.File {
	return block.File{Owner: t.owner, Number: f.number, Generation: f.generation, Size: f.target, Data: t.data}
}

// neighbours reports whether others are told of the finished files, and readers read those of others.
func (t *task) neighbours() bool { return t.read.GetOf() == bulkheadv1.ReadOf_READ_OF_NEIGHBOUR }

// readsOwn reports whether readers read the consumer's own files.
func (t *task) readsOwn() bool { return t.read.GetReaders() > 0 && !t.neighbours() }

// compares reports whether readers compare what they read.
func (t *task) compares() bool { return t.read.GetVerify() || t.neighbours() }
