package share

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// What a batch costs the supervisor, in seconds of one processor, and of a disk that takes 200 MB/s:
// by itself, for each of its messages, and for each of its bytes.
const (
	batchCost   = 15e-6
	messageCost = 0.5e-6
	byteCost    = 5e-9
)

const (
	// ownSeconds is how much of its own part a session that has sent nothing may send at once, in
	// seconds, and allSeconds the same for what is left of all parts.
	ownSeconds = 1
	allSeconds = 0.05
	// ownShare is what part of All is divided into the sessions' own parts. The rest is for who
	// wants more.
	ownShare = 0.25
	// inFlight is how much of what more than own parts sent may be on its way through the journal, in
	// seconds of work, before the next must wait: some 128 small batches, or five of 128 messages. So
	// it is never long until the journal is free for others, however slow it is.
	inFlight = 1e-3
	// debtSeconds bounds by how much sessions that send within their own parts keep the others
	// waiting.
	debtSeconds = 1
)

// Limits bound what sessions send. A 0 is no limit.
type Limits struct {
	// Bytes and Messages are what one session may send in a second.
	Bytes, Messages float64
	// All is how many seconds of work all sessions together may cause in a second.
	All float64
}

// Load is what a session wants to send: one batch, or several together.
type Load struct {
	Batches, Messages, Bytes int
}

// Add adds what another load is.
func (l *Load) Add(other Load) {
	l.Batches += other.Batches
	l.Messages += other.Messages
	l.Bytes += other.Bytes
}

// cost returns what a load costs, in seconds.
func (l Load) cost() float64 {
	return batchCost*float64(l.Batches) + messageCost*float64(l.Messages) + byteCost*float64(l.Bytes)
}

// scarceBytes is what a batch counts for beside its own bytes where bytes are scarce.
const scarceBytes = 256

// Pool is what the sessions of a run share.
type Pool struct {
	limits Limits               // but for All
	now    func() time.Duration // of a clock that is never set

	mu       sync.Mutex
	all      float64 // guarded by mu; Limits.All, or bytes a second
	scarce   bool    // guarded by mu; all is bytes a second
	rest     bucket  // guarded by mu; of what all may send
	present  int     // guarded by mu; sessions that have a part
	queue    queue   // guarded by mu; who waits for more than its part
	flight   float64 // guarded by mu; what is on its way through the journal
	served   float64 // guarded by mu; when, in the queue's own time, who was served last was to begin
	next     *time.Timer
	held     int    // guarded by mu; who waits
	heldEver uint64 // guarded by mu
}

// NewPool returns a pool that nobody has sent anything through. now tells the time.
func NewPool(limits Limits, now func() time.Duration) *Pool {
	p := &Pool{limits: limits, now: now, all: limits.All}
	p.next = time.AfterFunc(time.Hour, p.serve)
	p.next.Stop()
	return p
}

// Scarce divides from now on so many bytes a second, in place of time: what is left of a disk.
func (p *Pool) Scarce(bytes float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all, p.scarce = max(bytes, 1), true
	p.rest = bucket{at: p.now()}
	p.arm()
}

// State returns what is left of what all may send, and how many batches wait now, and have waited.
func (p *Pool) State() (left float64, now int, ever uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill(p.now())
	return max(p.rest.level, 0), p.held, p.heldEver
}

// cost returns what a batch counts for in what is divided. mu is held.
func (p *Pool) cost(l Load) float64 {
	if p.scarce {
		return float64(l.Bytes + scarceBytes*l.Batches)
	}
	return l.cost()
}

// part returns what of All is one session's own, in a second. mu is held.
func (p *Pool) part() float64 { return p.all * ownShare / float64(max(p.present, 1)) }

// fill adds to the rest what time has brought. mu is held.
func (p *Pool) fill(now time.Duration) { p.rest.fill(now, p.all, p.all*allSeconds) }

// charge takes what a batch costs from the rest. mu is held.
func (p *Pool) charge(cost float64) {
	p.rest.level = max(p.rest.level-cost, -p.all*debtSeconds)
}

// serve lets those in the queue go for whom there is something left.
func (p *Pool) serve() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serveMore()
}

// serveMore is serve. mu is held.
func (p *Pool) serveMore() {
	p.fill(p.now())
	for len(p.queue) > 0 && p.open() {
		t := heap.Pop(&p.queue).(*turn)
		p.served = t.begin
		p.charge(t.cost)
		t.member.sent(t.load)
		close(t.come)
	}
	p.arm()
}

// open reports whether somebody may send more than its part. mu is held.
func (p *Pool) open() bool { return p.rest.level > 0 && p.flight < inFlight }

// arm sets the timer for whoever is first, if it waits for time to pass. mu is held.
func (p *Pool) arm() {
	if len(p.queue) > 0 && p.flight < inFlight {
		p.next.Reset(p.rest.wait(p.all))
	}
}

// Member is one session's part. Its methods may be called by several goroutines.
type Member struct {
	pool *Pool

	present         bool    // guarded by pool.mu
	own             bucket  // guarded by pool.mu; its part of All
	flying          int     // guarded by pool.mu; batches on their way through the journal
	bytes, messages bucket  // guarded by pool.mu; of its own limits
	finish          float64 // guarded by pool.mu; when, in the queue's time, it has had what it was given
}

