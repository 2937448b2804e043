package handler

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A supervisor that says something in time is never held for gone, and one that does not is, within a fifth of
// the limit.
func TestASupervisorThatSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 10 * time.Second
		var e ear
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- e.wait(ctx, limit) }()
		for range 10 {
			time.Sleep(limit - time.Second)
			e.hear()
			synctest.Wait()
		}
		select {
		case err := <-over:
			t.Fatalf("it is held for gone: %v", err)
		default:
		}
		began := time.Now()
		if err := <-over; !errors.Is(err, errSilent) {
			t.Errorf("in the end: %v", err)
		}
		if took := time.Since(began); took < limit || took > limit+limit/earTicks {
			t.Errorf("that took %v", took)
		}
		go func() { over <- e.wait(ctx, limit) }()
		cancel()
		if err := <-over; err != nil {
			t.Errorf("of a call that is over: %v", err)
		}
	})
}
