package client

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
)

var errAborted = errors.New("interrupted a second time")

// interrupts turns signals into the two ways to end early.
type interrupts struct {
	// orderly is closed by the first signal.
	orderly chan struct{}
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

func (i *interrupts) close() {
	i.cancel(nil)
	i.watch.Wait()
}
