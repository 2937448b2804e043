package client

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bulkhead/client/session"
	"bulkhead/internal/boottime"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// together is the wait for a stage that begins for all clients of the run together. It is the waiting
// goroutine's.
type together struct {
	let   uint32    // the newest stage that the consumers were let begin
	stage uint32    // the one that some of them wait for; 0 for none
	since time.Time // when the first of them came
	said  string    // the run in which was said that all of them have
	log   time.Time // when to log next that it waits

	begins context.Context // of what consumers are told
	calls  sync.WaitGroup  // by which they are
}

// awaitOthers carries on the wait before a stage, if there is one, and returns when to look again. It
// is over when the supervisor says so, at the moment that it names, or when that has said nothing for
// longer than it waits for others.
func (l *load) awaitOthers(over *time.Timer) time.Duration {
	const later = 24 * time.Hour
	t, now := &l.together, l.session.Gather()
	if now.Stage > t.let && int(now.Stage) <= len(l.cfg.Stages) {
		if left := time.Until(now.StageBegin) - aheadOfBegin(); left > 0 {
			return left
		}
		l.letStage(over, now.Stage, now.StageBegin, false)
	}
	stage, all := l.stages.arrived(l.working())
	if stage <= t.let {
		return later
	}
	if t.stage != stage {
		t.stage, t.since, t.said, t.log = stage, time.Now(), "", time.Now().Add(gatherSay)
		l.session.Measure(true)
	}
	if all && t.said != now.Run {
		t.said = now.Run
		l.sayStageReady(stage)
	}
	left := time.Until(t.since.Add(l.cfg.Stages[stage-1].TogetherTimeout + workload.Unanswered))
	if !now.Together || left <= 0 {
		l.cfg.Logger.Warn(fmt.Sprintf("stage %s begins here without waiting for other clients: %s",
			l.cfg.Stages[stage-1].Name, whyAlone(now)))
		l.letStage(over, stage, time.Now(), true)
		return 0
	}
	if time.Now().After(t.log) {
		t.log = time.Now().Add(gatherSay)
		l.cfg.Logger.Info(fmt.Sprintf("waiting for all clients before stage %s", l.cfg.Stages[stage-1].Name),
			"waited", time.Since(t.since).Round(time.Second))
	}
	return min(left, time.Until(t.log))
}

func whyAlone(g session.Gather) string {
	if g.Together {
		return "the supervisor has not said when"
	}
	return "the supervisor's version does not know of that"
}

// letStage lets the consumers begin a stage at a moment, and bounds the time until the next one that
// waits, or the end. A consumer that is stopped hears of it when it goes on.
func (l *load) letStage(over *time.Timer, stage uint32, at time.Time, alone bool) {
	l.together.let = stage
	l.session.Measure(false)
	for _, one := range l.consumersAtWork() {
		l.together.calls.Go(func() { // ends with the load, or the consumer
			if _, err := one.service().Begin(l.together.begins, &bulkheadv1.BeginRequest{ElapsedNano: boottime.At(at),
				Stage: stage, Alone: alone}); err != nil {
				l.cfg.Logger.Debug(fmt.Sprintf("%s could not be let begin stage %d: %v", one.name(), stage, err))
			}
		})
	}
	over.Stop()
	if leg, bounded := l.cfg.Stages.Leg(int(stage) - 1); bounded {
		over.Reset(max(time.Until(at), 0) + leg + l.cfg.StallAfter + 2*stageSlack)
	}
}

func (l *load) sayStageReady(stage uint32) {
	l.cfg.Logger.Info(fmt.Sprintf("waiting for all clients before stage %s", l.cfg.Stages[stage-1].Name))
	l.take(&bulkheadv1.Message{Process: clientProcess(), Fact: &bulkheadv1.Message_StageReady{
		StageReady: &bulkheadv1.StageReady{Stage: stage}}})
}

// consumersAtWork returns the consumers that have not ended.
func (l *load) consumersAtWork() (list []*worker) {
	for _, one := range l.workers.consumers {
		if one.child != nil && !isEnded(one) {
			list = append(list, one)
		}
	}
	return list
}

// working returns their indices.
func (l *load) working() (list []uint32) {
	for _, one := range l.consumersAtWork() {
		list = append(list, one.process.GetIndex())
	}
	return list
}

// come notes that a consumer waits before a stage.
func (s *stages) come(m *bulkheadv1.Message) {
	s.mu.Lock()
	s.waits[m.GetProcess().GetIndex()] = m.GetStageReady().GetStage()
	s.mu.Unlock()
	s.tell()
}

// arrived returns the earliest stage that one of the consumers came to last and that is to be waited
// for, and whether all of them have come to it.
func (s *stages) arrived(working []uint32) (stage uint32, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, index := range working {
		if at := s.waits[index]; at > stage {
			stage = at
		}
	}
	all = true
	for _, index := range working {
		all = all && s.waits[index] >= stage
	}
	return stage, all
}

// takeShare gives the consumers that are at work the rate that the client's share of the fleet's allows,
// if there is a newer one. One that is stopped hears of it when it goes on. Whoever configured a client that no
// agent has started has set its rate, and no supervisor sets another.
func (l *load) takeShare() {
	if !l.cfg.OfAgent {
		return
	}
	share := l.session.Gather().Share
	if share.GetDivision() <= l.paced {
		return
	}
	l.paced = share.GetDivision()
	at := l.consumersAtWork()
	l.cfg.Logger.Info("the client's share of the fleet's rate is another", "division", share.GetDivision(),
		"bytes_per_second", share.GetBytesPerSecond(), "chunks_per_second", share.GetChunksPerSecond())
	for i, one := range at {
		request := partOf(share, i, len(at))
		l.together.calls.Go(func() { // ends with the load, or the consumer
			if _, err := one.service().Pace(l.together.begins, request); err != nil {
				l.cfg.Logger.Debug(fmt.Sprintf("%s could not be given another rate: %v", one.name(), err))
			}
		})
	}
}

// partOf returns the part in a share of consumer i of n: what is left over goes in bytes to the first ones,
// and nobody gets 0 of a limit, which would be none.
func partOf(share *bulkheadv1.RateShare, i, n int) *bulkheadv1.PaceRequest {
	bytes := share.GetBytesPerSecond() / uint64(n)
	if uint64(i) < share.GetBytesPerSecond()%uint64(n) {
		bytes++
	}
	if share.GetBytesPerSecond() > 0 {
		bytes = max(bytes, 1)
	}
	return &bulkheadv1.PaceRequest{Number: share.GetDivision(), BytesPerSecond: bytes,
		ChunksPerSecond: share.GetChunksPerSecond() / float64(n)}
}
