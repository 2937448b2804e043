package pool

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/internal/backoff"
	"bulkhead/internal/child"
	"bulkhead/internal/episode"
	"bulkhead/supervisor/reserve"
)

// respawn is how long the pool waits after handlers that would not start, or would not serve.
var respawn = backoff.Policy{First: 100 * time.Millisecond, Most: 15 * time.Second}

// roomAgain is how long the pool waits before it looks again whether there is room for a
// handler.
const roomAgain = 250 * time.Millisecond

// spawned is the result of one try to start a handler.
type spawned struct {
	child *child.Child
	err   error
}

// Counts are how many handlers a pool has: ready, and starting.
type Counts struct{ Ready, Starting int }

// Pool keeps handlers ready, so that a connection does not wait for one to start.
// One goroutine, Run, owns everything in it; the channels are the way in.
type Pool struct {
	size  int
	start func(context.Context) (*child.Child, error)
	stop  func(*child.Child) child.Exit
	died  func(child.Exit) // told of handlers that died before their use
	log   *slog.Logger
	room  func(away int) int // how many more there is room for, with that for sessions that are away; a test scripts it
	now   func() time.Time   // a test's clock stands still
	after func(time.Duration) <-chan time.Time

	out    chan *child.Child
	first  chan *child.Child // to those that come before the others
	urgent atomic.Int64      // how many of those wait
	wake   chan struct{}     // one of them waits no longer, a ready one died, or how handlers end has changed
	counts chan Counts

	Threads *reserve.Threads // may be nil; set before Run
	Kept    func() int       // how many sessions are away, which come first; may be nil; set before Run

	mu      sync.Mutex
	have    int  // guarded by mu; handlers that are ready or start
	claimed int  // guarded by mu; of those, or of what there is room for, by those that come first
	waiting int  // guarded by mu; the same by the others
	ends    ends // guarded by mu
}

// New returns a pool that keeps size handlers ready once Run is called. start starts one and stop
// ends one; died is told how each ended that died before its use.
func New(size int, start func(context.Context) (*child.Child, error), stop func(*child.Child) child.Exit,
	died func(child.Exit), log *slog.Logger) *Pool {
	p := &Pool{
		size: size, start: start, stop: stop, died: died, log: log,
		out: make(chan *child.Child), first: make(chan *child.Child), wake: make(chan struct{}, 1),
		counts: make(chan Counts),
	}
	p.room, p.now = func(away int) int { return p.Threads.ForHandlers(away) }, time.Now
	p.after = time.After
	return p
}

