package supervisor

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/internal/boottime"
	"bulkhead/internal/config"
	"bulkhead/internal/protocol"
	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/attendance"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/pool"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/reserve"
	"bulkhead/supervisor/rundir"
	"bulkhead/supervisor/watch"
)

// run is one run: its sessions, its journal and its end.
type run struct {
	cfg     Config
	id      string
	dir     string
	started time.Time // for people
	began   int64     // by boottime
	// restarts is how often a supervisor took the run up from one before it.
	restarts int
	// damagedEnd says that the end of the journal that was set aside as it was taken up
	// may have been acknowledged.
	damagedEnd bool
	journal    journal.Journal
	roster     rundir.Roster
	latest     func() error // makes it the latest run
	cameOnce   sync.Once
	isLatest   atomic.Bool
	segments   map[string]bool // of the journal, as they were seen last; belongs to watch
	pool       *pool.Pool
	gate       *door.Gate
	farewell   *door.Farewell
	shedding   door.Shedding
	inboxes    *reserve.Inboxes
	rejected   door.Rejections
	elders     elders
	log        *slog.Logger
	life       chan struct{} // holds one token after the lifecycle changed

	uptime *watch.Uptime
	failed chan error // receives the first journal error
	full   chan error // receives the error that made the journal give its reserve back
	// livesOnReserve says that it has.
	livesOnReserve atomic.Bool
	accepted       atomic.Uint64
	refused        atomic.Uint64

	pooled sync.Mutex // held while records of no session are written
	sealed bool       // guarded by pooled; they come too late

	mu       sync.Mutex
	cycle    lifecycle             // guarded by mu
	register *attendance.Register  // guarded by mu
	sessions map[string]*processor // guarded by mu; by client id
	order    []*processor          // guarded by mu; by session number
	closing  bool                  // guarded by mu; no new session may begin
	drained  string                // guarded by mu; why a drain was asked for
	drainBy  time.Time             // guarded by mu; when its time is over
	links    map[*link]struct{}    // guarded by mu
	kept     []*link               // guarded by mu; to be taken up by the next supervisor
	running  sync.WaitGroup        // links
	procs    sync.WaitGroup        // processors
	procCtx  context.Context       // ends the processors
	stopProc context.CancelFunc
}

// newRun opens the journal of a new run in its folder.
func newRun(cfg Config, id, dir string, listen net.Addr, p *pool.Pool, g *door.Gate) (*run, error) {
	full := make(chan error, 1)
	j, err := journal.Create(filepath.Join(dir, rundir.JournalFolder), cfg.journalOptions(full))
	if err != nil {
		return nil, fmt.Errorf("opening the journal of run %s: %w", id, err)
	}
	r := runOn(cfg, id, dir, j, p, g)
	r.full = full
	if !r.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunStarted{RunStarted: runStarted(cfg, id, listen)}}) {
		return nil, errors.Join(<-r.failed, j.Close())
	}
	return r, nil
}

// runOn is a run on its open journal.
func runOn(cfg Config, id, dir string, j journal.Journal, p *pool.Pool, g *door.Gate) *run {
	r := &run{
		cfg: cfg, id: id, dir: dir, started: time.Now(), began: boottime.Now(), journal: j, roster: rundir.Roster(filepath.Join(dir, rundir.HandlerFolder)),
		pool: p, gate: g, farewell: door.NewFarewell(), inboxes: reserve.NewInboxes(uint64(cfg.Overload.InboxMemory)), log: cfg.Logger,
		life: make(chan struct{}, 1), uptime: watch.NewUptime(time.Now()), failed: make(chan error, 1),
		cycle: lifecycle{expected: cfg.Clients.Count}, register: attendance.New(cfg.Clients.Count, cfg.Clients.Names),
		sessions: make(map[string]*processor), links: make(map[*link]struct{}),
	}
	r.procCtx, r.stopProc = context.WithCancel(context.Background())
	return r
}

// journalOptions are the options of a run's journal, which sends to full, once, why it gave
// its reserve back.
func (c Config) journalOptions(full chan<- error) journal.Options {
	o := journal.Options{Sync: journal.SyncBatch, SegmentBytes: int64(c.Journal.SegmentSize), ReserveBytes: int64(c.Journal.Reserve)}
	if c.Journal.Sync == config.JournalSyncNone {
		o.Sync = journal.SyncNone
	}
	o.Full = func(err error) {
		select {
		case full <- err:
		default:
		}
	}
	o.Unreserved = func(err error) {
		c.Logger.Warn("no space is kept in reserve for the end of the run", "error", err)
	}
	return o
}

