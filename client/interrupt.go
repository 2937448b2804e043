package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// ErrInterrupted is wrapped by the error of a client that was interrupted before it had a load.
var ErrInterrupted = errors.New("interrupted")

var errAborted = fmt.Errorf("%w a second time", ErrInterrupted)

// interrupts turns signals into the two ways to end early.
type interrupts struct {
	// orderly is closed by the first signal.
	orderly chan struct{}
	// first is the signal that did, and name what it is called; read them after orderly is
	// closed.
	first os.Signal
	name  string
	// abort is done after the second signal, or when the caller's context is.
	abort  context.Context
	cancel context.CancelCauseFunc
	watch  sync.WaitGroup
}

// watchInterrupts reads signals until close. A nil channel never interrupts.
func watchInterrupts(ctx context.Context, signals <-chan os.Signal, log *slog.Logger) *interrupts {
	i := &interrupts{orderly: make(chan struct{})}
	i.abort, i.cancel = context.WithCancelCause(ctx)
	i.watch.Go(func() { // ended by close
		for n := 0; n < 2; {
			select {
			case signal, ok := <-signals:
				if !ok {
					signals = nil
					continue
				}
				if n++; n == 1 {
					log.Warn("ending in order; interrupt again to stop at once", "signal", signal.String())
					i.first, i.name = signal, signalName(signal)
					close(i.orderly)
					continue
				}
				log.Warn("stopping at once", "signal", signal.String())
				i.cancel(errAborted)
			case <-i.abort.Done():
				return
			}
		}
	})
	return i
}

// reason returns why the load ends in order; orderly is closed.
func (i *interrupts) reason() bulkheadv1.StopReason {
	if i.first == syscall.SIGHUP {
		return bulkheadv1.StopReason_STOP_REASON_HANGUP
	}
	return bulkheadv1.StopReason_STOP_REASON_INTERRUPTED
}

// signalName returns what a signal is called in manuals.
func signalName(s os.Signal) string {
	if number, ok := s.(syscall.Signal); ok {
		if name := unix.SignalName(number); name != "" {
			return name
		}
	}
	return s.String()
}

func (i *interrupts) close() {
	i.cancel(nil)
	i.watch.Wait()
}
