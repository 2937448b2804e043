package supervisor

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/conduct"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/recovery"
	"bulkhead/supervisor/share"
	"bulkhead/supervisor/watch"
)

const (
	// inboxNotes bounds what waits for a processor; then its link waits, then its
	// handler, then the client: back-pressure.
	inboxNotes = 32
	// inboxBytes bounds the batches that wait for a processor, in bytes: what the
	// journal is behind with one session. The largest frame there can be fits.
	inboxBytes = protocol.MaxFrameBytes
	// oweFor is how long a record that nobody waits for may wait for one that
	// somebody does, to share its fsync.
	oweFor = 10 * time.Millisecond
)

// processor is the goroutine that owns one session: it validates, removes
// duplicates, journals, folds into the live figures and acknowledges.
type processor struct {
	run    *run
	number uint32
	id     string
	hello  *bulkheadv1.Hello    // what tells the client from others; the rest is in the journal
	who    *bulkheadv1.Identity // who the client has proven to be; nil if it has not; Run sets it with run.mu held
	log    *slog.Logger
	book   cluster.Log         // the session's part of the journal; set before Run
	inbox  chan note           // nil while retired; see enter
	done   chan struct{}       // closed when the processor has ended
	note   string              // why its client does not count; "" if it does; set before Run
	room   *semaphore.Weighted // for the bytes of batches in the inbox
	part   *share.Member       // of what the journal takes
	// waiting is how many batches are in the inbox, on their way into it or being journalled.
	waiting atomic.Int64
	live    live
	// awaySince is when the client of a session that is away was last heard, by boottime.
	awaySince atomic.Int64
	quiet     *watch.Quiet
	returns   door.Allowance       // the gate's
	serving   atomic.Pointer[link] // as link, for who is not Run's goroutine; nil when not active
	busy      atomic.Bool          // a note is acted on

	door     sync.Mutex
	visitors int  // guarded by door; who looks at inbox, but for Run
	held     bool // guarded by door; Run would have retired but for visitors
	retired  bool // guarded by door; Run does not run, until somebody enters

	// The rest belongs to Run's goroutine.
	bound      *bulkheadv1.Identity // whose the session has become, until that is recorded
	phase      phase
	durable    uint64
	holder     conduct.Holder
	digests    raw.Digests
	told       conduct.Contradictions
	link       *link      // nil when not active
	connection uint64     // number of the last connection that was attached
	source     netip.Addr // of that connection
	awaited    time.Time  // since when the gate lets its client in whatever else comes from source; zero if it does not
	stuck      bool       // a record could not be made durable: the run ends, or this session goes on elsewhere
	gone       bool       // it goes on elsewhere
	lie        error      // what link's handler did that no honest one does; nil if nothing
	poison     conduct.Poison
	excess     conduct.Excess
	frame      []byte            // what the last handler that poison counts was at work on
	drain      *bulkheadv1.Drain // without its time
	drainBy    time.Time
	drainOver  *time.Timer    // runs to drainBy if the client alone was asked to end; nil otherwise
	drainLost  time.Duration  // for how long the journal's engine had not been there as that was set
	begins     *moment        // from when on its client may write, if that waits; nil while it may not
	begun      bool           // the journal has that it does
	together   []waitingStage // the stages before which its client waits for others
	stage      uint32         // the newest stage that it has begun, and
	stageReady uint32         // to which of together it has come, as the journal has it
	grace      *time.Timer
	lost       time.Duration        // what uptime said as grace was started
	used       time.Duration        // of the grace time, by a supervisor before this one
	least      time.Duration        // of the grace time, all the same
	heard      int64                // when the client was heard last, as far as the journal knows; by boottime
	owed       []*bulkheadv1.Record // not yet in the journal
	owing      *time.Timer          // runs while owed is not empty
}

// newProcessor returns a session that hello began; who recovers one has no more of that than
// recovery.OfClient.
func newProcessor(r *run, number uint32, id string, hello *bulkheadv1.Hello) *processor {
	p := &processor{
		run: r, number: number, id: id, hello: recovery.OfClient(hello),
		log:   r.log.With("client", hello.GetName(), "session", id),
		inbox: make(chan note, inboxNotes), done: make(chan struct{}), room: semaphore.NewWeighted(inboxBytes),
		part:  r.shares.Join(),
		quiet: watch.NewQuiet(hello, r.cfg.Session.Grace), digests: raw.Digests{Seed: rand.Uint64()},
	}
	p.live.schedule(p.hello.GetWorkload().GetStages())
	p.waitsFor(p.hello.GetWorkload().GetStages())
	p.hello.Workload.Stages = nil // the session may have ended for long
	return p
}

// Run serves the session until ctx is done, which is when the run has let go of
// every link, or until it can retire.
func (p *processor) Run(ctx context.Context) {
	p.grace, p.owing = stoppedTimer(), stoppedTimer()
	defer p.grace.Stop()
	defer p.owing.Stop()
	if p.phase == away { // since a supervisor before this one
		p.startGrace(p.used, p.least)
	}
	p.await(p.phase == away)
	defer p.await(false)
	defer p.stopDrainOver()
	for !p.retire() {
		select {
		case n := <-p.inbox:
			p.busy.Store(true)
			p.take(ctx, n)
			p.busy.Store(false)
		case <-p.grace.C:
			if late := p.run.uptime.Look(time.Now()) - p.lost; late > 0 {
				p.lost += late
				p.grace.Reset(late) // nobody could come back while this process was not running
				continue
			}
			p.step(graceOver, nil, p.absence(), 0)
		case <-p.owing.C:
			p.record()
		case <-p.drainIsOver():
			if p.drainIsLate() {
				continue
			}
			p.step(drainOver, nil, errDrainDeadline.Error(), bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR)
		case <-ctx.Done():
			p.takeRest(ctx)
			p.record()
			close(p.done)
			return
		}
	}
}

