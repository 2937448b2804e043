package client

import (
	"time"

	"bulkhead/client/session"
	"bulkhead/internal/boottime"
	"bulkhead/internal/human"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// echoesEnough is how many echoes are measured before a client says that it is ready, and
	// echoPatience how long it waits for them at most.
	echoesEnough = 5
	echoPatience = time.Second
	// gatherSay is how often is said what is waited for.
	gatherSay = 10 * time.Second
	// beginAhead is how long before the moment the consumers are told of it: they wait for it
	// themselves, so that no message stands between it and their first write.
	beginAhead = 250 * time.Millisecond
)

// gathered is how a load was let begin.
type gathered struct {
	due   time.Time // when it was to begin; zero if it was not told
	clock session.Clock
}

// gather says that everything is ready, and waits until the supervisor lets the load begin, in the run
// in which the session is by then; it returns beginAhead before that moment, and at once in a run that
// does not gather. over says that the load must end before it began, and why.
func (l *load) gather(stop *interrupts) (g gathered, why ending, over bool) {
	l.session.Await(true)
	defer l.session.Await(false)
	again := time.NewTicker(gatherSay)
	defer again.Stop()
	since := time.Now()
	said := "" // in which run
	for {
		now := l.session.Gather()
		if !now.Waits {
			return gathered{}, ending{}, false
		}
		if said != now.Run && l.isMeasured(now, since) {
			said = now.Run
			l.sayReady(now)
		}
		wait := time.NewTimer(l.nextLook(now, since))
		if !now.Begin.IsZero() && said == now.Run {
			wait.Reset(time.Until(now.Begin) - aheadOfBegin())
		}
		if why, over := early(stop, l.session); over {
			wait.Stop()
			return gathered{}, why, true
		}
		select {
		case <-wait.C:
			if !now.Begin.IsZero() && said == now.Run {
				return gathered{now.Begin, now.Clock}, ending{}, false
			}
		case <-l.session.GatherNews():
		case <-again.C:
			if l.noneIsLeft() {
				return gathered{}, ending{}, false // which ends the load
			}
			l.cfg.Logger.Info("ready; waiting for the supervisor to let all clients begin", "run", now.Run,
				"waited", time.Since(since).Round(time.Second))
		case <-stop.orderly:
		case <-stop.abort.Done():
		case <-l.session.Drained:
		case <-l.session.done:
		}
		wait.Stop()
	}
}

// isMeasured reports whether enough is known of the supervisor's clock to say that the client is ready.
func (l *load) isMeasured(now session.Gather, since time.Time) bool {
	return now.Clock.Measured >= echoesEnough || time.Since(since) >= echoPatience || !now.Begin.IsZero()
}

// nextLook returns how long nothing happens by itself.
func (l *load) nextLook(now session.Gather, since time.Time) time.Duration {
	if l.isMeasured(now, since) {
		return gatherSay
	}
	return max(echoPatience-time.Since(since), time.Millisecond)
}

func (l *load) sayReady(now session.Gather) {
	l.take(&bulkheadv1.Message{Process: clientProcess(), Fact: &bulkheadv1.Message_Ready{
		Ready: &bulkheadv1.Ready{RoundTripNano: int64(now.Clock.RoundTrip)}}})
	if now.Begin.IsZero() {
		left := "without a limit"
		if now.Left > 0 {
			left = "for " + human.BriefDuration(now.Left) + " at most"
		}
		l.cfg.Logger.Info("ready; waiting for the supervisor to let all clients begin, "+left, "run", now.Run,
			"round_trip", now.Clock.RoundTrip)
	}
}

// noneIsLeft reports whether every consumer has ended.
func (l *load) noneIsLeft() bool {
	for _, one := range l.workers.consumers {
		if one.child == nil {
			continue
		}
		select {
		case <-one.ended:
		default:
			return false
		}
	}
	return true
}

// aheadOfBegin returns how long before the moment the consumers can be told: not at all on a system
// without a clock that they share.
func aheadOfBegin() time.Duration {
	if boottime.Now() == 0 {
		return 0
	}
	return beginAhead
}

// moment returns when the consumers are to begin: now, unless a later time was told.
func (g gathered) moment() time.Time {
	now := time.Now()
	if g.due.After(now) {
		return g.due
	}
	return now
}

// leave waits until the consumers have begun, which they do by themselves.
func (g gathered) leave(began time.Time, abort <-chan struct{}) {
	if g.due.IsZero() {
		return
	}
	moment := time.NewTimer(time.Until(began))
	defer moment.Stop()
	select {
	case <-moment.C:
	case <-abort:
	}
}

// sayBegun says that the consumers write from a moment on.
func (l *load) sayBegun(g gathered, began time.Time) {
	begun := &bulkheadv1.Begun{ClockAheadNano: int64(g.clock.Ahead), RoundTripNano: int64(g.clock.RoundTrip)}
	if !g.due.IsZero() {
		begun.DueElapsedNano = boottime.At(g.due)
	}
	l.take(&bulkheadv1.Message{TimeUnixNano: began.UnixNano(), ElapsedNano: boottime.At(began),
		Process: clientProcess(), Fact: &bulkheadv1.Message_Begun{Begun: begun}})
}