// record makes records durable, dated now if they have no date yet. When the journal fails the run does, and record
// returns false: nothing that is not durable may be acknowledged.
func (r *run) record(recs ...*bulkheadv1.Record) bool {
	date(recs)
	err := r.journal.Append(context.Background(), recs...)
	if err != nil && !errors.Is(err, journal.ErrFailed) && !errors.Is(err, journal.ErrClosed) {
		err = r.recordEach(err, recs)
	}
	if err == nil {
		return true
	}
	select {
	case r.failed <- err:
		r.log.Error("the journal cannot be written; the run ends", "error", err)
	default:
	}
	return false
}

// date sets the time of records that have none to now.
func date(recs []*bulkheadv1.Record) {
	now := time.Now()
	wall, elapsed := now.UnixNano(), boottime.At(now)
	for _, rec := range recs {
		if rec.TimeUnixNano == 0 {
			rec.TimeUnixNano, rec.ElapsedNano = wall, elapsed
		}
	}
}

// recordEach makes records durable one by one, after the journal has refused some of
// them for why. One that it refuses alone is left out and logged: no words that somebody
// else chose may end the run. Messages are never left out.
func (r *run) recordEach(why error, recs []*bulkheadv1.Record) error {
	for _, rec := range recs {
		err := r.journal.Append(context.Background(), rec)
		switch {
		case err == nil:
		case errors.Is(err, journal.ErrFailed), errors.Is(err, journal.ErrClosed), rec.GetSessionBatch() != nil:
			return err
		default:
			r.log.Error("a record is left out of the journal", "record", fmt.Sprintf("%T", rec.GetEntry()), "error", why)
		}
	}
	return nil
}

// told are the limits, and the times, that a client is told.
func (r *run) told() *bulkheadv1.Limits {
	l := r.limits()
	l.GraceNano, l.SilenceNano = max(int64(r.cfg.Session.Grace), 1), int64(r.cfg.Session.ClientTimeout)
	return l
}

// limits are what clients may send.
func (r *run) limits() *bulkheadv1.Limits {
	return &bulkheadv1.Limits{
		MaxFrameBytes:     uint32(r.cfg.Session.MaxFrame),
		MaxBatchMessages:  uint32(r.cfg.Session.MaxBatch),
		MaxUnackedBatches: uint32(r.cfg.Session.MaxUnackedBatches),
	}
}

// admit lets a client in, to a new session or its own, or tells it why not. One whose
// connection is kept from before a restart was let in then: the token may be another by
// now.
func (r *run) admit(ctx context.Context, l *link, hello *bulkheadv1.Hello) {
	if l.processor.Load() == nil && r.cfg.Token != "" && subtle.ConstantTimeCompare([]byte(hello.GetToken()), []byte(r.cfg.Token)) != 1 {
		why := answer{code: codes.Unauthenticated, reason: bulkheadv1.Reason_REASON_TOKEN_WRONG, text: "wrong token"}
		if hello.GetToken() == "" {
			why.reason, why.text = bulkheadv1.Reason_REASON_TOKEN_MISSING, "a token is required"
		}
		r.turnAway(l, hello, why)
		return
	}
	if l.processor.Load() == nil && r.elsewhere(l, hello) {
		return
	}
	p, no := r.session(hello, l.ticket.OnlyReturns())
	switch {
	case p == nil && no.retryAfter > 0:
		r.shedClient(l, no)
		return
	case p == nil:
		r.turnAway(l, hello, *no)
		return
	}
	if known := l.processor.Swap(p); known != nil && known != p {
		l.processor.Store(known)
		l.distrust(fmt.Errorf("%w: the handler sent the Hello of another session", raw.ErrLied))
		return
	}
	r.becomeLatest()
	l.log = l.log.With("client", p.hello.GetName())
	// The session counts as joined, so the processor must hear of it even if the link
	// is dropped at this moment.
	p.post(context.WithoutCancel(ctx), note{kind: noteConnected, link: l})
}

// becomeLatest makes the run the one that people look at first; once.
func (r *run) becomeLatest() {
	r.cameOnce.Do(func() {
		if err := r.latest(); err != nil {
			r.log.Error(err.Error())
		}
		r.isLatest.Store(true)
	})
}

// turnAway refuses a client that has said who it is.
func (r *run) turnAway(l *link, hello *bulkheadv1.Hello, why answer) {
	r.reject(l, claimant{hello, true, why.reason}, why.text)
	l.finish(why)
}

