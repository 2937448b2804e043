package reserve

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/threads"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// handlerThreads is how many threads a handler is taken to have until one was seen.
	handlerThreads = 10
	// handlerThreadsMost bounds what one handler can make the others be taken for.
	handlerThreadsMost = 4 * handlerThreads
	// threadsLeast is how many threads a supervisor makes ahead at the least: one for
	// each processor that runs Go code, and for what waits in the kernel at the same time.
	threadsLeast = 12
	// threadsOther is how many of those are for what no threads.Limit bounds: the journal,
	// the log, forks, and the runtime itself.
	threadsOther = 8
	// countAgain is how old a count of the system's threads may be for a decision about a
	// connection; one about a handler is made by a new one, unless there was room for plenty of them:
	// a count takes a dozen files of the kernel's.
	countAgain = 100 * time.Millisecond
	plenty     = 256
	// deniedFor is how long a fork that the system denied means that there is no room.
	deniedFor = 2 * time.Second
)

// ErrNoRoom is wrapped by the reasons for which no handler is started now, although
// nothing has failed.
var ErrNoRoom = errors.New("no room for another handler")

// threadsAhead returns how many threads a supervisor makes at its start where there may be most.
func threadsAhead(most uint64, processors int) int {
	return int(max(threadsLeast, min(most/4, uint64(2*processors+16))))
}

// threadReserve returns how many of most threads no handler gets: what runs may grow by, and
// an operator's own commands under the same limit.
func threadReserve(most uint64) uint64 { return min(16, most/8) }

// handlersIn returns how many handlers of each threads fit into what is left, besides those that are
// starting. A handler for one of the sessions that are away takes of the reserve, too, but the last
// quarter: what it takes was that session's, and the others may have grown into it meanwhile.
func handlersIn(left, each, starting, reserve uint64, away int) int {
	fit := func(reserve uint64) uint64 { return (left - min(left, starting*each+reserve)) / each }
	return int(min(max(fit(reserve), min(fit(reserve/4), uint64(away))), math.MaxInt32))
}

// Threads knows how many threads, and processes, the system lets this one and its
// handlers have, and keeps a reserve of them. Its methods do nothing on nil, which has room
// for everything.
type Threads struct {
	room     threads.Room
	ahead    int
	blocking *threads.Limit // of what waits for the disk

	Refused atomic.Uint64 // connections and clients that no handler was left for

	mu       sync.Mutex
	seen     uint64        // guarded by mu; the most threads that a handler had; 0 before there was one
	starting uint64        // guarded by mu; handlers that are starting
	bound    threads.Bound // guarded by mu; as it was counted last
	known    bool          // guarded by mu; the system says something
	counted  time.Time     // guarded by mu; when it was counted
	denied   time.Time     // guarded by mu; when the system last refused to fork
}

// NewThreads looks at what the system allows now.
func NewThreads() *Threads {
	t := &Threads{room: threads.NewRoom()}
	t.bound, t.known = t.room.Tightest()
	most := uint64(math.MaxUint64)
	if t.known {
		most = t.bound.Most
	}
	t.ahead = threadsAhead(most, runtime.GOMAXPROCS(0))
	t.blocking = threads.NewLimit(t.processors())
	return t
}

// processors returns how many threads may run Go code, and how many may wait for the disk.
func (t *Threads) processors() int { return (t.ahead - threadsOther) / 2 }

// Check returns an error that wraps ErrConfig when the limit itself leaves no room for a
// supervisor with one handler, however little others use of it.
func (t *Threads) Check() error {
	if b := t.bound; t.known && b.Most < t.need()+b.Others() {
		return fmt.Errorf(
			"%w: the limit of threads and processes is %d (%s), which leaves none for handlers; raise it to "+
				"at least %d", exitstatus.ErrConfig, b.Most, b.Name, roomyLimit)
	}
	return nil
}

// CheckLeft returns an error when others leave no room for a supervisor with one handler.
// It is not for one that continues a run: the handlers of that are among the others.
func (t *Threads) CheckLeft() error {
	own, b, need := threads.Of(os.Getpid()), t.bound, t.need()
	if t.known && b.Free()+own < need {
		return fmt.Errorf("of at most %d threads and processes (%s), %d are in use%s, and a supervisor "+
			"with one handler needs %d; raise the limit, or end what uses them", b.Most, b.Name,
			b.Used-min(own, b.Used), forOthers(b), need)
	}
	return nil
}

// forOthers says how many of a bound are kept for those that share it; nothing if none are.
func forOthers(b threads.Bound) string {
	if b.Others() == 0 {
		return ""
	}
	return fmt.Sprintf(", %d are kept for others of this machine", b.Others())
}

// need returns how many threads a supervisor with one handler needs.
func (t *Threads) need() uint64 {
	return uint64(t.ahead) + handlerThreads + threadReserve(t.bound.Most)
}

// roomyLimit is a limit of threads that is worth naming: with it a few clients are served.
const roomyLimit = 64

