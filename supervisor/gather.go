package supervisor

import (
	"fmt"
	"strings"
	"time"

	"bulkhead/internal/boottime"
	"bulkhead/internal/config"
	"bulkhead/internal/failpoint"
	"bulkhead/internal/human"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/gather"
	"bulkhead/supervisor/recovery"
)

// How the clients of a run are let begin to write: package gather decides, the operator's goroutine
// makes the decision durable, and each session's processor tells its client, also on a later
// connection.

const (
	// beginLead is how long after the decision clients begin: what it takes to make it durable, and to
	// tell those that are far away.
	beginLead = time.Second
	// beginLeast is what must be left of that once it is durable; else another moment is decided on.
	beginLeast = beginLead / 2
	// beginTries is how many moments are, where the journal is slow.
	beginTries = 3
)

// gathering is the gather of a run.
type gathering struct {
	plan *bulkheadv1.Gather // nil if the run does not gather
	// due receives what must be done, once.
	due chan gather.Action

	machine *gather.Gather // guarded by run.mu; nil if the run does not gather
	begins  *moment        // guarded by run.mu; nil while nobody may begin
	aborted string         // guarded by run.mu; why the run must be drained, as a supervisor before this one decided
}

// moment is one by boottime.
type moment struct{ at int64 }

// left returns how long it is until then; 0 if it has passed.
func (m *moment) left() time.Duration { return max(0, time.Duration(m.at-boottime.Now())) }

// gatherOf returns how a new run gathers its clients; nil if it does not.
func gatherOf(cfg Config) *bulkheadv1.Gather {
	if cfg.Gather.Timeout == 0 {
		return nil
	}
	plan := &bulkheadv1.Gather{TimeoutNano: int64(cfg.Gather.Timeout), FromFirst: cfg.KeepRunning,
		IfShort: bulkheadv1.IfShort_IF_SHORT_ABORT}
	if cfg.Gather.IfShort == config.IfShortStart {
		plan.IfShort = bulkheadv1.IfShort_IF_SHORT_START
	}
	return plan
}

// gathers begins the gather of a run; nil is none. Nobody else has r yet.
func (r *run) gathers(plan *bulkheadv1.Gather) {
	r.gathering = gathering{plan: plan, due: make(chan gather.Action, 1)}
	if plan != nil {
		r.gathering.machine = gather.New(r.cfg.Clients.Count, r.cfg.Clients.Names,
			plan.GetIfShort() == bulkheadv1.IfShort_IF_SHORT_START)
	}
}

// regather continues the gather of a run as its journal has it. Nobody else has r yet.
func (r *run) regather(past *recovery.Past) {
	r.gathers(past.Gather)
	g := &r.gathering
	if g.plan == nil {
		return
	}
	for _, was := range past.InOrder() {
		p := r.sessions[string(was.Hello.GetClientId())]
		p.begun = was.Total.Begun
		if p.hello.GetResent() {
			continue
		}
		events := []gather.Event{gather.Came, gather.Went}
		switch {
		case !p.waits():
			events = []gather.Event{gather.CameUnable}
		case was.Total.Ready:
			events = append(events, gather.Ready)
		}
		if was.Drain != (recovery.Drain{}) {
			events = append(events, gather.Excused)
		}
		if p.phase.ended() {
			events = append(events, gather.Ended)
		}
		for _, e := range events {
			r.gatherDue(g.machine.Take(e, p.number, p.hello.GetName()))
		}
	}
	if past.Gathered == nil {
		if past.Drain.Reason != "" {
			g.machine.End()
		}
		return
	}
	g.machine.End()
	select {
	case <-g.due: // what it was, is decided
	default:
	}
	switch past.Gathered.GetHow() {
	case bulkheadv1.GatherEnd_GATHER_END_ABORTED:
		g.aborted = shortage(past.Gather, past.Gathered.GetMissing())
		return
	case bulkheadv1.GatherEnd_GATHER_END_SHORT:
		r.cycle.waived = true
	}
	g.begins = &moment{at: past.Gathered.GetBeginElapsedNano()}
	if past.Clock.Boot != boottime.ID() {
		g.begins = &moment{} // long ago, on another boot
	}
	for _, p := range r.order {
		p.begins = g.begins
	}
}

// gatherDue leaves what must be done to the operator.
func (r *run) gatherDue(a gather.Action) {
	if a != gather.None {
		r.gathering.due <- a // which is told once, and has room
	}
}

// gatherHears tells the gather what happened to a session.
func (r *run) gatherHears(e gather.Event, p *processor) {
	if r.gathering.plan == nil || p.hello.GetResent() {
		return
	}
	r.mu.Lock()
	action := r.gathering.machine.Take(e, p.number, p.hello.GetName())
	r.mu.Unlock()
	r.gatherDue(action)
}

// waits reports whether a client waits until it may begin.
func (p *processor) waits() bool {
	return p.run.gathering.plan != nil && p.hello.GetProtocolMinor() >= protocol.MinorGather && !p.hello.GetResent()
}

// gatherStep tells the gather that the session is in another phase now.
func (p *processor) gatherStep(was, now phase) {
	switch {
	case p.run.gathering.plan == nil:
	case now == active && !p.waits():
		if was == fresh && !p.hello.GetResent() {
			p.log.Warn("the client does not wait for the others: its version of the protocol is too old for that",
				"protocol_minor", p.hello.GetProtocolMinor(), "needed", protocol.MinorGather)
		}
		p.run.gatherHears(gather.CameUnable, p)
	case now == active:
		p.run.gatherHears(gather.Came, p)
	case now == away:
		p.run.gatherHears(gather.Went, p)
	case now.ended():
		p.run.gatherHears(gather.Ended, p)
	}
}