// retryNextRun is when a client should come again that came between two runs.
const retryNextRun = time.Second

// session returns the client's session, which it begins if the client is new, or
// why it cannot: with a time after which the client may come again, or for good. onlyReturns
// says that it may not be a new one.
func (r *run) session(hello *bulkheadv1.Hello, onlyReturns bool) (*processor, *answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.sessions[string(hello.GetClientId())]; p != nil {
		return p, nil
	}
	if onlyReturns {
		return nil, &answer{reason: bulkheadv1.Reason_REASON_OVERLOADED, text: "too many connections have not said Hello, and the places that are left are for clients that come back", retryAfter: door.RetryStartups}
	}
	if wrong := protocol.CheckNewName(hello.GetName()); wrong != nil {
		return nil, &answer{code: codes.InvalidArgument, reason: bulkheadv1.Reason_REASON_FIELD_INVALID, about: map[string]string{reason.Field: wrong.Field}, text: wrong.Text}
	}
	if r.closing {
		if r.cfg.KeepRunning && r.drained == "" {
			return nil, &answer{reason: bulkheadv1.Reason_REASON_RUN_CHANGING, text: "the run is ending; the next one begins at once", retryAfter: retryNextRun}
		}
		return nil, &answer{code: codes.FailedPrecondition, reason: bulkheadv1.Reason_REASON_RUN_ENDING, text: "the run is ending; it takes no new clients"}
	}
	if most := r.cfg.Overload.MaxClients; !r.makesRoom(hello.GetName()) {
		return nil, &answer{reason: bulkheadv1.Reason_REASON_OVERLOADED, text: fmt.Sprintf("the supervisor serves max_clients=%d clients already", most), retryAfter: door.RetryClients}
	}
	if away, _ := r.gate.Away(netip.Addr{}); r.pool.Spare() < away {
		r.pool.Threads.Refused.Add(1)
		return nil, &answer{reason: bulkheadv1.Reason_REASON_OVERLOADED, text: fewThreads.Why, retryAfter: fewThreads.RetryAfter}
	}
	hello.Token = "" // it is for nobody else
	number := uint32(1)
	if n := len(r.order); n > 0 {
		number = r.order[n-1].number + 1
	}
	p := newProcessor(r, number, fmt.Sprintf("s%d", number), hello)
	r.join(p)
	r.list(p)
	r.procs.Go(func() { p.Run(r.procCtx) })
	r.wake()
	return p, nil
}

// list makes a session known. r.mu is held, or nobody else has r yet.
func (r *run) list(p *processor) {
	r.sessions[string(p.hello.GetClientId())] = p
	r.order = append(r.order, p)
}

// claimant is who wanted to become a client and did not, as far as that can be told.
type claimant struct {
	hello  *bulkheadv1.Hello // nil if none could be read
	client bool              // it was no port scan, health check or other program
	code   bulkheadv1.Reason
}

// claimant is who was at the other end of a connection that became no session's.
func (l *link) claimant() claimant {
	c := claimant{hello: l.end.GetHello(), code: l.end.GetReason()}
	switch l.end.GetClass() {
	case bulkheadv1.EndClass_END_CLASS_PROTOCOL, bulkheadv1.EndClass_END_CLASS_LIMIT, bulkheadv1.EndClass_END_CLASS_VERSION:
		c.client = l.end.GetCollecting()
	}
	return c
}

// reject journals a connection that became no session's; once for each link.
func (r *run) reject(l *link, who claimant, why string) {
	if l.refused {
		return
	}
	l.refused = true
	r.refused.Add(1)
	pid := 0
	if l.child != nil {
		pid = l.child.Pid()
	}
	h := who.hello
	why, name := plain(why), plain(h.GetName())
	r.rejected.Log(l.log, why, name)
	r.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_ConnectionRejected{ConnectionRejected: &bulkheadv1.ConnectionRejected{
		ConnectionId: l.id, Peer: l.peer, HandlerPid: int32(pid), Reason: why, ClientName: name,
		Client: who.client, ClientId: h.GetClientId()[:min(len(h.GetClientId()), protocol.ClientIDBytes)], ClientHost: plain(h.GetHost()), ClientPid: h.GetPid(), Code: who.code,
	}}})
}

// handlerDied journals a handler that died before its use, unless the run's last
// record is due.
func (r *run) handlerDied(rec *bulkheadv1.HandlerExited) {
	r.recordUnsealed(&bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{HandlerExited: rec}})
}

