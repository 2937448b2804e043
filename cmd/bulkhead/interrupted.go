package main

import (
	"context"
	"os"
	"syscall"
	"time"
)

// untilInterrupted is done after the first signal; a second one has its usual effect. So has
// the first where nobody takes what the command prints on out, after lastMoment: whoever ends
// a command that has done its work, and waits for a reader, need not do so twice.
func untilInterrupted(parent context.Context, out *stdout) (ctx context.Context, stop func()) {
	signals, release := interruptible()
	ctx, cancel := context.WithCancelCause(parent)
	over, watched := make(chan struct{}), make(chan struct{})
	go func() { // ends with over
		defer close(watched)
		select {
		case sig := <-signals:
			release()
			cancel(errInterrupted)
			endHeldUp(sig, out, over)
		case <-over:
		}
	}()
	return ctx, func() {
		close(over)
		cancel(nil)
		<-watched
		release()
	}
}

// endHeldUp ends the process by a signal that has its usual effect again, as soon as out is
// held up; over ends the watch.
func endHeldUp(sig os.Signal, out *stdout, over <-chan struct{}) {
	look := time.NewTicker(lastMoment)
	defer look.Stop()
	for {
		select {
		case <-over:
			return
		case <-look.C:
			if number, ok := sig.(syscall.Signal); ok && out.heldUp() {
				_ = syscall.Kill(os.Getpid(), number) // to oneself it cannot fail
				return
			}
		}
	}
}