// Prepare makes the supervisor's own threads, so that it never needs one when there is
// none, and logs what it found. There may be fewer where a run that continues has handlers
// already.
func (t *Threads) Prepare(log *slog.Logger, clients int) {
	if most := t.processors(); runtime.GOMAXPROCS(0) > most {
		runtime.GOMAXPROCS(most)
	}
	own := threads.Of(os.Getpid())
	n := uint64(t.ahead)
	if t.known {
		n = min(n, own+t.bound.Left()/2)
	}
	threads.Ahead(int(n))
	b, ok := t.Count(0)
	if !ok {
		log.Info("the system does not say how many threads there may be")
		return
	}
	room := t.ForHandlers(0)
	say := log.Info
	if room < clients {
		say = log.Warn
	}
	say("thread and process limit", "limit", b.Most, "limited_by", b.Name, "left", b.Left(),
		"reserve", threadReserve(b.Most), "for_others", b.Others(), "own", threads.Of(os.Getpid()),
		"room_for_handlers", room, "clients_expected", clients)
}

// Count returns the tightest limit, as it was no longer than old ago.
func (t *Threads) Count(old time.Duration) (threads.Bound, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.countLocked(old)
}

func (t *Threads) countLocked(old time.Duration) (threads.Bound, bool) {
	if now := time.Now(); now.Sub(t.counted) >= old {
		t.bound, t.known = t.room.Tightest()
		t.counted = now
	}
	return t.bound, t.known
}

// ForHandlers returns how many more handlers there is room for, besides those that start, while so
// many sessions are away.
func (t *Threads) ForHandlers(away int) int {
	if t == nil {
		return math.MaxInt32
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok := t.countLocked(countAgain)
	switch {
	case time.Since(t.denied) < deniedFor:
		return 0
	case !ok:
		return math.MaxInt32
	}
	return handlersIn(b.Free(), t.each(), t.starting, threadReserve(b.Most), away)
}

// Begin reserves the threads of a handler that is about to start while so many sessions are away,
// until done is called with its process id, or 0 and what went wrong.
func (t *Threads) Begin(away int) (done func(pid int, err error), err error) {
	if t == nil {
		return func(int, error) {}, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := time.Duration(0)
	if t.plentyLocked() {
		old = countAgain
	}
	if err := t.lackLocked(old, away); err != nil {
		return nil, err
	}
	t.starting++
	return func(pid int, err error) {
		if err == nil {
			t.Saw(pid)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.starting--
		if !t.plentyLocked() {
			t.counted = time.Time{}
		}
		if errors.Is(err, syscall.EAGAIN) { // a limit that cannot be seen from here, fork(2)
			t.denied = time.Now()
		}
	}, nil
}

// plentyLocked reports whether there was room for plenty of handlers as it was counted last, so that
// the next ones need not know how many there are now. mu is held.
func (t *Threads) plentyLocked() bool {
	return !t.counted.IsZero() &&
		(!t.known || handlersIn(t.bound.Free(), t.each(), t.starting, threadReserve(t.bound.Most), 0) >= plenty)
}

// Lack returns an error that wraps ErrNoRoom when there is no room for another handler, while so many
// sessions are away.
func (t *Threads) Lack(away int) error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lackLocked(countAgain, away)
}

func (t *Threads) lackLocked(old time.Duration, away int) error {
	b, ok := t.countLocked(old)
	if ok && handlersIn(b.Free(), t.each(), t.starting, threadReserve(b.Most), away) == 0 {
		return fmt.Errorf("too few threads are left (%s is %d%s); raise the limit: %w", b.Name, b.Most,
			forOthers(b), ErrNoRoom)
	}
	return nil
}

// each returns how many threads a handler takes: the most that any had. mu is held.
func (t *Threads) each() uint64 {
	if t.seen == 0 {
		return handlerThreads
	}
	return t.seen
}

// Saw learns from a handler how many threads one has.
func (t *Threads) Saw(pid int) {
	if t == nil {
		return
	}
	n := threads.Of(pid)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = max(t.seen, min(n, handlerThreadsMost))
}

// SharesLimit reports whether the limit that leaves least is one of the whole machine.
func (t *Threads) SharesLimit() bool {
	if t == nil {
		return false
	}
	b, ok := t.Count(countAgain)
	return ok && b.Machine
}

// Limit bounds what waits for the disk.
func (t *Threads) Limit() *threads.Limit {
	if t == nil {
		return nil
	}
	return t.blocking
}

// Status returns what status shows of the threads of this process and of its handlers, of which
// spare further ones may start. It returns nil if the system does not say how many there may be.
func (t *Threads) Status(spare int) *bulkheadv1.Reserve {
	b, ok := t.Count(countAgain)
	if !ok {
		return nil
	}
	return &bulkheadv1.Reserve{
		Kind: bulkheadv1.ReserveKind_RESERVE_KIND_THREADS, LimitedBy: b.Name,
		Limit: b.Most, Left: b.Left(), Reserve: b.Others() + threadReserve(b.Most), Reached: spare < 1,
		TimesReached: t.Refused.Load(),
	}
}
