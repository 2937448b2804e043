package client

import (
	"context"
	"fmt"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// monitorTimeout is how long the monitor may take for its last samples.
	monitorTimeout = 2 * time.Second
	// stopTimeout is how long a worker may take to exit once its job is over: what
	// a consumer that has to abandon its files takes at most.
	stopTimeout = 5 * time.Second
	// lateTimeout is how long one may take whose job was not over in time.
	lateTimeout = 100 * time.Millisecond
	// graceMargin is kept of the kill timeout for what follows a consumer's last
	// write.
	graceMargin = time.Second
)

// ending is why the load ends.
type ending struct {
	reason bulkheadv1.StopReason
	detail string
	// within is how long there is for it; 0 if nobody said.
	within time.Duration
}

// early reports whether the load must end, or not begin, for a reason from outside.
func early(stop *interrupts, session *runningSession) (ending, bool) {
	select {
	case <-stop.abort.Done():
		return ending{reason: bulkheadv1.StopReason_STOP_REASON_INTERRUPTED,
			detail: context.Cause(stop.abort).Error()}, true
	default:
	}
	select {
	case <-session.done:
		return ending{reason: bulkheadv1.StopReason_STOP_REASON_FAILED, detail: session.err.Error()}, true
	default:
	}
	select {
	case <-session.Drained:
		frame := session.DrainFrame
		return ending{
			reason: bulkheadv1.StopReason_STOP_REASON_DRAINED,
			detail: frame.GetReason(),
			within: time.Duration(frame.GetWithinNano()),
		}, true
	default:
	}
	select {
	case <-stop.orderly:
		return ending{reason: stop.reason(), detail: stop.name}, true
	default:
	}
	return ending{}, false
}

// endWorkers asks the consumers, then the monitor, to end, and sees to it that they
// do. One whose job is not over in time is killed then.
func (l *load) endWorkers(abort context.Context, why ending) {
	timeout := l.cfg.KillTimeout
	if why.within > 0 { // the rest of it is for the delivery
		timeout = min(timeout, why.within/2)
	}
	var consumers []*worker
	for _, one := range l.workers.started() {
		if one != l.workers.monitor {
			consumers = append(consumers, one)
		}
	}
	defer l.sayWhoIsAwaited(timeout)()
	bounded(abort, timeout, func(ctx context.Context) {
		end(ctx, consumers, timeout-min(timeout/4, graceMargin))
	})
	if l.workers.monitor.child != nil {
		bounded(abort, min(timeout, monitorTimeout), func(ctx context.Context) {
			end(ctx, []*worker{l.workers.monitor}, 0)
		})
	}
	each(l.workers.started(), func(one *worker) {
		bounded(abort, one.exitTimeout(), one.stop)
	})
}

// bounded calls fn with a context that is done after d, or with the cause of abort.
func bounded(abort context.Context, d time.Duration, fn func(context.Context)) {
	ctx, cancel := context.WithTimeout(abort, d)
	defer cancel()
	fn(ctx)
}

// crashed returns a line for every worker that did not end in order. Those killed
// because the client was stopped at once are no surprise and have none, nor those that
// ended by themselves before they could be killed.
func (l *load) crashed(abort context.Context) []string {
	var lines []string
	for _, one := range l.workers.all() {
		exit := one.exit()
		cut := abort.Err() != nil && one.stopped == "" &&
			(exit.GetClass() == bulkheadv1.ExitClass_EXIT_CLASS_KILLED ||
				exit.GetClass() == bulkheadv1.ExitClass_EXIT_CLASS_CLEAN)
		switch {
		case exit.GetClass() == bulkheadv1.ExitClass_EXIT_CLASS_CLEAN && one.reason == "", cut:
		case exit.GetClass() == bulkheadv1.ExitClass_EXIT_CLASS_CLEAN:
			lines = append(lines, fmt.Sprintf("%s (pid %d): %s", one.name(), exit.GetProcess().GetPid(), one.reason))
		default:
			lines = append(lines, fmt.Sprintf("%s (pid %d): %s", one.name(), exit.GetProcess().GetPid(),
				exit.GetCause()))
		}
	}
	return lines
}
