package supervisor

import (
	"slices"
	"time"

	"bulkhead/internal/assertion"
	"bulkhead/internal/boottime"
	"bulkhead/internal/failpoint"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/recovery"
	"bulkhead/supervisor/threshold"
)

// What a run must keep: package threshold decides from the live figures, once a second, and the
// operator's goroutine makes a breach durable and drains the run for it. The report judges again.

// asserting is what a run must keep, and how that is.
type asserting struct {
	// due receives what is breached, each once.
	due chan threshold.Breach
	// aborted is why the run must be drained, as a supervisor before this one saw; "" for nothing.
	aborted string

	watch *threshold.Watch // guarded by run.mu; nil if there is nothing to keep
	// The goroutine that takes the samples has the rest.
	begun bool // by all that are awaited, once
	work  map[uint32]*threshold.Work
}

// reportDelay is how long what a client reports may take until it is counted here, besides the time
// between two reports.
const reportDelay = 2 * time.Second

// assertionTexts returns what a run must keep as its journal has it.
func assertionTexts(list []assertion.Assertion) []string {
	var texts []string
	for _, a := range list {
		texts = append(texts, a.String())
	}
	return texts
}

// assertionsOf returns what the texts of assertionTexts say.
func assertionsOf(texts []string) ([]assertion.Assertion, error) {
	var list []assertion.Assertion
	for _, text := range texts {
		a, err := assertion.Parse(text)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// asserts begins to watch what a run must keep. Nobody else has r yet.
func (r *run) asserts(texts []string) {
	r.asserting = asserting{due: make(chan threshold.Breach, len(texts)), work: make(map[uint32]*threshold.Work)}
	var list []assertion.Assertion
	for _, text := range texts {
		a, err := assertion.Parse(text)
		if err != nil {
			r.log.Error("what the run must keep is not known to this version", "assertion", text, "error", err)
			continue
		}
		list = append(list, a)
	}
	if len(list) > 0 {
		r.asserting.watch = threshold.New(list)
	}
}

// reasserts continues to watch what a run must keep, as its journal has it. Nobody else has r yet.
func (r *run) reasserts(past *recovery.Past) {
	r.asserts(past.Assertions)
	if own := assertionTexts(r.cfg.Assert); !slices.Equal(own, past.Assertions) {
		r.log.Warn("the run keeps to what it was to keep as it began", "assert", past.Assertions, "configured", own)
	}
	for _, b := range past.Breaches {
		if r.asserting.watch != nil {
			r.asserting.watch.Already(b.Assertion, b.Value)
		}
		if b.Aborts && past.Drain.Reason == "" {
			r.asserting.aborted = whyBreached(b.Assertion, b.Value)
		}
	}
}

func whyBreached(text, value string) string { return text + " does not hold: " + value }

// assert looks whether the run keeps what it must, unless it is drained. The samples of this second
// have been taken.
func (r *run) assert(sessions []*processor, now int64) {
	if r.asserting.watch == nil || r.drainReason() != "" {
		return
	}
	m := r.moment(sessions, now)
	r.mu.Lock()
	breached := r.asserting.watch.Take(m)
	r.mu.Unlock()
	for _, b := range breached {
		r.asserting.due <- b // which has room
	}
}

// moment returns what the run is like, without what is delivered of other runs.
func (r *run) moment(sessions []*processor, now int64) threshold.Moment {
	m := threshold.Moment{At: time.Duration(now), Writes: new(raw.Sketch), Delay: reportDelay}
	for _, p := range sessions {
		if !p.hello.GetResent() {
			m.Delay = max(m.Delay, reportDelay+time.Duration(max(p.hello.GetWorkload().GetProgressIntervalNano(), 0)))
		}
	}
	r.mu.Lock()
	all := r.cycle.joined >= r.cycle.expected || r.cycle.waived
	r.mu.Unlock()
	whole, anew, there := true, false, 0
	for _, p := range sessions {
		v := p.live.snapshot()
		if v.phase == fresh || p.hello.GetResent() {
			continue
		}
		there++
		m.Bytes += v.total.Bytes
		m.Errors += v.total.Errors
		m.Stalled += v.total.Beats.Stalled
		m.Missed += v.total.Beats.Missed
		p.live.addLast(m.Writes)
		w, sight := r.asserting.workOf(p, &v, now, m.Delay)
		began, atWork := w.See(sight)
		anew = w.Fresh(sight) && !v.phase.ended() || anew
		all = all && (began || v.phase.ended())
		whole = whole && atWork
	}
	r.asserting.begun = r.asserting.begun || all && there > 0
	m.Begun, m.Whole = r.asserting.begun && !anew, whole
	return m
}

// workOf returns the work of a client, and what is seen of it now.
func (a *asserting) workOf(p *processor, v *liveView, now int64,
	delay time.Duration) (*threshold.Work, threshold.Sight) {
	w := a.work[p.number]
	if w == nil {
		w = threshold.NewWork(p.hello.GetWorkload(), p.live.unreported())
		a.work[p.number] = w
	}
	return w, threshold.Sight{
		At: time.Duration(now), Delay: delay, Bytes: v.total.Bytes, Wrote: v.total.Begun || v.total.Chunks > 0,
		Active: v.phase == active, Over: v.total.Stopped, Stuck: v.total.LastRound.Stalled > 0,
		Stage: v.total.Stage, Waits: v.total.StageReady > v.total.Stage,
	}
}

// breached makes durable that a threshold does not hold, and returns why the run is to be drained for it; no
// reason if it is not.
func (r *run) breached(b threshold.Breach) drainFor {
	text := b.Assertion.String()
	if !r.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_AssertionBreached{
		AssertionBreached: &bulkheadv1.AssertionBreached{Assertion: text, Value: b.Value, Aborts: b.Assertion.Abort},
	}}) {
		return drainFor{} // the run ends
	}
	failpoint.Hit("supervisor/after-breach")
	r.log.Error("what was asserted does not hold", "assertion", text, "value", b.Value, "drained", b.Assertion.Abort)
	if !b.Assertion.Abort {
		return drainFor{}
	}
	return drainFor{bulkheadv1.DrainCause_DRAIN_CAUSE_ASSERTION, whyBreached(text, b.Value)}
}

// assertionStatus returns how what the run must keep is kept; r.mu is held.
func (r *run) assertionStatus() []*bulkheadv1.AssertionStatus {
	if r.asserting.watch == nil {
		return nil
	}
	var list []*bulkheadv1.AssertionStatus
	for _, s := range r.asserting.watch.States() {
		one := &bulkheadv1.AssertionStatus{Assertion: s.Assertion.String(), Value: s.Value, Aborts: s.Assertion.Abort}
		if s.At > 0 {
			one.BreachedNano = max(boottime.Now()-int64(s.At), 1)
		}
		switch {
		case s.Breached:
			one.State = bulkheadv1.AssertionState_ASSERTION_STATE_BREACHED
		case s.Known:
			one.State = bulkheadv1.AssertionState_ASSERTION_STATE_KEPT
		case s.Watched:
			one.State = bulkheadv1.AssertionState_ASSERTION_STATE_WAITING
		default:
			one.State = bulkheadv1.AssertionState_ASSERTION_STATE_AT_END
		}
		list = append(list, one)
	}
	return list
}