// takeRest acts on what was posted before the end: the last links' ends.
func (p *processor) takeRest(ctx context.Context) {
	for {
		select {
		case n := <-p.inbox:
			p.take(ctx, n)
		default:
			return
		}
	}
}

// stoppedTimer returns a timer that does not run yet.
func stoppedTimer() *time.Timer {
	t := time.NewTimer(0)
	t.Stop()
	return t
}

// record makes what is owed and then recs durable. Once it has not, it never does: nobody knows what of that
// is in the journal, and nothing else may come behind it.
func (p *processor) record(recs ...*bulkheadv1.Record) bool {
	p.owing.Stop()
	recs = append(p.owed, recs...)
	p.owed = nil
	if !p.stuck && len(recs) > 0 && !p.run.recordOf(p, recs) {
		p.stuck = true // the run ends, and nobody is to blame
	}
	return !p.stuck
}

// head returns what is behind the session's records, of which these are the newest.
func (p *processor) head(recs []*bulkheadv1.Record) cluster.Head {
	h := cluster.Head{Connection: p.connection, Durable: p.durable, Phase: p.phase.state(),
		Poison: uint32(p.poison.Kills), PoisonAfter: p.poison.After}
	for _, rec := range recs {
		if b := rec.GetSessionBatch(); b != nil {
			h.Durable = b.GetLastSeq()
		}
	}
	return h
}

// owe leaves recs to the next record, or to the journal soon.
func (p *processor) owe(recs ...*bulkheadv1.Record) {
	if len(recs) == 0 {
		return
	}
	date(recs)
	p.owed = append(p.owed, recs...)
	p.owing.Reset(oweFor)
}

// take acts on one note. Batches that wait are gathered into one append; the note
// that ended the gathering is acted on next.
func (p *processor) take(ctx context.Context, n note) {
	for {
		var following *note
		if p.gone {
			p.passOn(n)
			return
		}
		switch n.kind {
		case noteConnected:
			p.connected(n.link)
		case noteBatch:
			following = p.batches(n)
		case noteGoodbye:
			p.goodbye(n)
		case noteResent:
			p.resent(n)
			p.letGo(n.load(), n.room)
		case noteCut:
			p.cut(n)
			switch x := n.exited.GetHandlerExited(); {
			case x == nil:
			case conduct.Suspicious(x):
				p.record(n.exited) // counts also after the supervisor's own death
			default:
				p.owe(n.exited)
			}
		case noteDrain:
			p.askToDrain(n)
		case noteDrainAlone:
			p.drainAlone(n)
		case noteBegin:
			p.letBegin(n.begins)
		case noteStage:
			p.passStage(p.link)
		case noteShare:
			p.passShare(p.link)
		case noteSilent:
			p.fellSilent(n.link)
		case noteOusted:
			p.oust(n.cause)
		case noteLeave:
			if p.record() {
				p.moved(errLeaves)
			}
		case noteRunOver:
			p.step(runOver, nil, n.cause, bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR)
			if p.phase == closed && p.link != nil {
				p.link.finish(answer{}) // it may not have heard so yet
			}
		}
		if following == nil {
			return
		}
		n = *following
	}
}

// newer reports whether a connection is newer than another one, as far as their numbers tell: those of one
// supervisor. Of two supervisors' the session had the one that it has.
func newer(id, than uint64) bool {
	of, number := cluster.ConnectionOf(id)
	other, before := cluster.ConnectionOf(than)
	return of == other && number > before || than == 0
}

// connected attaches a connection that has said the session's Hello.
func (p *processor) connected(l *link) {
	e := connected
	switch {
	case p.stuck:
		l.finish(p.run.unwritten())
		return
	case !l.adopted || p.phase.ended():
	case l.id == p.connection && p.phase == adrift:
		e = reattached
	case !newer(l.id, p.connection):
		// The session lost this connection before or since the restart: the client may
		// have another one already, which its old handler must not take away.
		l.drop(errReplaced)
		return
	}
	if !l.adopted && !p.phase.refuses() {
		if p.run.engine != nil && p.holder.Stale(l.hello, p.durable) { // it waited for the engine
			l.drop(errReplaced)
			return
		}
		if why := p.holder.Other(l.hello, p.phase == active, p.durable); why != "" {
			p.inUse(l, why)
			return
		}
	}
	first := p.phase == fresh
	if !p.phase.ended() {
		if no := p.bind(l.who); no != nil {
			l.finish(*no)
			return
		}
		first = first || p.bound != nil
	}
	p.step(e, l, errReplaced.Error(), bulkheadv1.DetachClass_DETACH_CLASS_REPLACED)
	if first {
		p.oustOthers()
	}
	if p.phase == closed {
		p.conclude(l)
	}
}
