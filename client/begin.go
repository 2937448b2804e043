package client

import (
	"context"
	"fmt"
	"time"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// prepareLong is after how long those are named that are not ready to write, and again
	// after each such time.
	prepareLong = 10 * time.Second
	// prepareTimeout is when the load begins without them. Getting ready is filling memory,
	// a second for each GiB or so, and opening a folder.
	prepareTimeout = 2 * time.Minute
	// beginTimeout bounds telling the consumers to begin, which answer at once.
	beginTimeout = 5 * time.Second
)

// prepare waits until every consumer that was started is ready to write, or has ended.
// What that takes is no part of the runtime. over says that the load must end before it
// began, and why.
func (l *load) prepare(stop *interrupts, since time.Time) (why ending, over bool) {
	again := time.NewTicker(prepareLong)
	defer again.Stop()
	for _, one := range l.workers.consumers {
		for one.child != nil && !one.isReady() {
			if why, over := early(stop, l.session); over {
				return why, true
			}
			select {
			case <-one.ready:
			case <-one.ended:
			case <-again.C:
				waited := time.Since(since)
				l.cfg.Logger.Warn("consumers are not ready to write yet; the runtime has not begun",
					"first", one.name(), "waited", waited.Round(time.Second).String())
				if waited >= prepareTimeout {
					return ending{}, false
				}
			case <-stop.orderly:
			case <-stop.abort.Done():
			case <-l.session.Drained:
			case <-l.session.done:
			}
		}
	}
	return early(stop, l.session)
}

// begin lets the consumers that are ready write, all at the same moment. One that is ready
// later never does.
func (l *load) begin(abort context.Context, at time.Time) {
	var ready []*worker
	for _, one := range l.workers.consumers {
		if one.child != nil && one.isReady() {
			ready = append(ready, one)
		}
	}
	bounded(abort, beginTimeout, func(ctx context.Context) {
		each(ready, func(one *worker) {
			if _, err := one.service().Begin(ctx, &bulkheadv1.BeginRequest{ElapsedNano: boottime.At(at)}); err != nil {
				// its stream says why
				l.cfg.Logger.Debug(fmt.Sprintf("%s could not be told to begin: %v", one.name(), err))
			}
		})
	})
}

// isReady reports whether a consumer is ready to write, or will never be.
func (w *worker) isReady() bool {
	select {
	case <-w.ready:
		return true
	case <-w.ended:
		return true
	default:
		return false
	}
}