// recordUnsealed is record for what concerns no session, unless the run's last record is due.
func (r *run) recordUnsealed(rec *bulkheadv1.Record) {
	r.pooled.Lock()
	defer r.pooled.Unlock()
	if r.sealed {
		return
	}
	r.record(rec)
}

// seal keeps handlers that die in the pool, and pauses, out of the journal: after it only
// the caller has something to record.
func (r *run) seal() {
	r.pooled.Lock()
	defer r.pooled.Unlock()
	r.sealed = true
}

// sessionEnded is called by a processor, once.
func (r *run) sessionEnded(p *processor, _ phase) {
	r.mu.Lock()
	r.cycle.sessionEnded()
	if p.hello.GetResent() && p.durable > 0 {
		r.count(p)
	}
	r.mu.Unlock()
	r.wake()
}

func (r *run) wake() {
	select {
	case r.life <- struct{}{}:
	default:
	}
}

// await waits until the run is over: nil when every session ended and nobody new
// came for the linger time, or after a drain; the journal's error when it failed;
// ctx's cause when the run must end now.
func (r *run) await(ctx context.Context) error {
	lingering := time.NewTimer(0)
	lingering.Stop()
	defer lingering.Stop()
	told := 0
	for {
		r.logWaiting(&told)
		r.mu.Lock()
		v := r.cycle.verdict()
		if v == finish {
			r.closing = true
		}
		r.mu.Unlock()
		switch v {
		case finish:
			return nil
		case linger:
			lingering.Reset(r.cfg.Linger)
		case goOn:
			lingering.Stop()
		}
		select {
		case <-r.life:
		case <-lingering.C:
			if r.close(linger) {
				return nil
			}
		case err := <-r.failed:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// close stops new sessions from beginning, if the verdict is still v.
func (r *run) close(v verdict) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closing = r.closing || r.cycle.verdict() == v
	return r.closing
}

// startDrain asks every client to end its load; it returns how many sessions were
// open. Clients that are away are told when they return.
func (r *run) startDrain(cause bulkheadv1.DrainCause, reason string) int {
	// If it cannot be recorded the run ends anyway.
	r.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_DrainStarted{DrainStarted: &bulkheadv1.DrainStarted{
		Reason: reason, WithinNano: max(int64(r.cfg.DrainTimeout), 1), Cause: cause,
	}}})
	return r.drain(reason, r.cfg.DrainTimeout)
}

// drain is startDrain without its record, for clients that have so much time left.
func (r *run) drain(reason string, left time.Duration) int {
	by := time.Now().Add(left)
	r.mu.Lock()
	r.closing, r.drained, r.drainBy = true, reason, by
	r.cycle.drain()
	open := r.cycle.open
	sessions := append([]*processor(nil), r.order...)
	r.mu.Unlock()
	for _, p := range sessions {
		p.post(r.procCtx, note{kind: noteDrain, cause: reason, until: by})
	}
	r.wake()
	return open
}

// drainLeft is how long clients that are asked to end their load still have.
func (r *run) drainLeft() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Until(r.drainBy)
}

// drainReason is why a drain was asked for; "" if none was.
func (r *run) drainReason() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drained
}

// nobodyCame reports whether no client has come, expected or not.
func (r *run) nobodyCame() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.order) == 0
}

// end gives every session that has none its outcome, lets go of every connection
// and stops the processors. After it only the journal is open.
func (r *run) end(cause string) {
	r.mu.Lock()
	r.closing = true
	sessions := append([]*processor(nil), r.order...)
	r.mu.Unlock()
	for _, p := range sessions {
		p.post(r.procCtx, note{kind: noteRunOver, cause: cause})
	}
	// Who never said a Hello is let go of at once. Clients that were told how it
	// ends get a moment to hear it; a stopped one must not hold the run up.
	r.dropLinks(func(l *link) bool { return l.processor.Load() == nil })
	flushed := make(chan struct{})
	go func() { // ends when the links have, below
		r.running.Wait()
		close(flushed)
	}()
	hurry := time.AfterFunc(flushTimeout, func() { r.dropLinks(func(*link) bool { return true }) })
	<-flushed
	hurry.Stop()
	r.stopProc()
	r.procs.Wait()
	r.farewell.Wait()
	r.recordShed()
	r.seal()
}

// flushTimeout is how long connections may last after the end of their run.
const flushTimeout = 3 * time.Second

// dropLinks ends the connections that which names.
func (r *run) dropLinks(which func(*link) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.links {
		if which(l) {
			l.drop(errRunOver)
		}
	}
}
