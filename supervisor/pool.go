package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"bulkhead/internal/backoff"
	"bulkhead/internal/child"
)

// spawnAtOnce is how many handlers may be starting at the same time.
const spawnAtOnce = 2

// refillDelay is how long a pool that is at least half full leaves the processor to
// the connection that has just taken a handler, before it starts the next.
const refillDelay = 10 * time.Millisecond

// respawn is how long the pool waits after handlers that would not start.
var respawn = backoff.Policy{First: 100 * time.Millisecond, Most: 15 * time.Second}

// roomAgain is how long the pool waits before it looks again whether there is room for a
// handler.
const roomAgain = 250 * time.Millisecond

// spawned is the result of one try to start a handler.
type spawned struct {
	child *child.Child
	err   error
}

// poolCounts is what status shows of the pool.
type poolCounts struct{ ready, starting int }

// pool keeps handlers ready, so that a connection does not wait for one to start.
// One goroutine, Run, owns everything in it; the channels are the way in.
type pool struct {
	size  int
	start func(context.Context) (*child.Child, error)
	stop  func(*child.Child) child.Exit
	died  func(child.Exit) // told of handlers that died before their use
	log   *slog.Logger

	out    chan *child.Child
	counts chan poolCounts

	threads *threadRoom // may be nil; set before Run
	mu      sync.Mutex
	have    int // guarded by mu; handlers that are ready or start
	claimed int // guarded by mu; of those, or of what there is room for
}

func newPool(size int, start func(context.Context) (*child.Child, error), stop func(*child.Child) child.Exit, died func(child.Exit), log *slog.Logger) *pool {
	return &pool{
		size: size, start: start, stop: stop, died: died, log: log,
		out: make(chan *child.Child), counts: make(chan poolCounts),
	}
}

// Take waits for a handler. The caller owns it. It returns ctx's error when ctx is
// done first, also when the pool has stopped.
func (p *pool) Take(ctx context.Context) (*child.Child, error) {
	select {
	case c := <-p.out:
		return c, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// claim reserves a handler, one that there is or that there is room for, if spare others
// are left then. It is to be taken back by unclaim, once a handler was taken.
func (p *pool) claim(spare int) bool {
	room := p.threads.forHandlers()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.have+room-p.claimed < spare+1 {
		return false
	}
	p.claimed++
	return true
}

func (p *pool) unclaim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claimed--
}

// spare is how many further handlers there are, or there is room for.
func (p *pool) spare() int {
	room := p.threads.forHandlers()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have + room - p.claimed
}

// hold says how many handlers are ready or start.
func (p *pool) hold(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.have = n
}

// Counts is a snapshot; zero when the pool has stopped.
func (p *pool) Counts(ctx context.Context) poolCounts {
	select {
	case c := <-p.counts:
		return c
	case <-ctx.Done():
		return poolCounts{}
	}
}

// Run keeps the pool filled until ctx is done; then it stops every handler it
// still has and returns. first are handlers started before.
func (p *pool) Run(ctx context.Context, first ...*child.Child) {
	ready := first
	results := make(chan spawned)
	starting := 0
	var trouble episode
	var pause <-chan time.Time // not nil while the pool waits to start another

	for ctx.Err() == nil {
		ready = p.dropDead(ready)
		for pause == nil && starting < spawnAtOnce && len(ready)+starting < p.size {
			starting++
			go func() { // its result is always received, below
				c, err := p.start(ctx)
				results <- spawned{c, err}
			}()
		}
		p.hold(len(ready) + starting)
		var out chan *child.Child
		var head *child.Child
		var headDied <-chan struct{}
		if len(ready) > 0 {
			out, head, headDied = p.out, ready[0], ready[0].Done()
		}
		select {
		case out <- head:
			ready = ready[1:]
			if trouble.failures == 0 && 2*(len(ready)+starting) >= p.size {
				pause = time.After(refillDelay)
			}
		case <-headDied: // removed at the top of the loop
		case p.counts <- poolCounts{len(ready), starting}:
		case r := <-results:
			starting--
			if r.err == nil {
				ready = append(ready, r.child)
				if n := trouble.over(); n > 0 {
					p.log.Info("handlers start again", "failures", n)
				}
				continue
			}
			if ctx.Err() == nil {
				say := trouble.failed(r.err)
				wait := respawn.After(trouble.failures, rand.Float64())
				level := slog.LevelError
				if errors.Is(r.err, errNoRoom) { // as it should be at a limit
					wait, level = roomAgain, slog.LevelWarn
				}
				if say {
					p.log.Log(ctx, level, "a handler does not start", "error", r.err, "failures", trouble.failures, "trying_again_in", wait.Round(time.Millisecond))
				}
				pause = time.After(wait)
			}
		case <-pause:
			pause = nil
		case <-ctx.Done():
		}
	}
	for range starting {
		if r := <-results; r.err == nil {
			ready = append(ready, r.child)
		}
	}
	var stopping sync.WaitGroup
	defer stopping.Wait()
	for _, c := range ready {
		stopping.Go(func() { p.stop(c) })
	}
}

// dropDead removes handlers that died while they waited.
func (p *pool) dropDead(ready []*child.Child) []*child.Child {
	alive := ready[:0]
	for _, c := range ready {
		select {
		case <-c.Done():
			p.log.Warn("a handler died before its use", "handler_pid", c.Pid(), "cause", c.Exit().String())
			p.died(c.Exit())
		default:
			alive = append(alive, c)
		}
	}
	return alive
}