// TakeFirst does what Take does, but is served before all that wait in Take.
func (p *Pool) TakeFirst(ctx context.Context) (*child.Child, error) {
	p.urgent.Add(1)
	defer func() {
		p.urgent.Add(-1)
		p.nudge()
	}()
	select {
	case c := <-p.first:
		return c, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Take waits for a handler. The caller owns it. It returns ctx's error when ctx is
// done first, also when the pool has stopped.
func (p *Pool) Take(ctx context.Context) (*child.Child, error) {
	select {
	case c := <-p.out:
		return c, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// ClaimFirst reserves a handler that is ready or that there is room for, whatever others have
// reserved with Claim. It reports whether there is one. The caller calls release once it has
// taken a handler, or needs none.
func (p *Pool) ClaimFirst() (release func(), ok bool) {
	return p.reserve(&p.claimed, p.away(), func(free int) bool { return free > 0 })
}

// Claim does what ClaimFirst does for those that come after: it leaves a handler for each session
// that is away.
func (p *Pool) Claim() (release func(), ok bool) {
	away := p.away()
	return p.reserve(&p.waiting, 0, func(free int) bool { return free-p.waiting > away })
}

// reserve adds one to claims if enough says that the free handlers suffice, those included that only
// so many sessions that are away may have. enough is called with mu held, and says no sooner the more
// there are.
func (p *Pool) reserve(claims *int, away int, enough func(free int) bool) (release func(), ok bool) {
	if !p.addIf(claims, 0, enough) && !p.addIf(claims, p.room(away), enough) {
		return nil, false
	}
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		*claims--
	}), true
}

// addIf does what reserve does where there is room for so many handlers besides those that are
// ready or start. Counting that takes longer than all the rest, and is seldom needed: most
// connections find a handler that is ready.
func (p *Pool) addIf(claims *int, room int, enough func(free int) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !enough(p.have + room - p.claimed) {
		return false
	}
	*claims++
	return true
}

// away returns how many sessions are away.
func (p *Pool) away() int {
	if p.Kept == nil {
		return 0
	}
	return p.Kept()
}

// Spare returns how many further handlers are ready or have room.
func (p *Pool) Spare() int { return p.spare(p.room(0)) }

// Spares reports whether n further handlers are ready or have room, without a count where
// those that are ready suffice.
func (p *Pool) Spares(n int) bool { return p.spare(0) >= n || p.Spare() >= n }

// spare returns how many further handlers there are where there is room for so many.
func (p *Pool) spare(room int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have + room - p.claimed - p.waiting
}

// hold notes how many handlers are ready or starting.
func (p *Pool) hold(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.have = n
}

// Counts returns how many handlers the pool has; none when it has stopped or ctx is done.
func (p *Pool) Counts(ctx context.Context) Counts {
	select {
	case c := <-p.counts:
		return c
	case <-ctx.Done():
		return Counts{}
	}
}

// Run keeps the pool filled until ctx is done; then it stops every handler it
// still has and returns. first are handlers started before.
func (p *Pool) Run(ctx context.Context, first ...*child.Child) {
	ready := first
	for _, c := range ready {
		c.OnDone(p.nudge)
	}
	results := make(chan spawned)
	starting := 0
	pace := Pace{Size: p.size, Processors: runtime.GOMAXPROCS(0)}
	var surplus sync.WaitGroup // of handlers that are stopped because fewer are taken
	defer surplus.Wait()
	var trouble, early episode.Episode // handlers that do not start, and such that end as soon as they serve
	var pause <-chan time.Time         // not nil while the pool waits to start another
	failed := func(err error) {
		say := trouble.Failed(err)
		wait := respawn.After(trouble.Failures, rand.Float64())
		level := slog.LevelError
		if errors.Is(err, reserve.ErrNoRoom) { // as it should be at a limit
			wait, level = roomAgain, slog.LevelWarn
		}
		if say {
			p.log.Log(ctx, level, "a handler does not start", "error", err, "failures", trouble.Failures,
				"trying_again_in", wait.Round(time.Millisecond))
		}
		pause = p.after(wait)
	}
	heed := func() { // how handlers have ended
		inRow, waitFor, err := p.early()
		if inRow <= freeEnds {
			had := early.Over()
			if had > 0 && inRow == 0 {
				p.log.Info("handlers serve again", "failures", had+freeEnds)
			}
			if had > 0 && trouble.Failures == 0 {
				pause = nil
			}
			return
		}
		say, more := false, inRow-freeEnds > early.Failures
		for early.Failures < inRow-freeEnds {
			say = early.Failed(err) || say
		}
		if !more {
			return
		}
		wait := waitFor(early.Failures)
		if say {
			p.log.Error("handlers end as soon as they serve", "cause", err, "failures", inRow,
				"starting_others_in", wait.Round(time.Millisecond))
		}
		pause = p.after(wait)
	}

	for ctx.Err() == nil {
		ready = p.dropDead(ready)
		heed()
		now := p.now()
		for pause == nil && starting < pace.Starts(now) && len(ready)+starting < pace.Keep(now) {
			if err := p.Threads.Lack(p.away()); err != nil { // and none is counted as starting
				failed(err)
				break
			}
			starting++
			go func() { // its result is always received, below
				c, err := p.start(ctx)
				results <- spawned{c, err}
			}()
		}
		var atRest <-chan time.Time
		if len(ready) > p.size {
			if pace.Resting(now) {
				for _, c := range ready[p.size:] {
					surplus.Go(func() { p.stop(c) })
				}
				ready = ready[:p.size]
			} else {
				atRest = time.After(rateMemory)
			}
		}
		p.hold(len(ready) + starting)
		var urgent, others chan *child.Child
		var again <-chan time.Time
		var head *child.Child
		if len(ready) > 0 {
			urgent, head = p.first, ready[0]
			others, again = p.toOthers(len(ready) + starting)
		}
		taken := func() {
			head.OnDone(nil)
			ready = ready[1:]
			now := p.now()
			pace.Took(now)
			switch wait := pace.Delay(now, len(ready)+starting); {
			case trouble.Failures > 0 || early.Failures > 0: // a pause is for another reason
			case wait > 0:
				pause = p.after(wait)
			default:
				pause = nil
			}
		}
		select {
		case urgent <- head:
			taken()
		case others <- head:
			taken()
		case <-p.wake: // the dead are removed at the top of the loop
		case <-again:
		case <-atRest:
		case p.counts <- Counts{len(ready), starting}:
		case r := <-results:
			starting--
			if r.err == nil {
				ready = append(ready, r.child)
				r.child.OnDone(p.nudge)
				if n := trouble.Over(); n > 0 {
					p.log.Info("handlers start again", "failures", n)
				}
				continue
			}
			if ctx.Err() == nil {
				failed(r.err)
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
	p.stopAll(ready)
}

// toOthers returns where a handler is offered to those that do not come first; nil if have
// handlers and what there is room for are no more than the sessions that are away, until
// again, or while somebody who comes first waits.
func (p *Pool) toOthers(have int) (others chan *child.Child, again <-chan time.Time) {
	switch {
	case p.urgent.Load() > 0: // wake tells when that changes
		return nil, nil
	case have+p.room(0) > p.away():
		return p.out, nil
	default:
		return nil, time.After(roomAgain)
	}
}

// stopAll stops handlers that nobody took, side by side.
func (p *Pool) stopAll(ready []*child.Child) {
	var stopping sync.WaitGroup
	defer stopping.Wait()
	for _, c := range ready {
		stopping.Go(func() { p.stop(c) })
	}
}

// dropDead removes handlers that died while they waited.
func (p *Pool) dropDead(ready []*child.Child) []*child.Child {
	alive := ready[:0]
	for _, c := range ready {
		select {
		case <-c.Done():
			p.log.Warn("a handler died before its use", "handler_pid", c.Pid(), "cause", c.Exit().String())
			p.died(c.Exit())
			p.EndedEarly("a handler died before its use: "+c.Exit().String(), false)
		default:
			alive = append(alive, c)
		}
	}
	return alive
}
