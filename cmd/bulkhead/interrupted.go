package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"bulkhead/internal/results"
)

// interruptible receives the signals that end a command in order, and those in also;
// stop gives them back their usual effect.
func interruptible(also ...os.Signal) (signals chan os.Signal, stop func()) {
	signals = make(chan os.Signal, 2)
	signal.Notify(signals, append(also, syscall.SIGINT, syscall.SIGTERM)...)
	return signals, func() { signal.Stop(signals) }
}

// heedful notes a signal that asks a command to end, whoever else receives it; asked reports
// whether one has come.
func heedful() (asked func() bool, stop func()) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGINT, syscall.SIGTERM)
	return func() bool { return len(heard) > 0 }, func() { signal.Stop(heard) }
}

// interruptibleTwice receives the first two signals as interruptible does, the end of the
// terminal among them unless it is ignored (nohup(1)). A third one has its usual effect, in case
// the end hangs. asked reports whether one has come. SIGUSR1 counts once, however often it comes, and
// not after another: by it the kernel says that the agent is gone that has started this process, and
// may do so for each of its threads.
func interruptibleTwice() (signals <-chan os.Signal, asked func() bool, stop func()) {
	var also []os.Signal
	if !signal.Ignored(syscall.SIGHUP) {
		also = append(also, syscall.SIGHUP)
	}
	in, release := interruptible(also...)
	gone := make(chan os.Signal, 1)
	signal.Notify(gone, syscall.SIGUSR1) // to the end of the process
	out, enough, ended := make(chan os.Signal, 2), make(chan struct{}), make(chan struct{})
	var came atomic.Bool
	go func() { // ends after two signals, or with stop
		defer close(ended)
		defer release()
		for n := 0; n < 2; {
			select {
			case s := <-in:
				came.Store(true)
				out <- s
				n++
			case s := <-gone:
				if n == 0 {
					came.Store(true)
					out <- s
					n++
				}
			case <-enough:
				return
			}
		}
	}()
	return out, came.Load, func() {
		close(enough)
		<-ended
	}
}

// untilInterrupted returns a context that the first signal ends; a second one has its usual
// effect. So has the first, after results.LastMoment, if nobody reads what the command prints on
// out: a command that only waits for its reader need not be ended twice.
func untilInterrupted(parent context.Context, out *results.Stdout) (ctx context.Context, stop func()) {
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
func endHeldUp(sig os.Signal, out *results.Stdout, over <-chan struct{}) {
	look := time.NewTicker(results.LastMoment)
	defer look.Stop()
	for {
		select {
		case <-over:
			return
		case <-look.C:
			if number, ok := sig.(syscall.Signal); ok && out.HeldUp() {
				_ = syscall.Kill(os.Getpid(), number) // to oneself it cannot fail
				return
			}
		}
	}
}
