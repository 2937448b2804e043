package monitor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	defaultInterval = time.Second
	// minInterval keeps the monitor from becoming a load of its own.
	minInterval = 10 * time.Millisecond
)

// Options configures a Monitor; the zero value is ready for use.
type Options struct {
	// ProcFolder is where the proc file system is mounted; empty means /proc.
	ProcFolder string
}

// Monitor is the WorkerService of a process that samples consumers. Its methods
// may be called at any time and at the same time.
type Monitor struct {
	bulkheadv1.UnimplementedWorkerServiceServer

	procFolder string
	called     atomic.Bool // Run was called
	working    atomic.Bool // Run is at work
	killed     signal
	abandoned  signal
}

// New returns a Monitor that has nothing to do yet.
func New(o Options) *Monitor {
	if o.ProcFolder == "" {
		o.ProcFolder = "/proc"
	}
	return &Monitor{procFolder: o.ProcFolder, killed: newSignal(), abandoned: newSignal()}
}

// Run samples every target until Kill, and streams a Start and the samples. It
// returns
//
//   - nil after Kill, once the last sample is sent, and after Abandon;
//   - FailedPrecondition when it was called before, whatever came of that;
//   - InvalidArgument for a task that cannot be done;
//   - Unavailable when there is no proc file system;
//   - the error of the stream when it broke.
func (m *Monitor) Run(request *bulkheadv1.RunRequest, stream grpc.ServerStreamingServer[bulkheadv1.RunResponse]) error {
	if m.called.Swap(true) {
		return status.Error(codes.FailedPrecondition, "this monitor was given its job before; it does one")
	}
	interval, err := checkTask(request)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	watched, err := newTargets(m.procFolder, request.GetMonitor().GetTargets())
	if err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	m.working.Store(true)
	defer m.working.Store(false)
	self := proto.CloneOf(request.GetProcess())
	self.Pid = int32(os.Getpid())
	now := time.Now()
	start := &bulkheadv1.Message{
		TimeUnixNano: now.UnixNano(),
		ElapsedNano:  boottime.At(now),
		Process:      self,
		Fact:         &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{}},
	}
	if err := stream.Send(&bulkheadv1.RunResponse{Message: start}); err != nil {
		return err
	}
	return m.watch(stream, watched, newHost(self, request.GetMonitor()), interval)
}

// watch sends a round of samples at once, one each interval, and one after Kill.
func (m *Monitor) watch(stream grpc.ServerStreamingServer[bulkheadv1.RunResponse], watched []*target, around *host,
	interval time.Duration) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if m.abandoned.given() {
			return nil
		}
		last := m.killed.given()
		for _, t := range watched {
			if err := stream.Send(&bulkheadv1.RunResponse{Message: t.message()}); err != nil {
				return err
			}
		}
		if around != nil {
			if err := stream.Send(&bulkheadv1.RunResponse{Message: around.message()}); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
		select {
		case <-ticker.C:
		case <-m.killed.channel:
		case <-m.abandoned.channel:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

// Heartbeat answers WORKING during Run, and IDLE before and after.
func (m *Monitor) Heartbeat(context.Context, *bulkheadv1.HeartbeatRequest) (*bulkheadv1.HeartbeatResponse, error) {
	state := bulkheadv1.WorkerState_WORKER_STATE_IDLE
	if m.working.Load() {
		state = bulkheadv1.WorkerState_WORKER_STATE_WORKING
	}
	return &bulkheadv1.HeartbeatResponse{State: state}, nil
}

// Kill ends Run after one more round of samples; there is nothing to finish, so
// the grace time is of no concern. It may come before Run, which then sends one
// round, and more than once.
func (m *Monitor) Kill(context.Context, *bulkheadv1.KillRequest) (*bulkheadv1.KillResponse, error) {
	m.killed.give()
	return &bulkheadv1.KillResponse{}, nil
}

// Abandon ends Run because the parent is gone: nothing more is said. It returns
// at once, may be called at any time, and more than once.
func (m *Monitor) Abandon() { m.abandoned.give() }

// checkTask returns the interval of a task that can be done.
func checkTask(request *bulkheadv1.RunRequest) (time.Duration, error) {
	if request.GetProcess() == nil {
		return 0, errors.New("the request does not say which process this is")
	}
	task := request.GetMonitor()
	if task == nil {
		return 0, errors.New("a monitor needs a monitor task, and the request has none")
	}
	interval := time.Duration(task.GetIntervalNano())
	if interval == 0 {
		interval = defaultInterval
	}
	if interval < minInterval {
		return 0, fmt.Errorf("monitor interval %v: it is at least %v, or 0 for %v", interval, minInterval,
			defaultInterval)
	}
	return interval, nil
}

// signal is an event that happens once and is seen by all.
type signal struct {
	once    *sync.Once
	channel chan struct{} // closed when given
}

func newSignal() signal { return signal{once: new(sync.Once), channel: make(chan struct{})} }

// give lets it happen; again is fine.
func (s signal) give() { s.once.Do(func() { close(s.channel) }) }

// given reports whether it has happened.
func (s signal) given() bool {
	select {
	case <-s.channel:
		return true
	default:
		return false
	}
}

// clamp returns n as a uint32; numbers out of its range become its ends.
func clamp(n int) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }
