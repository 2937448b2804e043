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
	n := &nursery{t: t, dir: t.TempDir(), died: make(chan child.Exit, 16), done: make(chan struct{}), failing: failing}
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	p := New(size, n.start, n.end, func(e child.Exit) { n.died <- e }, slog.New(slog.NewTextHandler(n, nil)))
	go func() {
		defer close(n.done)
		p.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-n.done
		n.wantNothingLeft()
	})
	return p, n
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

// pids are the handlers started so far.
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

func TestPoolRecoversFromHandlersThatDoNotStart(t *testing.T) {
	t.Parallel()
	p, n := fill(t, 2, 4)
	n.take(p)
	n.awaitReady(p, 2)
	if log := n.log(); strings.Count(log, "a handler does not start") != 1 || !strings.Contains(log, `msg="handlers start again" failures=4`) {
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
	if c := p.Counts(ctx); c != (poolCounts{}) {
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

// Who is to come first gets the first handler that there is, however many have waited for
// longer; when it waits no longer, the others are served.
func TestPoolServesTheFirstBeforeTheOthers(t *testing.T) {
	p, n := fill(t, 1, 1<<30)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var others sync.WaitGroup
	taken := make(chan *child.Child, 8)
	for range cap(taken) {
		others.Go(func() {
			if c, err := p.Take(ctx); err == nil {
				taken <- c
			}
		})
	}
	first := make(chan *child.Child)
	go func() {
		c, _ := p.TakeFirst(ctx)
		first <- c
	}()
	gone, leave := context.WithCancel(ctx)
	left := make(chan struct{})
	go func() {
		defer close(left)
		if c, err := p.TakeFirst(gone); err == nil {
			taken <- c
		}
	}()
	for p.urgent.Load() != 2 {
		runtime.Gosched()
	}
	leave()
	<-left
	n.mu.Lock()
	n.failing = 0
	n.mu.Unlock()
	c := <-first
	if c == nil {
		t.Fatal("who is to come first got no handler")
	}
	defer n.end(c)
	n.mu.Lock()
	if c != n.started[0] {
		t.Error("who is to come first got another handler than the first")
	}
	n.mu.Unlock()
	others.Wait()
	close(taken)
	served := 0
	for c := range taken {
		served++
		n.end(c)
	}
	if served != cap(taken) {
		t.Errorf("%d of the %d others got a handler", served, cap(taken))
	}
}
