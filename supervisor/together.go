package supervisor

import (
	"maps"
	"slices"
	"strings"
	"time"

	"bulkhead/internal/boottime"
	"bulkhead/internal/failpoint"
	"bulkhead/internal/protocol"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/barrier"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/recovery"
)

// How the clients of a run are let begin a stage together: package barrier decides, and the rest is as
// with the gather of a run.

// waitingStage is a stage before which a client waits for others.
type waitingStage struct {
	barrier.Stage
	timeout time.Duration
}

// stageWait is the time in which some wait before a stage.
type stageWait struct {
	since int64 // by boottime
	by    time.Time
	timer *time.Timer
}

// joint is what a run knows of stages that begin together.
type joint struct {
	due chan struct{} // holds a token when something is decided

	set    *barrier.Set          // guarded by run.mu
	begins map[string]*moment    // guarded by run.mu; of the stages that are let begin
	waits  map[string]*stageWait // guarded by run.mu; of those for which somebody waits
}

func newJoint() joint {
	return joint{due: make(chan struct{}, 1), set: barrier.New(), begins: make(map[string]*moment),
		waits: make(map[string]*stageWait)}
}

// waitsFor sets before which stages the client waits. Nobody else has p yet.
func (p *processor) waitsFor(stages []*bulkheadv1.Stage) {
	if p.hello.GetProtocolMinor() < protocol.MinorTogether || p.hello.GetResent() {
		return
	}
	for i, s := range workload.StagesOf(stages) {
		if i > 0 && s.Together {
			p.together = append(p.together, waitingStage{barrier.Stage{Number: uint32(i + 1), Name: s.Name},
				min(max(s.TogetherTimeout, time.Second), workload.MaxTogetherTimeout)})
		}
	}
}

// barriers returns the stages as package barrier has them.
func (p *processor) barriers() []barrier.Stage {
	var list []barrier.Stage
	for _, one := range p.together {
		list = append(list, one.Stage)
	}
	return list
}

// togetherHears tells what happened to the session to the stages that wait.
func (p *processor) togetherHears(tell func(*barrier.Set)) {
	if len(p.together) == 0 {
		return
	}
	p.run.mu.Lock()
	tell(p.run.joint.set)
	p.run.mu.Unlock()
	p.run.stagesDue()
}

// stagesDue has the operator ask for what is decided.
func (r *run) stagesDue() {
	select {
	case r.joint.due <- struct{}{}:
	default:
	}
}

// togetherStep tells that the session is in another phase now.
func (p *processor) togetherStep(now phase) {
	p.togetherHears(func(s *barrier.Set) {
		switch {
		case now == active:
			s.Join(p.number, p.hello.GetName(), p.barriers())
			s.Take(barrier.Came, p.number)
		case now == away:
			s.Take(barrier.Went, p.number)
		case now.ended():
			s.Take(barrier.Out, p.number)
		}
	})
}

// stagesHear tells what durable messages say of stages.
func (p *processor) stagesHear(c raw.Counted) {
	if len(p.together) == 0 || c.Stage <= p.stage && c.StageReady <= p.stageReady && !c.Stopped {
		return
	}
	p.stage = max(p.stage, c.Stage)
	came := c.StageReady > p.stageReady
	if came {
		p.stageReady = c.StageReady
		failpoint.Hit("supervisor/stage-ready-durable")
	}
	p.togetherHears(func(s *barrier.Set) {
		s.Begun(p.number, p.stage)
		if c.Stopped {
			s.Take(barrier.Out, p.number)
		}
		if came {
			p.run.awaitStage(p.waitedStage(), 0)
			s.Ready(p.number, p.stageReady)
		}
	})
	if came && p.link != nil {
		p.passStage(p.link) // it may be late
	}
}

// waitedStage returns the stage that the client has come to; nil if it does not wait.
func (p *processor) waitedStage() *waitingStage {
	for i := range p.together {
		if p.together[i].Number == p.stageReady && p.stageReady > p.stage {
			return &p.together[i]
		}
	}
	return nil
}

// awaitStage begins the time in which a client that has come to a stage waits for others, of which some
// has passed. run.mu is held.
func (r *run) awaitStage(s *waitingStage, passed time.Duration) {
	t := &r.joint
	if s == nil || t.set.Over(s.Name) {
		return
	}
	left := max(s.timeout-passed, 0)
	w := t.waits[s.Name]
	if w == nil {
		w = &stageWait{since: boottime.Now() - int64(passed)}
		t.waits[s.Name] = w
	} else if !w.by.After(time.Now().Add(left)) {
		return // another has less patience
	} else {
		w.timer.Stop()
	}
	w.by = time.Now().Add(left)
	w.timer = r.uptime.After(left, func() {
		r.mu.Lock()
		t.set.TimeOver(s.Name)
		r.mu.Unlock()
		r.stagesDue()
	})
}