// letBegin notes from when on the client may write, and tells it.
func (p *processor) letBegin(m *moment) {
	p.begins = m
	if p.link != nil {
		p.passBegin(p.link)
	}
}

// passBegin tells a client that waits when it may begin, if that is known.
func (p *processor) passBegin(l *link) {
	if p.begins == nil || p.begun || !p.waits() || p.drain != nil {
		return
	}
	failpoint.Hit("supervisor/before-begin-sent")
	l.send.put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Begin{Begin: &bulkheadv1.Begin{
		InNano: int64(p.begins.left()), AtElapsedNano: p.begins.at,
	}}})
	failpoint.Hit("supervisor/after-begin-sent")
}

// gatherEnds makes what the gather decided durable, and lets clients begin. It returns why the run
// must be drained instead, or "".
func (r *run) gatherEnds(a gather.Action) string {
	rec := r.gatherRecord(a)
	why := ""
	if a == gather.Abort {
		why = shortage(r.gathering.plan, rec.GetMissing())
	}
	failpoint.Hit("supervisor/before-gather-ended")
	var begins *moment
	for range beginTries {
		if a != gather.Abort {
			begins = &moment{at: boottime.Now() + int64(beginLead)}
			rec.BeginElapsedNano = begins.at
		}
		if !r.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_GatherEnded{GatherEnded: rec}}) {
			return "" // the run ends
		}
		if begins == nil || begins.left() >= beginLeast {
			break
		}
	}
	failpoint.Hit("supervisor/after-gather-ended")
	if a == gather.Abort {
		r.log.Error("the run is given up before anybody has written: " + why)
		return why
	}
	r.mu.Lock()
	r.gathering.begins = begins
	r.cycle.waived = r.cycle.waived || a == gather.Short
	sessions := append([]*processor(nil), r.order...)
	r.mu.Unlock()
	r.divideMissing(rec.GetMissing())
	if a == gather.Short {
		r.log.Warn("those that are ready begin without the others: "+shortage(r.gathering.plan, rec.GetMissing()),
			"ready", len(rec.GetReady()))
	} else {
		r.log.Info("all clients are ready and begin to write", "clients", len(rec.GetReady()), "in", begins.left())
	}
	for _, p := range sessions {
		p.post(r.procCtx, note{kind: noteBegin, told: &told{begins: begins}})
	}
	r.wake()
	return ""
}

// gatherRecord returns how the gather ended, but for when clients begin.
func (r *run) gatherRecord(a gather.Action) *bulkheadv1.GatherEnded {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.gathering.machine
	rec := &bulkheadv1.GatherEnded{Ready: m.With(gather.IsReady), Unable: m.With(gather.Unable)}
	switch a {
	case gather.Complete:
		rec.How = bulkheadv1.GatherEnd_GATHER_END_COMPLETE
		return rec
	case gather.Short:
		rec.How = bulkheadv1.GatherEnd_GATHER_END_SHORT
	case gather.Abort:
		rec.How = bulkheadv1.GatherEnd_GATHER_END_ABORTED
	}
	rec.Missing = missing(m)
	return rec
}

// missing are those that a gather waits for, in the journal's form.
func missing(m *gather.Gather) []*bulkheadv1.GatherMissing {
	clients, others := m.Missing()
	list := missingOf(clients)
	if others > 0 {
		list = append(list, &bulkheadv1.GatherMissing{Clients: uint32(others),
			State: bulkheadv1.GatherState_GATHER_STATE_NOT_CONNECTED})
	}
	return list
}

// missingOf are clients that are waited for, in the journal's form.
func missingOf(clients []gather.Client) []*bulkheadv1.GatherMissing {
	var list []*bulkheadv1.GatherMissing
	for _, c := range clients {
		one := &bulkheadv1.GatherMissing{Name: c.Name, Session: c.Session,
			State: bulkheadv1.GatherState_GATHER_STATE_NOT_CONNECTED}
		switch c.State {
		case gather.NotReady:
			one.State = bulkheadv1.GatherState_GATHER_STATE_NOT_READY
		case gather.Gone:
			one.State = bulkheadv1.GatherState_GATHER_STATE_GONE
		}
		list = append(list, one)
	}
	return list
}

// shortage returns in words who was not ready in time.
func shortage(plan *bulkheadv1.Gather, list []*bulkheadv1.GatherMissing) string {
	within := human.ExactDuration(time.Duration(plan.GetTimeoutNano()))
	return fmt.Sprintf("not all clients were ready in %s: %s", within,
		strings.Join(protocol.MissingWords(list, wordedAbsent), ", "))
}

// gatherLeft returns how long the gather still waits, for a Welcome.
func (r *run) gatherLeft() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.gathering.machine; m == nil || m.Over() {
		return 0
	}
	return int64(r.patience.remaining())
}

// gatherStatus returns how far the gather is; nil if there is none, or it is over. r.mu is held.
func (r *run) gatherStatus() *bulkheadv1.GatherStatus {
	m := r.gathering.machine
	if m == nil || m.Over() {
		return nil
	}
	there, expected := m.Counts()
	list := missing(m)
	out := &bulkheadv1.GatherStatus{Ready: uint32(there), Expected: uint32(expected),
		LeftNano: int64(max(r.patience.remaining(), 0))}
	out.MissingLeftOut = uint32(max(len(list)-shownAbsent, 0))
	out.Missing = list[:min(len(list), shownAbsent)]
	return out
}