// Join returns a member that is not present.
func (p *Pool) Join() *Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	full := func(n float64) bucket { return bucket{level: n, at: now} }
	return &Member{pool: p, own: full(p.part() * ownSeconds), bytes: full(p.limits.Bytes),
		messages: full(p.limits.Messages)}
}

// Present says whether the member is one of those that have a part. The parts of all others change
// with it.
func (m *Member) Present(present bool) {
	p := m.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case present && !m.present:
		p.present++
	case !present && m.present:
		p.present--
	}
	m.present = present
}

// Take waits until a load may be sent; its end is told by Done. It returns ctx's cause if that ends
// before.
func (m *Member) Take(ctx context.Context, l Load) error {
	if err := m.withinLimits(ctx, l); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t, cost := m.ask(l)
	if t == nil {
		return nil
	}
	defer m.pool.hold()()
	return m.await(ctx, t, cost)
}

// Done says that loads for which Take returned nil are on their way no more.
func (m *Member) Done(l Load) {
	p := m.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	m.flying -= l.Batches
	p.flight -= l.cost()
	p.serveMore()
}

// sent notes that a load is on its way. pool.mu is held.
func (m *Member) sent(l Load) {
	m.flying += l.Batches
	m.pool.flight += l.cost()
}

// hold counts a batch as one that waits, until the returned function is called.
func (p *Pool) hold() (release func()) {
	count := func(n int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.held += n
	}
	count(1)
	p.mu.Lock()
	p.heldEver++
	p.mu.Unlock()
	return func() { count(-1) }
}

// withinLimits waits until the member may send by its own limits.
func (m *Member) withinLimits(ctx context.Context, l Load) error {
	for held := false; ; held = true {
		wait := m.pay(l)
		if wait == 0 {
			return nil
		}
		if !held {
			defer m.pool.hold()()
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// pay takes a batch from the member's own limits, or returns how long that must wait.
func (m *Member) pay(l Load) time.Duration {
	p := m.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	now, wait := p.now(), time.Duration(0)
	for _, of := range []struct {
		bucket *bucket
		rate   float64
	}{{&m.bytes, p.limits.Bytes}, {&m.messages, p.limits.Messages}} {
		if of.rate > 0 {
			of.bucket.fill(now, of.rate, of.rate)
			wait = max(wait, of.bucket.wait(of.rate))
		}
	}
	if wait == 0 {
		m.bytes.level -= float64(l.Bytes)
		m.messages.level -= float64(l.Messages)
	}
	return wait
}

// ask takes a batch from the member's part, or from what is left if nobody waits for that.
// Otherwise it returns a turn in the queue.
func (m *Member) ask(l Load) (*turn, float64) {
	p := m.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	cost := p.cost(l)
	if p.all == 0 || m.takeOwn(cost) {
		m.sent(l)
		return nil, cost
	}
	p.fill(p.now())
	begin := max(p.served, m.finish)
	m.finish = begin + cost
	if len(p.queue) == 0 && p.open() {
		p.served = begin
		p.charge(cost)
		m.sent(l)
		return nil, cost
	}
	t := &turn{member: m, begin: begin, cost: cost, load: l, come: make(chan struct{})}
	heap.Push(&p.queue, t)
	p.arm()
	return t, cost
}

// takeOwn takes what a load costs from the member's own part, if something is in that and nothing
// of the member's is on its way. pool.mu is held.
func (m *Member) takeOwn(cost float64) bool {
	p := m.pool
	if !m.present || m.flying > 0 {
		return false
	}
	now, part := p.now(), p.part()
	m.own.fill(now, part, part*ownSeconds)
	if m.own.level <= 0 {
		return false
	}
	m.own.level -= cost
	p.fill(now)
	p.charge(cost)
	return true
}

// await waits for a turn, or for enough of the member's own part.
func (m *Member) await(ctx context.Context, t *turn, cost float64) error {
	for {
		own := time.NewTimer(m.untilOwn())
		select {
		case <-t.come:
			own.Stop()
			return nil
		case <-ctx.Done():
			own.Stop()
			m.leave(t, cost)
			return context.Cause(ctx)
		case <-own.C:
			if m.insteadOf(t, cost) {
				return nil
			}
		}
	}
}

// lookAgain is how often who waits looks whether its own part would do, when it knows no better.
const lookAgain = 5 * time.Millisecond

// untilOwn returns how long it takes at least until the member can send in its own part.
func (m *Member) untilOwn() time.Duration {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	if !m.present {
		return time.Hour // the turn will come
	}
	return max(m.own.wait(m.pool.part()), lookAgain)
}

// insteadOf takes the batch from the member's own part, if it can, and gives the turn back.
func (m *Member) insteadOf(t *turn, cost float64) bool {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	if t.place < 0 || !m.takeOwn(cost) {
		return false // if its turn has come, it shows in t.come
	}
	m.giveBack(t, cost)
	m.sent(t.load)
	return true
}

// leave gives a turn back that has not come.
func (m *Member) leave(t *turn, cost float64) {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	if t.place >= 0 {
		m.giveBack(t, cost)
	}
}

// giveBack takes a turn out of the queue. pool.mu is held.
func (m *Member) giveBack(t *turn, cost float64) {
	heap.Remove(&m.pool.queue, t.place)
	m.finish -= cost
}

// sleep waits for d. It returns ctx's cause if that ends before.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
