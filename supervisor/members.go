package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/members"
	"bulkhead/supervisor/rundir"
)

// Several supervisors serve a run whose journal is on an engine. Each has the sessions of the clients that came to
// it, and all know from the engine how many there are and who has come. They tell each other once a second
// that they are at work, and how. That is for liveness alone: what keeps two from acknowledging for one session
// is the fence of its Log.

const (
	// beatEvery is how often a supervisor tells the others of its run that it is at work.
	beatEvery = time.Second
	// missingBeats is for how many beats more sessions must be open than anybody has, before somebody looks for
	// them; and after how many more again.
	missingBeats = 3
	// takeAtOnce is how many sessions are taken from a supervisor that is gone at the same time.
	takeAtOnce = 64
)

// others are the other supervisors of a run.
type others struct {
	// poke asks for a count before it is due. drains has what drain another one has told of.
	poke   chan struct{}
	drains chan *bulkheadv1.MemberDrain

	mu      sync.Mutex
	members *members.Members // guarded by mu
	beats   map[uint32]beat  // guarded by mu; what each of the others said last
	changed bool             // guarded by mu; one has come or gone since the last count
	told    bool             // guarded by mu; drains has had one

	// The rest belongs to countMembers.
	seen    []int                // of the registers
	pending []cluster.Enrolled   // who has a session of which nothing is known yet
	missing int                  // for how many counts sessions have been missing
	unsaid  map[string]time.Time // since when nobody has said anything of a client with a session
}

// beat is what a supervisor said, and when that was heard.
type beat struct {
	*bulkheadv1.MemberBeat
	at time.Time
}

func newOthers(self uint32) *others {
	return &others{poke: make(chan struct{}, 1), drains: make(chan *bulkheadv1.MemberDrain, 1),
		members: members.New(self), beats: make(map[uint32]beat), unsaid: make(map[string]time.Time)}
}

// atWork returns how many other supervisors of the run are at work.
func (o *others) atWork() int {
	if o == nil {
		return 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.members.Others())
}

// takes reports whether this supervisor is to take a session that one of that number had last.
func (o *others) takes(client []byte, had uint32) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.members.Takes(client, had)
}

// drainElsewhere receives a drain that another supervisor of the run has begun; nil if there can be none.
func (r *run) drainElsewhere() <-chan *bulkheadv1.MemberDrain {
	if r.others == nil {
		return nil
	}
	return r.others.drains
}

// countSoon asks for a count.
func (o *others) countSoon() {
	if o == nil {
		return
	}
	select {
	case o.poke <- struct{}{}:
	default:
	}
}

// watchMembers tells the others of this supervisor, listens to them, counts, and takes the sessions of those
// that are gone, until ctx is done.
func (r *run) watchMembers(ctx context.Context) {
	if r.others == nil {
		return
	}
	stop, err := r.engine.Hear(r.heard)
	if err != nil {
		r.log.Error("other supervisors of the run are not heard, and nobody takes the sessions of one that is gone",
			"error", err)
		stop = func() {}
	}
	defer stop()
	defer inBackground(ctx, r.countMembers)() // which the engine may hold up
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		r.tell(false)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// countMembers counts again and again, until ctx is done.
func (r *run) countMembers(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		r.countAll(ctx)
		select {
		case <-tick.C:
		case <-r.others.poke:
		case <-ctx.Done():
			return
		}
	}
}

// tell tells the others how this supervisor is. Who does not hear it has the journal.
func (r *run) tell(leaving bool) {
	if r.others == nil {
		return
	}
	b := &bulkheadv1.MemberBeat{Supervisor: r.engine.Supervisor(), Leaving: leaving, Host: rundir.Host().GetName(),
		Listen: r.listen, Totals: r.totals()}
	r.mu.Lock()
	b.OpenSessions = uint32(r.cycle.open)
	if r.drained != "" {
		b.Drain = &bulkheadv1.MemberDrain{Cause: r.drainCause, Reason: r.drained,
			LeftNano: max(int64(time.Until(r.drainBy)), 1)}
	}
	r.mu.Unlock()
	if err := r.engine.Tell(b); err != nil {
		r.log.Debug(err.Error())
	}
}

