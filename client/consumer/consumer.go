package consumer

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/client/consumer/disk"
	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// defaultAbandonTimeout is what Options.AbandonTimeout is when it is 0.
const defaultAbandonTimeout = 5 * time.Second

// Options configures a Consumer; the zero value is ready for use.
type Options struct {
	// AbandonTimeout is how long Abandon waits for a system call that is stuck;
	// 0 or less means 5 s.
	AbandonTimeout time.Duration
	// StopOnError ends the job, in order, at the first operation that fails, as
	// ConsumerSpec.stop_on_error does. Otherwise failures are counted, and the next
	// file is tried after a pause.
	StopOnError bool
}

// Consumer is the WorkerService of a process that writes files. Its methods may
// be called at any time and at the same time.
type Consumer struct {
	bulkheadv1.UnimplementedWorkerServiceServer

	open           func(folder string) (disk.Disk, error)
	nap            func(time.Duration)
	crowded        func() bool
	abandonTimeout time.Duration
	stopOnError    bool
	ending         *ending
	let            chan time.Time // takes when a job that holds may begin
	called         atomic.Bool    // Run was called
	job            atomic.Pointer[job]
}

// New returns a Consumer that has nothing to do yet.
func New(o Options) *Consumer {
	if o.AbandonTimeout <= 0 {
		o.AbandonTimeout = defaultAbandonTimeout
	}
	return &Consumer{
		open: disk.Open, nap: nap, crowded: newCrowding().now, abandonTimeout: o.AbandonTimeout,
		stopOnError: o.StopOnError, ending: newEnding(),
		let: make(chan time.Time, 1),
	}
}

// Run writes files until Kill, and streams a Start when it is ready to, a Rollover for
// each file and a Progress for each interval. One that is told to hold does not begin
// before Begin. It returns
//
//   - nil once everything is said and, unless they are to be kept, the files are
//     removed;
//   - FailedPrecondition when it was called before, whatever came of that;
//   - InvalidArgument, with everything that is wrong, for a task that cannot be
//     done, or not on this file system;
//   - ResourceExhausted when there is no memory for the chunks;
//   - Aborted, with what failed, at the first failure if that is to end the job, once
//     everything is said and the files are removed as after Kill;
//   - OutOfRange, with a ReserveReached as its detail, when more would have taken what is
//     kept in reserve: an end in order, like that after Kill;
//   - the error of the stream when it broke; the files are then removed, too.
//
// Other failures to write do not end it; they are told in Progress.
func (c *Consumer) Run(request *bulkheadv1.RunRequest,
	stream grpc.ServerStreamingServer[bulkheadv1.RunResponse]) error {
	if c.called.Swap(true) {
		return status.Error(codes.FailedPrecondition, "this consumer was given its job before; it does one")
	}
	t, err := newTask(request)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	t.stopAtOnce = t.stopAtOnce || c.stopOnError
	d, err := c.open(t.folder)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	j := newJob(t, d, c.ending)
	if request.GetHold() {
		j.let = c.let
	}
	j.nap, j.rotation.crowded = c.nap, c.crowded
	c.job.Store(j)
	failure := j.run(stream)
	if err := d.Close(); failure == nil && err != nil {
		failure = status.Error(codes.Internal, err.Error())
	}
	return failure
}

// Failure returns the failure at which the job ended; nil if it did not end at one, or not yet.
// That it came to its reserve is none.
func (c *Consumer) Failure() error {
	j := c.job.Load()
	if j == nil || !isClosed(j.written) {
		return nil
	}
	if err := j.failed(); !isFatal(err) {
		return err
	}
	return nil
}

// Begin lets a job that holds begin, at the moment that is asked for, or when it is ready if that is
// later. Of several calls the first counts. With a stage it lets that begin, and those before it.
func (c *Consumer) Begin(_ context.Context, request *bulkheadv1.BeginRequest) (*bulkheadv1.BeginResponse, error) {
	at := time.Now()
	if moment := request.GetElapsedNano(); moment > 0 {
		at = at.Add(time.Duration(moment - boottime.Now()))
	}
	if stage := request.GetStage(); stage > 0 {
		if j := c.job.Load(); j != nil {
			j.stages.release(let{stage, at, request.GetAlone()})
		}
		return &bulkheadv1.BeginResponse{}, nil
	}
	select {
	case c.let <- at:
	default: // it was told before
	}
	return &bulkheadv1.BeginResponse{}, nil
}

// Pace sets the rate of a job that has one and no stages, from now on. It returns FailedPrecondition for one
// that has none.
func (c *Consumer) Pace(_ context.Context, request *bulkheadv1.PaceRequest) (*bulkheadv1.PaceResponse, error) {
	j := c.job.Load()
	if j == nil || !j.repace(request.GetNumber(), request.GetBytesPerSecond(), request.GetChunksPerSecond()) {
		return nil, status.Error(codes.FailedPrecondition, "this consumer has no rate that could be another")
	}
	return &bulkheadv1.PaceResponse{}, nil
}

// Heartbeat returns the consumer's state, and answers also while a write is stuck:
//
//   - WORKING while it does its job, all pauses included;
//   - STALLED, with the time, while a system call of any of its writers has been in
//     the kernel for longer than the task allows;
//   - IDLE before Run, while it holds, in the delay before the first file, and after the
//     last one.
func (c *Consumer) Heartbeat(context.Context, *bulkheadv1.HeartbeatRequest) (*bulkheadv1.HeartbeatResponse, error) {
	j := c.job.Load()
	if j == nil {
		return &bulkheadv1.HeartbeatResponse{State: bulkheadv1.WorkerState_WORKER_STATE_IDLE}, nil
	}
	state, stalled := j.state()
	return &bulkheadv1.HeartbeatResponse{State: state, StalledNano: int64(stalled)}, nil
}

// Kill begins the end and returns at once. A file in progress is finished if
// that is possible within the grace time; else it ends at the next chunk and its
// Rollover says partial. A file that no chunk was written to is removed and not
// told of.
//
// Kill may come before Run, which then writes nothing, and more than once: the
// earliest deadline holds. It cannot end a system call that is stuck; Run lasts
// until that returns, and Progress and Heartbeat continue.
func (c *Consumer) Kill(_ context.Context, request *bulkheadv1.KillRequest) (*bulkheadv1.KillResponse, error) {
	c.ending.kill(time.Duration(request.GetGraceNano()))
	return &bulkheadv1.KillResponse{}, nil
}

// Abandon ends the job because the parent is gone: writing stops at the next
// chunk, nothing more needs to be said, and the files are removed unless they
// are to be kept. It returns when that is done, or after
// Options.AbandonTimeout if a system call is stuck; the caller should then end
// the process. It may be called at any time and more than once.
func (c *Consumer) Abandon() {
	c.ending.abandon()
	if j := c.job.Load(); j != nil {
		timer := time.NewTimer(c.abandonTimeout)
		defer timer.Stop()
		j.abandon(timer.C)
	}
}
