package pool

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/child"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// nursery starts real handlers for a pool under test, and fails on demand.
type nursery struct {
	t    *testing.T
	dir  string
	died chan child.Exit
	done chan struct{} // closed when the pool has stopped
	stop context.CancelFunc

	mu      sync.Mutex
	failing int            // guarded by mu; how many further starts fail
	failed  int            // guarded by mu
	started []*child.Child // guarded by mu
	lines   []byte         // guarded by mu; what the pool logged
}

// Write takes a line of the pool's log.
func (n *nursery) Write(line []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line...)
	return len(line), nil
}

func (n *nursery) log() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return string(n.lines)
}

// fill runs a pool until the end of the test.
func fill(t *testing.T, size, failing int) (*Pool, *nursery) {
	t.Helper()
	return fillAt(t, size, failing, time.Now)
}

// fillAt is fill with a clock of the test's.
func fillAt(t *testing.T, size, failing int, now func() time.Time) (*Pool, *nursery) {
	t.Helper()
	n := newNursery(t, failing)
	p := n.pool(size, now)
	n.run(p)
	return p, n
}

func newNursery(t *testing.T, failing int) *nursery {
	return &nursery{t: t, dir: t.TempDir(), died: make(chan child.Exit, 16), done: make(chan struct{}),
		failing: failing}
}

// pool returns a pool of the nursery's handlers.
func (n *nursery) pool(size int, now func() time.Time) *Pool {
	p := New(size, n.start, n.end, func(e child.Exit) { n.died <- e }, slog.New(slog.NewTextHandler(n, nil)))
	p.now = now
	return p
}

// run runs a pool until the end of the test; first are handlers started before.
func (n *nursery) run(p *Pool, first ...*child.Child) {
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	go func() {
		defer close(n.done)
		p.Run(ctx, first...)
	}()
	n.t.Cleanup(func() {
		cancel()
		<-n.done
		n.wantNothingLeft()
	})
}

// kill kills a handler that was started, and waits for its end.
func (n *nursery) kill(i int) {
	n.mu.Lock()
	c := n.started[i]
	n.mu.Unlock()
	c.Kill()
}

func (n *nursery) start(ctx context.Context) (*child.Child, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failing > 0 {
		n.failing--
		n.failed++
		return nil, errors.New("not today")
	}
	c, err := child.Start(ctx, child.Config{
		Name: "handler", Path: os.Args[0], SocketDir: n.dir, StartTimeout: patience, KillTimeout: patience,
	})
	if err == nil {
		n.started = append(n.started, c)
	}
	return c, err
}

func (n *nursery) end(c *child.Child) child.Exit {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.Stop(ctx)
}

// take takes a handler out of the pool and stops it at the end of the test.
func (n *nursery) take(p *Pool) *child.Child {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := p.Take(ctx)
	if err != nil {
		n.t.Fatalf("no handler: %v", err)
	}
	n.t.Cleanup(func() { n.end(c) })
	return c
}

// pids returns the handlers started so far.
func (n *nursery) pids() []int {
	n.mu.Lock()
	defer n.mu.Unlock()
	var pids []int
	for _, c := range n.started {
		pids = append(pids, c.Pid())
	}
	return pids
}

// wantNothingLeft checks that every handler the stopped pool did not give away has
// ended.
func (n *nursery) wantNothingLeft() {
	n.t.Helper()
	for _, pid := range n.pids() {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			n.t.Errorf("handler %d is left: %v", pid, err)
		}
	}
	if left, err := os.ReadDir(n.dir); err != nil || len(left) > 0 {
		n.t.Errorf("left in the folder for sockets: %v, %v", left, err)
	}
}

// awaitReady waits until so many handlers are ready.
func (n *nursery) awaitReady(p *Pool, ready int) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for ctx.Err() == nil {
		if c := p.Counts(ctx); c.Ready == ready && c.Starting == 0 {
			return
		}
	}
	n.t.Fatalf("there were never %d handlers ready", ready)
}

func TestPoolKeepsItsSize(t *testing.T) {
	t.Parallel()
	p, n := fill(t, 3, 0)
	n.awaitReady(p, 3)
	if pids := n.pids(); len(pids) != 3 {
		t.Errorf("handlers %v were started; want 3", pids)
	}
	var taken []int
	for range 5 { // more than it holds
		taken = append(taken, n.take(p).Pid())
	}
	slices.Sort(taken)
	if len(slices.Compact(taken)) != 5 {
		t.Errorf("a handler was given away twice: %v", taken)
	}
	n.awaitReady(p, 3)
	if pids := n.pids(); len(pids) != 8 {
		t.Errorf("%d handlers were started; want the five taken and three", len(pids))
	}
}

func TestPoolReplacesTheDead(t *testing.T) {
	t.Parallel()
	p, n := fill(t, 2, 0)
	n.awaitReady(p, 2)
	dead := n.pids()
	for _, pid := range dead {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	for range dead {
		select {
		case e := <-n.died:
			if !slices.Contains(dead, e.Pid) || e.Signal != syscall.SIGKILL {
				t.Errorf("told of the death of %d by %v; want one of %v by SIGKILL", e.Pid, e.Signal, dead)
			}
		case <-time.After(patience):
			t.Fatal("a death was not noticed")
		}
	}
	for range 2 {
		if c := n.take(p); slices.Contains(dead, c.Pid()) {
			t.Errorf("handler %d was given away dead", c.Pid())
		}
	}
}

// A handler that dies is replaced at once, also if others are to be handed out before it and nobody
// asks for one.
func TestPoolReplacesTheDeadBehindTheNext(t *testing.T) {
	t.Parallel()
	const size = 4
	n := newNursery(t, 0)
	p := n.pool(size, time.Now)
	var first []*child.Child // in the order in which they are handed out
	for range size {
		c, err := n.start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		first = append(first, c)
	}
	alive := first[0].Pid()
	n.run(p, first...)
	for i := 1; i < size; i++ {
		if err := syscall.Kill(n.pids()[i], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {
		case <-n.died:
		case <-time.After(patience):
			t.Fatalf("the death of handler %d of %d was not noticed", i+1, size)
		}
	}
	n.awaitReady(p, size)
	if started := len(n.pids()); started != 2*size-1 {
		t.Errorf("%d handlers were started; want %d and %d", started, size, size-1)
	}
	if c := n.take(p); c.Pid() != alive {
		t.Errorf("handler %d is handed out; want %d, which did not die", c.Pid(), alive)
	}
}

func TestPoolRecoversFromHandlersThatDoNotStart(t *testing.T) {
	t.Parallel()
	p, n := fill(t, 2, 4)
	n.take(p)
	n.awaitReady(p, 2)
	if log := n.log(); strings.Count(log, "a handler does not start") != 1 ||
		!strings.Contains(log, `msg="handlers start again" failures=4`) {
		t.Errorf("the log does not say that it was over after 4 failures:\n%s", log)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failed != 4 {
		t.Errorf("%d starts failed; want 4 before the first that did not", n.failed)
	}
}

func TestTakeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p, n := fill(t, 1, 1000)
	why := errors.New("no more patience")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if c, err := p.Take(ctx); c != nil || !errors.Is(err, why) {
		t.Errorf("Take = %v, %v; want the cause", c, err)
	}
	n.stop()
	<-n.done
	if _, err := p.Take(ctx); !errors.Is(err, why) {
		t.Errorf("Take of a stopped pool = %v; want the cause", err)
	}
	if c := p.Counts(ctx); c != (Counts{}) {
		t.Errorf("Counts of a stopped pool = %+v; want none", c)
	}
}

// A pool that is stopped while handlers are starting ends those too.
func TestPoolStopsWhatIsStarting(t *testing.T) {
	t.Parallel()
	p, n := fill(t, 4, 0)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for ctx.Err() == nil && p.Counts(ctx).Starting == 0 {
	}
	n.stop()
	<-n.done
	n.wantNothingLeft()
}

func TestPoolSaysThatHandlersDoNotStart(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	p := New(1, func(context.Context) (*child.Child, error) {
		switch tries++; tries {
		case 3:
			return nil, errors.New("no fork")
		case 4:
			cancel()
		}
		return nil, errors.New("not today")
	}, nil, nil, slog.New(slog.NewTextHandler(&out, nil)))
	p.Run(ctx)
	for _, want := range []string{`error="not today" failures=1 trying_again_in=`, `error="no fork" failures=3 `} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, out.String())
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines; want each reason once:\n%s", n, out.String())
	}
}

// Who is to come first is served before all others, however long those have waited: nobody
// else gets a handler while one of them waits. When they wait no longer, the others are served.
func TestPoolServesTheFirstBeforeTheOthers(t *testing.T) {
	const firsts, late = 20, 8 // a pool that asks chance serves no 20 before all others
	p, n := fill(t, 1, 1<<30)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var served sync.WaitGroup
	take := func(take func(context.Context) (*child.Child, error), check func()) {
		served.Go(func() {
			c, err := take(ctx)
			if err != nil {
				t.Errorf("no handler: %v", err)
				return
			}
			check()
			n.end(c)
		})
	}
	for range late {
		take(p.Take, func() {
			if waiting := p.urgent.Load(); waiting > 0 {
				t.Errorf("another gets a handler while %d wait that come first", waiting)
			}
		})
	}
	for range firsts {
		take(p.TakeFirst, func() {})
	}
	gone, leave := context.WithCancel(ctx)
	left := make(chan struct{})
	go func() {
		defer close(left)
		if _, err := p.TakeFirst(gone); err == nil {
			t.Error("a handler before any starts")
		}
	}()
	for p.urgent.Load() != firsts+1 {
		runtime.Gosched()
	}
	leave()
	<-left
	n.mu.Lock()
	n.failing = 0
	n.mu.Unlock()
	served.Wait()
}

// scripted returns a pool that does not run, with so many handlers, room for so many more, and so
// many sessions away.
func scripted(have, room, away int) *Pool {
	p := New(1, nil, nil, nil, slog.New(slog.DiscardHandler))
	p.room = func(int) int { return room }
	p.Kept = func() int { return away }
	p.hold(have)
	return p
}

// Claims leave a handler for each session that is away, those of who comes first do not; what
// is claimed is nobody else's until it is released.
func TestClaims(t *testing.T) {
	for _, tt := range []struct {
		name             string
		have, room, away int
		others, firsts   int // how many claims of others succeed, and then how many of those that come first
		spare            int // after both
	}{
		{"nobody is away", 2, 1, 0, 3, 3, -3},
		{"one is away", 2, 1, 1, 2, 3, -2},
		{"as many are away as there are handlers", 2, 0, 2, 0, 2, 0},
		{"more are away", 1, 0, 5, 0, 1, 0},
		{"there is room alone", 0, 3, 1, 2, 3, -2},
		{"nothing is left", 0, 0, 0, 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := scripted(tt.have, tt.room, tt.away)
			all := func(claim func() (func(), bool)) (releases []func()) {
				for range 100 {
					release, ok := claim()
					if !ok {
						break
					}
					releases = append(releases, release)
				}
				return releases
			}
			others := all(p.Claim)
			firsts := all(p.ClaimFirst)
			if len(others) != tt.others || len(firsts) != tt.firsts || p.Spare() != tt.spare {
				t.Errorf("%d others, %d first, %d to spare; want %d, %d, %d", len(others), len(firsts), p.Spare(),
					tt.others, tt.firsts, tt.spare)
			}
			if _, ok := p.Claim(); ok {
				t.Error("what is claimed by who comes first is claimed again")
			}
			for _, release := range append(others, firsts...) {
				release()
				release() // only the first call counts
			}
			if got := p.Spare(); got != tt.have+tt.room {
				t.Errorf("%d to spare after all are released; want %d", got, tt.have+tt.room)
			}
		})
	}
}

// How much room there is takes longer to find out than all the rest, and is asked only where the
// handlers that are ready do not suffice.
func TestClaimsOfReadyHandlersCountNoThreads(t *testing.T) {
	p := scripted(3, 1, 1)
	counted := 0
	p.room = func(int) int { counted++; return 1 }
	for range 2 {
		if _, ok := p.Claim(); !ok {
			t.Fatal("a handler that is ready cannot be claimed")
		}
	}
	if !p.Spares(1) || counted > 0 {
		t.Errorf("one is ready besides, and the room was counted %d times", counted)
	}
	if _, ok := p.Claim(); !ok || counted != 1 {
		t.Errorf("what there is room for was claimed: %v; counted %d times", ok, counted)
	}
	if p.Spares(2) || counted != 2 {
		t.Errorf("of one that is left, 2 are to spare; counted %d times", counted)
	}
}

// Room that is only for sessions that are away is claimed by those that come first, and by nobody else.
func TestRoomForSessionsThatAreAway(t *testing.T) {
	p := scripted(1, 0, 1)
	p.room = func(away int) int { return away }
	if _, ok := p.Claim(); ok {
		t.Error("another claims the one handler, as if the room were for anybody")
	}
	if others, _ := p.toOthers(1); others != nil {
		t.Error("others are offered the one handler, as if the room were for anybody")
	}
	for n := range 2 {
		if _, ok := p.ClaimFirst(); !ok {
			t.Errorf("who comes first cannot claim handler %d", n+1)
		}
	}
	if _, ok := p.ClaimFirst(); ok {
		t.Error("who comes first claims more than there is room for")
	}
}

// A pool that nobody told of sessions keeps none for them.
func TestAPoolWithoutSessionsKeepsNothing(t *testing.T) {
	p := scripted(1, 0, 0)
	p.Kept = nil
	if _, ok := p.Claim(); !ok {
		t.Error("the only handler cannot be claimed")
	}
}

// The others are offered a handler when more are there, or have room, than sessions are away,
// and nobody waits who comes first. They are looked at again when that may change by itself.
func TestWhoIsOfferedAHandler(t *testing.T) {
	for _, tt := range []struct {
		have, room, away, urgent int
		offered, again           bool
	}{
		{have: 1, offered: true},
		{have: 1, away: 1, again: true},
		{have: 1, room: 1, away: 1, offered: true},
		{have: 2, away: 1, offered: true},
		{have: 2, away: 3, again: true},
		{have: 2, urgent: 1},
		{have: 2, away: 3, urgent: 1},
	} {
		p := scripted(tt.have, tt.room, tt.away)
		p.urgent.Store(int64(tt.urgent))
		others, again := p.toOthers(tt.have)
		if (others == p.out) != tt.offered || (others != nil) != tt.offered || (again != nil) != tt.again {
			t.Errorf("%+v: offered %v, looked at again %v", tt, others != nil, again != nil)
		}
	}
}

// A pool whose handlers are taken fast keeps more of them ready, and stops those that nobody
// wants when it is at rest again.
func TestPoolGrowsWithABurstAndShrinks(t *testing.T) {
	t.Parallel()
	const size, taken = 4, 20
	var later atomic.Int64
	began := time.Now()
	p, n := fillAt(t, size, 0, func() time.Time { return began.Add(time.Duration(later.Load())) })
	for range taken {
		n.take(p)
	}
	n.awaitReady(p, size+taken/5) // 20 in no time are 80 a second, and last for 50 ms
	later.Store(int64(time.Minute))
	n.awaitReady(p, size)
	running := func() (count int) {
		for _, pid := range n.pids() {
			if syscall.Kill(pid, 0) == nil {
				count++
			}
		}
		return count
	}
	for deadline := time.Now().Add(patience); running() != taken+size; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d handlers run; want those that were taken, and %d", running(), size)
		}
	}
}
