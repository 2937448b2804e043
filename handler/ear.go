package handler

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// errSilent ends a call of a supervisor that says nothing.
var errSilent = errors.New("the supervisor has said nothing for too long")

// earTicks is in how many parts the silence of a supervisor is counted. A handler that was stopped itself counts
// one part for all that time.
const earTicks = 5

// ear finds out whether a supervisor still says something.
type ear struct{ heard atomic.Bool }

// hear takes note that it does.
func (e *ear) hear() { e.heard.Store(true) }

// wait returns errSilent when the supervisor has said nothing for a limit, at most a fifth longer, or nil when
// ctx is done.
func (e *ear) wait(ctx context.Context, limit time.Duration) error {
	tick := time.NewTicker(max(limit/earTicks, 1))
	defer tick.Stop()
	for silent := 0; silent < earTicks; silent++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if e.heard.Swap(false) {
			silent = -1
		}
	}
	return errSilent
}