// heard takes what a supervisor of the run tells, this one too.
func (r *run) heard(b *bulkheadv1.MemberBeat) {
	o := r.others
	o.mu.Lock()
	changed := o.members.Hear(members.Beat{Supervisor: b.GetSupervisor(), Open: b.GetOpenSessions(),
		Leaving: b.GetLeaving()})
	o.changed = o.changed || changed
	now := o.members.Others()
	if b.GetSupervisor() != r.engine.Supervisor() {
		o.beats[b.GetSupervisor()] = beat{b, time.Now()}
	}
	if changed {
		maps.DeleteFunc(o.beats, func(n uint32, _ beat) bool { return !slices.Contains(now, n) })
	}
	drain := b.GetDrain()
	if b.GetSupervisor() == r.engine.Supervisor() || o.told {
		drain = nil
	}
	o.told = o.told || drain != nil
	o.mu.Unlock()
	if changed {
		r.log.Info("the supervisors at work in this run have changed", "others", now)
		o.countSoon()
	}
	if drain != nil {
		o.drains <- drain // has room for the one
	}
}

// countAll finds out how many sessions the whole run has, and who has come to others.
func (r *run) countAll(ctx context.Context) {
	o := r.others
	c, err := r.engine.Look(ctx)
	if err != nil {
		return // at the next beat
	}
	o.pending = append(o.pending, r.engine.Enrolled(&o.seen)...)
	o.pending = r.meet(ctx, o.pending)
	o.mu.Lock()
	open, changed := int(o.members.Open()), o.changed
	o.changed = false
	o.mu.Unlock()
	r.mu.Lock()
	r.cycle.everywhere, r.cycle.endedElsewhere = int(c.Open), c.Ended
	open += r.cycle.open
	r.mu.Unlock()
	r.wake()
	if o.missing++; int(c.Open) <= open {
		o.missing = 0
	}
	if c.Open > 0 && (changed || o.missing >= missingBeats && o.missing%missingBeats == 0) {
		if err := r.takeMissing(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("looking for the sessions of supervisors that are gone", "error", err)
			o.mu.Lock()
			o.changed = true
			o.mu.Unlock()
		}
	}
}

// meet takes note of clients that have come to other supervisors, and returns those of which nothing is known
// yet.
func (r *run) meet(ctx context.Context, list []cluster.Enrolled) (later []cluster.Enrolled) {
	for _, e := range list {
		r.mu.Lock()
		_, known := r.elsewhereNames[string(e.Client)]
		known = known || r.sessions[string(e.Client)] != nil
		opening := r.opening[string(e.Client)] != nil
		r.mu.Unlock()
		if known {
			continue
		}
		opened, err := r.engine.Opened(ctx, e.Client)
		if opening || err != nil || opened == nil {
			later = append(later, e)
			continue
		}
		r.mu.Lock()
		if name := opened.GetHello().GetName(); r.sessions[string(e.Client)] == nil {
			r.elsewhereNames[string(e.Client)] = name
			r.register.Come(name)
			r.cycle.joined = r.register.Joined()
			if who := opened.GetIdentity(); who != nil && r.owners[name] == nil {
				r.owners[name] = who
			}
		}
		r.mu.Unlock()
	}
	return later
}

// takeMissing takes the sessions whose supervisors are gone, if this one is to have them.
func (r *run) takeMissing(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan struct{}, takeAtOnce)
	for found, err := range r.engine.HeadsNow(ctx) {
		if err != nil {
			return err
		}
		if found.Head.Epoch == 0 {
			if err := r.unsaid(ctx, found); err != nil {
				return err
			}
			continue
		}
		if !r.others.takes(found.Client, found.Head.Supervisor) {
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if err := r.takeSession(found.Client); err != nil {
				r.log.Warn("the session of a supervisor that is gone is not taken", "session", found.Head.Session,
					"error", err)
			}
		})
	}
	return nil
}

// unsaid ends the session of a client that somebody let in who is gone, and that has not come back for as long as
// one may be away.
func (r *run) unsaid(ctx context.Context, found cluster.Found) error {
	if !r.others.takes(found.Client, 0) {
		return nil
	}
	since, known := r.others.unsaid[string(found.Client)]
	switch now := time.Now(); {
	case !known:
		r.others.unsaid[string(found.Client)] = now
	case now.Sub(since) >= r.cfg.Session.Grace:
		return r.engine.Abandoned(ctx, found)
	}
	return nil
}

// takeSession takes the session of a client whose supervisor is gone. Its client is away from then on.
func (r *run) takeSession(client []byte) error {
	r.mu.Lock()
	if r.sessions[string(client)] != nil || r.opening[string(client)] != nil || r.closing {
		r.mu.Unlock()
		return nil
	}
	opened := make(chan struct{})
	r.opening[string(client)] = opened
	r.cycle.sessionBegan() // nothing ends meanwhile
	r.mu.Unlock()
	defer close(opened)
	book, head, err := r.book.Open(context.Background(), cluster.Hello{Client: client})
	var p *processor
	if err == nil {
		p, err = r.continues(book, head, client)
	}
	r.mu.Lock()
	r.letIn(string(client), p)
	brief := func() {}
	if p != nil {
		brief = r.brief(p)
	}
	r.mu.Unlock()
	r.wake()
	if err != nil {
		return err
	}
	p.log.Info("the session of a supervisor that is gone is taken", "continues_after", p.durable)
	p.post(r.procCtx, p.cutElsewhere())
	brief()
	return nil
}

