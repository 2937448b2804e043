package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/client/preflight"
	"bulkhead/client/spec"
	"bulkhead/internal/child"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// causeWait is how long a broken stream waits for its process to be reaped, so that
// the exit can be named as the cause.
const causeWait = 2 * time.Second

// worker is one consumer or the monitor, from its start to its exit.
type worker struct {
	process *bulkheadv1.Process // with the pid once started
	child   *child.Child        // nil if it could not be started
	err     error               // why it could not
	path    string              // below which it writes; of a consumer
	// ended is closed when its Run stream has ended; reason, set before, is why, and
	// empty for an end without error.
	ended  chan struct{}
	reason string
	// ready is closed when it has said Start.
	ready     chan struct{}
	readyOnce sync.Once
	// faults is of the stream's goroutine.
	faults faults
	// stopped says that the worker ended its work before it was asked to, and why:
	// at a failure, or at its reserve, as endedWork says. Both are set before ended is
	// closed. cut says why there was no time for it to end.
	stopped, cut string
	endedWork    bulkheadv1.StopReason
}

// name returns the worker for a person: "consumer 3".
func (w *worker) name() string {
	if w.process.GetKind() == bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR {
		return "monitor"
	}
	return fmt.Sprintf("consumer %d", w.process.GetIndex())
}

// exitTimeout returns how long the process may take to exit. Of one whose job is not over by now
// nothing can be hoped for.
func (w *worker) exitTimeout() time.Duration {
	select {
	case <-w.ended:
		return stopTimeout
	default:
		return lateTimeout
	}
}

// stop ends the process: if it has not ended when ctx is done, it is killed.
func (w *worker) stop(ctx context.Context) {
	w.child.Stop(ctx)
	if why := context.Cause(ctx); why != nil && !errors.Is(why, context.DeadlineExceeded) {
		w.cut = "killed because the client was " + why.Error()
	}
}

func (w *worker) service() bulkheadv1.WorkerServiceClient {
	return bulkheadv1.NewWorkerServiceClient(w.child.Conn())
}

// stream runs the worker and passes on what it says, until its Run ends or ctx is
// done. It closes ended. take must not keep the worker waiting for long.
func (w *worker) stream(ctx context.Context, task *bulkheadv1.RunRequest, take func(*bulkheadv1.Message)) {
	defer close(w.ended)
	err := w.receive(ctx, task, take)
	if err == nil || ctx.Err() != nil {
		return
	}
	switch s := status.Convert(err); s.Code() {
	case codes.Aborted:
		w.endedWork, w.stopped = bulkheadv1.StopReason_STOP_REASON_FAILED, spec.Clip(s.Message())
		w.reason = w.stopped
		return
	case codes.OutOfRange: // an end in order
		w.endedWork, w.stopped = bulkheadv1.StopReason_STOP_REASON_RESERVE, spec.Clip(preflight.ReservedText(s, w.path))
		return
	}
	w.reason = fmt.Sprintf("its stream broke: %s", status.Convert(err).Message())
	timer := time.NewTimer(causeWait)
	defer timer.Stop()
	select {
	case <-w.child.Done():
		w.reason = w.child.Exit().String()
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (w *worker) receive(ctx context.Context, task *bulkheadv1.RunRequest, take func(*bulkheadv1.Message)) error {
	stream, err := w.service().Run(ctx, task)
	if err != nil {
		return err
	}
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if answer.GetMessage() == nil {
			continue // says nothing
		}
		take(answer.GetMessage())
	}
}

// exit returns how the worker ended, in wire form, with what only the client knows.
func (w *worker) exit() *bulkheadv1.ProcessExit {
	if w.child == nil {
		return child.Exit{Err: w.err}.Proto(w.process)
	}
	exit := w.child.Exit().Proto(w.process)
	exit.EndedWork = w.endedWork
	switch {
	case exit.GetClass() == bulkheadv1.ExitClass_EXIT_CLASS_KILLED && w.cut != "":
		exit.Cause = w.cut
	case w.stopped != "" && exit.GetSignal() == 0:
		exit.Cause = w.stopped
	}
	return exit
}