// passStage tells the client when the newest stage begins that it may begin and has not.
func (p *processor) passStage(l *link) {
	if l == nil || len(p.together) == 0 || p.drain != nil || p.phase != active && p.phase != fresh {
		return
	}
	p.run.mu.Lock()
	var begins *moment
	number := uint32(0)
	for _, one := range p.together {
		if m := p.run.joint.begins[one.Name]; m != nil && one.Number > p.stage {
			begins, number = m, one.Number
		}
	}
	p.run.mu.Unlock()
	if begins == nil {
		return
	}
	failpoint.Hit("supervisor/before-stage-begin-sent")
	l.send.put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_StageBegin{
		StageBegin: &bulkheadv1.StageBegin{Stage: number, InNano: int64(begins.left()), AtElapsedNano: begins.at}}})
	failpoint.Hit("supervisor/after-stage-begin-sent")
}

// stagesEnd makes what was decided durable, and lets clients begin the stages.
func (r *run) stagesEnd() {
	r.mu.Lock()
	decided := r.joint.set.Decisions()
	r.mu.Unlock()
	for _, d := range decided {
		r.stageEnds(d)
	}
}

func (r *run) stageEnds(d barrier.Decision) {
	r.mu.Lock()
	rec := r.stageRecord(d)
	r.mu.Unlock()
	failpoint.Hit("supervisor/before-stage-gathered")
	var begins *moment
	for range beginTries {
		begins = &moment{at: boottime.Now() + int64(beginLead)}
		rec.BeginElapsedNano = begins.at
		if !r.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_StageGathered{StageGathered: rec}}) {
			return // the run ends
		}
		if begins.left() >= beginLeast {
			break
		}
	}
	failpoint.Hit("supervisor/after-stage-gathered")
	r.mu.Lock()
	r.joint.begins[d.Stage] = begins
	if w := r.joint.waits[d.Stage]; w != nil {
		w.timer.Stop()
		delete(r.joint.waits, d.Stage)
	}
	sessions := append([]*processor(nil), r.order...)
	r.mu.Unlock()
	if d.Short {
		r.log.Warn("stage "+d.Stage+" begins without those that have not come to it: "+
			strings.Join(protocol.MissingWords(rec.GetMissing(), wordedAbsent), ", "), "ready", len(rec.GetReady()))
	} else {
		r.log.Info("all clients have come to stage "+d.Stage+", which begins", "clients", len(rec.GetReady()), "in",
			begins.left())
	}
	for _, p := range sessions {
		if len(p.together) > 0 {
			p.post(r.procCtx, note{kind: noteStage})
		}
	}
}

// stageRecord returns what was decided, but for when the stage begins. r.mu is held.
func (r *run) stageRecord(d barrier.Decision) *bulkheadv1.StageGathered {
	ready, missing := r.joint.set.Clients(d.Stage)
	rec := &bulkheadv1.StageGathered{Stage: d.Stage, How: bulkheadv1.GatherEnd_GATHER_END_COMPLETE, Ready: ready}
	if w := r.joint.waits[d.Stage]; w != nil {
		rec.WaitedNano = max(boottime.Now()-w.since, 1)
	}
	if d.Short {
		rec.How = bulkheadv1.GatherEnd_GATHER_END_SHORT
		rec.Missing = missingOf(missing)
	}
	return rec
}

// regatherStages continues what waits as the journal has it; since is how much time passed after its
// newest record that counts. Nobody else has r yet.
func (r *run) regatherStages(past *recovery.Past, since time.Duration) {
	t := &r.joint
	for name, was := range past.Stages {
		t.set.End(name)
		t.begins[name] = &moment{at: was.GetBeginElapsedNano()}
		if past.Clock.Boot != boottime.ID() {
			t.begins[name] = &moment{} // long ago, on another boot
		}
	}
	there := past.Clock.Passed - past.Clock.Down + since
	for _, was := range past.InOrder() {
		p := r.sessions[string(was.Hello.GetClientId())]
		if len(p.together) == 0 {
			continue
		}
		p.stage, p.stageReady = was.Total.Stage, was.Total.StageReady
		t.set.Join(p.number, p.hello.GetName(), p.barriers())
		t.set.Begun(p.number, p.stage)
		t.set.Ready(p.number, p.stageReady)
		if was.Drain != (recovery.Drain{}) || was.Total.Stopped || p.phase.ended() {
			t.set.Take(barrier.Out, p.number)
			continue
		}
		r.awaitStage(p.waitedStage(), there-was.StageReady)
	}
	r.stagesDue()
}

// stageStatus returns for which stages clients wait. r.mu is held.
func (r *run) stageStatus() []*bulkheadv1.StageWait {
	var list []*bulkheadv1.StageWait
	for _, name := range slices.Sorted(maps.Keys(r.joint.waits)) {
		if r.joint.set.Over(name) {
			continue
		}
		ready, waited := r.joint.set.Counts(name)
		_, clients := r.joint.set.Clients(name)
		missing := missingOf(clients)
		list = append(list, &bulkheadv1.StageWait{Stage: name, Gather: &bulkheadv1.GatherStatus{
			Ready: uint32(ready), Expected: uint32(waited),
			LeftNano:       int64(max(time.Until(r.joint.waits[name].by), 0)),
			MissingLeftOut: uint32(max(len(missing)-shownAbsent, 0)),
			Missing:        missing[:min(len(missing), shownAbsent)],
		}})
	}
	return list[:min(len(list), protocol.MaxStages)]
}