// cutElsewhere returns what tells a session that its connection to another supervisor counts no more.
func (p *processor) cutElsewhere() note {
	return note{kind: noteCut, told: &told{connection: p.connection, cause: "its supervisor is gone",
		class: bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR}}
}

// continues returns the session of a client that another supervisor has had, from its records. It is not listed
// yet.
func (r *run) continues(book cluster.Log, head cluster.Head, client []byte) (*processor, error) {
	past, was, err := r.engine.SessionOf(r.engine.Trying(), client, head)
	if err == nil && was == nil {
		err = fmt.Errorf("%w: nothing is known of the session", cluster.ErrUnavailable)
	}
	if err != nil {
		book.Release()
		return nil, err
	}
	now := time.Now()
	p := r.restored(past, was, book, now, past.Clock.Since(now))
	p.used, p.least = 0, comeBack
	return p, nil
}

// letIn lists a session that was opened, if it was, and has it run. r.mu is held.
func (r *run) letIn(client string, p *processor) {
	delete(r.opening, client)
	r.cycle.sessionEnded()
	if p == nil {
		return
	}
	r.join(p)
	r.list(p)
	if p.phase.ended() {
		r.cycle.sessionEnded()
	}
	delete(r.elsewhereNames, client)
	r.procs.Go(func() { p.Run(r.procCtx) })
}

// overEverywhere reports whether a run that has nothing left to do here is over for all its supervisors, and
// sees to it that nobody is let in any more. What cannot be found out now is asked again at the next count.
func (r *run) overEverywhere(ctx context.Context) bool {
	if r.others == nil {
		return true
	}
	for _, seal := range []bool{true, false} {
		c, err := r.engine.Look(ctx)
		switch {
		case err != nil:
			return false
		case c.Ended:
			return true
		case c.Open > 0:
			r.mu.Lock()
			r.cycle.everywhere = int(c.Open)
			r.mu.Unlock()
			return false
		case seal && r.engine.SealNow(ctx) != nil:
			return false
		}
	}
	return true
}

// errLeaves ends a supervisor's part in a run that others go on with.
var errLeaves = errors.New("the supervisor leaves the run to the others")

// waitForOthers waits until the others have ended what they have of a run that cannot end before, and ends what those
// have left who are gone. It returns what is wrong with the run, or errLeaves if the others are not to be
// waited for.
func (r *run) waitForOthers(ctx context.Context, finish func() error) error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		err := finish()
		if !errors.Is(err, cluster.ErrOpen) {
			return err
		}
		if r.others.atWork() > 0 && ctx.Err() != nil {
			return errLeaves
		}
		if err := r.endMissing(); err != nil && !errors.Is(err, cluster.ErrUnavailable) {
			return err
		}
		select {
		case <-tick.C:
		case <-r.engine.Trying().Done():
			return err
		}
	}
}

// endMissing ends the sessions whose supervisors are gone, as lost.
func (r *run) endMissing() error {
	ctx := r.engine.Trying()
	for found, err := range r.engine.HeadsNow(ctx) {
		if err != nil {
			return err
		}
		own := found.Head.Supervisor == r.engine.Supervisor() // its processor has ended
		if found.Head.Epoch == 0 || !own && !r.others.takes(found.Client, found.Head.Supervisor) {
			continue
		}
		book, h, err := r.book.Open(ctx, cluster.Hello{Client: found.Client})
		if err != nil {
			return err
		}
		if h.Ended() || h.Epoch != found.Head.Epoch+1 { // it was opened elsewhere meanwhile
			continue
		}
		h.Phase = bulkheadv1.SessionState_SESSION_STATE_LOST
		if err := book.Append(ctx, h, &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionEnded{
			SessionEnded: &bulkheadv1.SessionEnded{Session: h.Session, Outcome: bulkheadv1.Outcome_OUTCOME_LOST,
				Cause: "its supervisor was gone as the run ended", LastSeq: h.Durable}}}); err != nil &&
			!errors.Is(err, cluster.ErrMoved) {
			return err
		}
	}
	return nil
}

// leave lets go of every session, for the other supervisors to go on with.
func (r *run) leave() {
	r.mu.Lock()
	r.closing, r.leaving = true, true
	sessions := append([]*processor(nil), r.order...)
	r.mu.Unlock()
	for _, p := range sessions {
		p.post(r.procCtx, note{kind: noteLeave})
	}
	r.stop()
	r.tell(true)
}
