package client

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"bulkhead/client/budget"
	"bulkhead/client/spec"
	"bulkhead/internal/child"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// startTimeout is how long a worker may take until it serves.
	startTimeout = 10 * time.Second
	// startsAtOnce is how many workers are started at the same time.
	startsAtOnce = 4
	// workerMessageMaxBytes bounds one message of a worker.
	workerMessageMaxBytes = 1 << 20
	// reapTimeout is how long SIGKILL may take to end a worker.
	reapTimeout = 5 * time.Second
	// beside is how many goroutines of a consumer have something to do beside its writers and
	// readers: the remover, the verifier, and one that answers. With fewer of its processors than
	// goroutines in system calls, Go's runtime would let one wait for the other, and write with
	// less depth than was asked for.
	beside = 3
	// timerSlack is a tick of most kernels. Go's runtime looks after system calls every 20 µs, and
	// only less often when it found none that lasts for a while; a wake-up for each costs a
	// consumer up to 5 % of its time. Waits of the runtime itself may take a tick as well: nothing
	// in a worker is in such a hurry but naps, which have a slack of their own.
	timerSlack = 4 * time.Millisecond
)

// workers are a client's worker processes.
type workers struct {
	cfg       spec.Config
	socketDir string
	logs      *child.Logs // of all of them
	total     *budget.Shared
	consumers []*worker // by index
	monitor   *worker
}

// startWorkers starts the consumers and the monitor; none of them has a job yet. A
// worker that does not start is in the result all the same, with its err.
func startWorkers(ctx context.Context, cfg spec.Config, socketDir string, total *budget.Shared) *workers {
	w := &workers{cfg: cfg, socketDir: socketDir, total: total, logs: child.NewLogs(cfg.Logger),
		monitor: newWorker(cfg.Logger, bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR, 0)}
	for i, c := range cfg.Consumers {
		one := newWorker(cfg.Logger, bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, i)
		one.path = c.Path
		w.consumers = append(w.consumers, one)
	}
	slots := make(chan struct{}, startsAtOnce)
	var starts sync.WaitGroup
	for _, one := range w.all() {
		slots <- struct{}{}
		starts.Go(func() {
			defer func() { <-slots }()
			w.start(ctx, one)
		})
	}
	starts.Wait()
	return w
}

func newWorker(log *slog.Logger, kind bulkheadv1.ProcessKind, index int) *worker {
	one := &worker{
		process: &bulkheadv1.Process{Kind: kind, Index: uint32(index)},
		ended:   make(chan struct{}),
		ready:   make(chan struct{}),
	}
	one.faults = faults{name: one.name(), log: log}
	return one
}

// all returns the consumers by index, then the monitor.
func (w *workers) all() []*worker {
	return append(append([]*worker(nil), w.consumers...), w.monitor)
}

// started returns all that could be started.
func (w *workers) started() []*worker {
	var out []*worker
	for _, one := range w.all() {
		if one.child != nil {
			out = append(out, one)
		}
	}
	return out
}

func (w *workers) start(ctx context.Context, one *worker) {
	args := []string{"worker", "consumer"}
	if one == w.monitor {
		args = []string{"worker", "monitor"}
	}
	procs, files := uint32(1), []*os.File(nil)
	if one != w.monitor {
		if w.total != nil {
			files = []*os.File{w.total.File()}
		}
		load := w.cfg.Consumers[one.process.GetIndex()]
		procs = w.cfg.Stages.Writers(max(load.Concurrency, 1)) + load.Readers + beside
	}
	log := w.cfg.Logger.With("worker", one.name())
	started, err := child.Start(ctx, child.Config{
		Name:            one.name(),
		Path:            w.cfg.Executable,
		Args:            args,
		SocketDir:       w.socketDir,
		MaxMessageBytes: workerMessageMaxBytes,
		StartTimeout:    startTimeout,
		KillTimeout:     reapTimeout,
		Logger:          log,
		Logs:            w.logs,
		DieWithParent:   true,
		Env:             []string{fmt.Sprintf("GOMAXPROCS=%d", procs)},
		TimerSlack:      timerSlack,
		Files:           files,
	})
	if err != nil {
		one.err = err
		w.cfg.Logger.Error(fmt.Sprintf("%s could not be started: %v", one.name(), err))
		return
	}
	one.child = started
	one.process.Pid = int32(started.Pid())
	w.cfg.Logger.Debug(one.name()+" is up", "pid", started.Pid())
}

// each calls fn for the workers, at the same time, and waits for all calls.
func each(of []*worker, fn func(*worker)) {
	var calls sync.WaitGroup
	for _, one := range of {
		calls.Go(func() { fn(one) })
	}
	calls.Wait()
}

// end asks workers to end in order, and waits until their streams have ended or ctx
// is done. What they say until then is passed on by their streams.
func end(ctx context.Context, of []*worker, grace time.Duration) {
	each(of, func(one *worker) {
		// A worker that cannot be asked does not end in time: it is killed later.
		_, err := one.service().Kill(ctx, &bulkheadv1.KillRequest{GraceNano: int64(grace)})
		if err != nil {
			return
		}
		select {
		case <-one.ended:
		case <-ctx.Done():
		}
	})
}

// cut returns how many could not end, because the client was stopped at once.
func (w *workers) cut() (n int) {
	for _, one := range w.all() {
		if one.cut != "" {
			n++
		}
	}
	return n
}

// exits returns how all ended, in order of kind and index.
func (w *workers) exits() []*bulkheadv1.ProcessExit {
	var out []*bulkheadv1.ProcessExit
	for _, one := range w.all() {
		out = append(out, one.exit())
	}
	return out
}
