package supervisor

import (
	"context"
	"fmt"
	"time"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/watch"
)

// hear notes that the client was heard so long ago, as its handler says; nothing that was
// heard later is forgotten for it.
func (l *link) hear(ago time.Duration) {
	at := boottime.Now() - int64(max(ago, 0))
	for was := l.heard.Load(); at > was && !l.heard.CompareAndSwap(was, at); was = l.heard.Load() {
	}
}

// silence returns for how long the client had not been heard when a connection was given up
// for a reason: the outage began then, and not when it was found out. l is nil if there
// is nothing but what is known of the session.
func (p *processor) silence(l *link, class bulkheadv1.DetachClass) time.Duration {
	switch class {
	case bulkheadv1.DetachClass_DETACH_CLASS_CLOSED_BY_CLIENT, bulkheadv1.DetachClass_DETACH_CLASS_BREACH,
		bulkheadv1.DetachClass_DETACH_CLASS_TRANSPORT, bulkheadv1.DetachClass_DETACH_CLASS_LIMIT,
		bulkheadv1.DetachClass_DETACH_CLASS_STREAM_ENDED:
		return 0 // that was heard
	}
	heard := p.heard
	if l != nil {
		heard = max(heard, l.heard.Load())
	}
	if heard == 0 {
		return 0
	}
	return time.Duration(max(boottime.Now()-heard, 0))
}

// comeBack is the least time that clients get to come back after a supervisor was not
// there: twice the longest that a client waits between two tries.
const comeBack = 10 * time.Second

// startGrace starts the grace time, of which used is over already, and which counts while
// this process is running.
func (p *processor) startGrace(used, least time.Duration) {
	p.lost = p.run.uptime.Look(time.Now())
	grace := p.run.cfg.Session.Grace
	p.grace.Reset(max(grace-used, min(grace, least)))
}

// absence returns why a session is lost whose grace time is over: how long the client was not
// heard, which is more than the grace time by what it took to notice, and by what no supervisor was
// there for.
func (p *processor) absence() string {
	s := fmt.Sprintf("no connection for %s; session.grace is %s", roughly(p.away()), p.run.cfg.Session.Grace)
	if why := p.live.snapshot().cause; why != "" {
		s += "; the last one ended: " + why
	}
	return s
}

// away returns how long the client has not been heard since the session lost its connection.
func (p *processor) away() time.Duration {
	since := p.awaySince.Load()
	if since == 0 {
		return 0
	}
	return time.Duration(max(boottime.Now()-since, 0))
}

// roughly returns a measured time with the digits that a person wants.
func roughly(d time.Duration) time.Duration {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond)
	case d < time.Minute:
		return d.Round(100 * time.Millisecond)
	default:
		return d.Round(time.Second)
	}
}

// listen takes the look of a second at whether the client says anything.
func (p *processor) listen() {
	l := p.serving.Load()
	now := boottime.Now()
	if l == nil {
		p.quiet.Look(now, false, 0)
		return
	}
	if !p.look() {
		return
	}
	defer p.leave()
	if p.quiet.Look(now, p.listens(l), l.heard.Load()) {
		select {
		case p.inbox <- note{kind: noteSilent, link: l}:
		default: // there is something to be taken in
		}
	}
}

// listens reports whether all that the client has sent is taken in, as far as it has arrived:
// otherwise it is not the client who is silent.
func (p *processor) listens(l *link) bool {
	dog := l.dog.Load()
	return dog != nil && dog.Attentive() && len(p.inbox) == 0 && !p.busy.Load()
}

// fellSilent logs and records that a client says nothing. Its session continues.
func (p *processor) fellSilent(l *link) {
	if l != p.link || p.phase != active {
		return
	}
	silent, ok := p.quiet.Begin(boottime.Now(), l.heard.Load())
	if !ok {
		return
	}
	p.log.Warn("client says nothing, though its connection lives", "silent_for", roughly(silent),
		"limit", p.quiet.Limit)
	p.owe(silentRecord(p.number, silent, true))
}

// spoke ends a silence that was told of, because the client said something or was let go of.
func (p *processor) spoke(now int64, again bool) []*bulkheadv1.Record {
	silent, told := p.quiet.End(now)
	if !told {
		return nil
	}
	if again {
		p.log.Info("client says something again", "silent_for", roughly(silent))
	}
	return []*bulkheadv1.Record{silentRecord(p.number, silent, false)}
}

func silentRecord(session uint32, silent time.Duration, ongoing bool) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionSilent{SessionSilent: &bulkheadv1.SessionSilent{
		Session: session, SilentNano: int64(silent), Ongoing: ongoing,
	}}}
}

// watchPauses records the pauses of this process until ctx is done.
func (r *run) watchPauses(ctx context.Context) {
	tick := time.NewTicker(watch.PauseEvery)
	defer tick.Stop()
	p := watch.NewPauses(boottime.Now())
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if paused := p.Look(boottime.Now()); paused > 0 {
			r.paused(paused)
			p.Begin(boottime.Now()) // a slow journal is no pause
		}
	}
}

// paused journals and logs a pause that has just ended, unless the run's last record is due.
func (r *run) paused(paused time.Duration) {
	r.log.Warn(
		"the supervisor itself did not run: it was stopped, suspended with its machine, or without processor time",
		"for", roughly(paused))
	r.recordUnsealed(&bulkheadv1.Record{
		Entry: &bulkheadv1.Record_SupervisorPaused{
			SupervisorPaused: &bulkheadv1.SupervisorPaused{PausedNano: int64(paused)}}})
}
