package consumer

import (
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/client/budget"
	"bulkhead/client/consumer/schedule"
	"bulkhead/internal/boottime"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// stage is a stage of the load as the writers see it. A load without stages is one, of number 0, that
// does not end by itself.
type stage struct {
	number    uint32
	ends      time.Duration // from the begin of the load; 0 for one that no time ends
	writers   int
	sync      bulkheadv1.SyncPolicy
	syncBytes uint64
	pace      *pace          // nil without a rate
	budget    *budget.Budget // nil without a total
	over      chan struct{}  // closed when it has ended; nil for one that does not
	taken     atomic.Int32   // chunks that were taken from the budget and are not written yet
	noticed   chan struct{}  // has an element when a writer noticed that the budget is spent
}

// newStage returns a stage in which a consumer writes like c.
func newStage(number uint32, c workload.Consumer, left *budget.Budget) *stage {
	s := &stage{number: number, writers: int(c.Writers()), sync: c.Sync, syncBytes: c.SyncBytes, pace: newPace(c),
		budget: left, noticed: make(chan struct{}, 1)}
	if number > 0 {
		s.over = make(chan struct{})
	}
	return s
}

// has reports whether writer i has something to write in it.
func (s *stage) has(i int) bool { return s != nil && i < s.writers && !s.budget.Spent() }

// dsync reports whether files are opened with O_DSYNC.
func (s *stage) dsync() bool { return s.sync == bulkheadv1.SyncPolicy_SYNC_POLICY_DSYNC }

// syncsFiles reports whether a finished file is forced to storage.
func (s *stage) syncsFiles() bool { return s.sync != bulkheadv1.SyncPolicy_SYNC_POLICY_NONE }

// take takes a chunk of that size from the budget. Who may have it calls wrote or failed.
func (s *stage) take(size int) bool {
	if s.budget == nil {
		return true
	}
	s.taken.Add(1)
	if s.budget.Take(size) {
		return true
	}
	s.wrote()
	return false
}

// wrote notes that a chunk that was taken is written.
func (s *stage) wrote() {
	if s.budget != nil && s.taken.Add(-1) == 0 && s.budget.Spent() {
		select {
		case s.noticed <- struct{}{}:
		default: // said already
		}
	}
}

// failed gives back bytes of a chunk that was taken and not written.
func (s *stage) failed(bytes int) {
	s.budget.Return(bytes)
	s.wrote()
}

// stages are those of a job. The reporter begins and ends them; writers ask for theirs.
type stages struct {
	job     *job
	list    workload.Stages
	of      workload.Consumer     // what the task says of every stage
	current atomic.Pointer[stage] // nil in a pause, and behind the last

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when current changes; guarded by mu
	done    bool          // the last has ended; guarded by mu
	let     let           // what it was told last of stages that wait; guarded by mu
	told    chan struct{} // has an element when let has changed

	// Of the reporter alone.
	state   schedule.State
	reached []reached // in each stage that has begun
	spentAt time.Time // when the budget of the stage was seen to be spent; zero before
	timer   *time.Timer
	due     time.Time // when the supervisor let the current stage begin; zero if it did not
}

// let is that stages up to one may begin, that one from a moment on.
type let struct {
	stage uint32
	at    time.Time
	alone bool // the supervisor has not named the moment
}

// reached is what was written in a stage, and for how long.
type reached struct {
	bytes   uint64
	writing time.Duration
}

func newStages(j *job) *stages {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	s := &stages{job: j, list: j.task.stages, of: workload.Of(j.task.spec), changed: make(chan struct{}), timer: timer,
		told: make(chan struct{}, 1)}
	if len(s.list) == 0 {
		s.current.Store(newStage(0, s.of, nil))
	}
	return s
}

// prepare begins the pause of the first stage, if there are any. The load has begun.
func (s *stages) prepare() {
	if len(s.list) > 0 {
		s.job.ledger.enter(1, s.list[0].Unreported)
		s.job.ledger.rest()
	}
}

// at returns the stage in which writer i writes now. It waits while there is none: in a pause, while
// the stage has fewer writers, and when its bytes are spent. It returns nil when there will be none,
// or the end has begun while it waited.
func (s *stages) at(i int) *stage {
	if now := s.current.Load(); now.has(i) {
		return now // as a rule, and at once
	}
	for {
		s.mu.Lock()
		changed, done := s.changed, s.done
		s.mu.Unlock()
		now := s.current.Load()
		if now.has(i) {
			return now
		}
		if done || s.job.ending.hasBegun() {
			return nil
		}
		var again <-chan time.Time
		if now != nil && i < now.writers {
			again = time.After(budgetLook) // somebody may give back what he could not write
		}
		select {
		case <-changed:
		case <-again:
		case <-s.job.ending.begun:
		}
	}
}

// set makes a stage the current one; nil is none.
func (s *stages) set(one *stage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Store(one)
	s.done = one == nil && s.state.Over(s.list)
	close(s.changed)
	s.changed = make(chan struct{})
}

// wake returns when the reporter has to look again, besides when a writer has noticed something;
// never for a load without stages, and when no more will begin.
func (s *stages) wake() (timer <-chan time.Time, noticed, told <-chan struct{}) {
	now := s.current.Load()
	if len(s.list) == 0 || s.state.Over(s.list) || now == nil && s.job.ending.hasBegun() {
		return nil, nil, nil
	}
	wait := time.Hour
	if due, ok := s.state.Due(s.list); ok {
		wait = due - time.Since(s.job.start)
	}
	if now != nil && now.budget != nil {
		wait = min(wait, budgetLook)
		noticed = now.noticed
	}
	s.timer.Reset(max(wait, 0))
	return s.timer.C, noticed, s.told
}

// release lets stages begin that wait.
func (s *stages) release(to let) {
	s.mu.Lock()
	if to.stage > s.let.stage {
		s.let = to
	}
	s.mu.Unlock()
	select {
	case s.told <- struct{}{}:
	default:
	}
}

// leave lets the current stage go on if it waits and may begin.
func (s *stages) leave() {
	number := uint32(s.state.Stage + 1)
	s.mu.Lock()
	to := s.let
	s.mu.Unlock()
	if !s.state.Held || to.stage < number {
		return
	}
	now := time.Since(s.job.start)
	moment := now // if it is a later one that was let begin
	if to.stage == number {
		moment = to.at.Sub(s.job.start)
		if !to.alone {
			s.due = to.at
		}
	}
	s.state = s.state.Release(s.list, moment, now)
}

// advance ends and begins what is due. It returns whether anything was. When the end of the load has
// begun no stage begins, but the one that it came in still ends in time.
func (s *stages) advance() (did bool) {
	for {
		s.leave()
		next, what := s.state.Next(s.list, time.Since(s.job.start), s.spent())
		switch what {
		case schedule.End:
			byBytes := s.list[s.state.Stage].Duration == 0 || next.Since < s.state.Since+s.list[s.state.Stage].Duration
			s.state = next
			s.end(byBytes)
		case schedule.Begin:
			if s.job.ending.hasBegun() {
				return did
			}
			s.state = next
			s.begin()
		default:
			return did
		}
		did = true
	}
}

// spent reports whether the bytes of the current stage are written: none is left, and nobody here
// is at one of the last chunks. A write that is stuck does not keep the stage for longer than it may
// last without being called stalled.
func (s *stages) spent() bool {
	now := s.current.Load()
	if now == nil || now.budget == nil || !now.budget.Spent() {
		s.spentAt = time.Time{}
		return false
	}
	if s.spentAt.IsZero() {
		s.spentAt = time.Now()
	}
	return now.taken.Load() == 0 || time.Since(s.spentAt) >= s.job.task.stallAfter
}

// end ends the current stage: its last interval ends here, whatever writers are in the midst of.
func (s *stages) end(byBytes bool) {
	j, last := s.job, s.current.Load()
	s.set(nil)
	close(last.over)
	if last.pace != nil {
		j.overdue(last.pace, j.dueUntil(s.state.Since), !byBytes && !last.budget.Spent())
	}
	j.ledger.rest()
	j.queue.putBoundary(s.take)
	s.spentAt, s.due = time.Time{}, time.Time{}
	if s.state.Held {
		j.queue.putReady(j.start.Add(s.state.Since), uint32(s.state.Stage+1))
	}
}

// begin begins the stage of the state.
func (s *stages) begin() {
	j, i := s.job, s.state.Stage
	asked := s.list[i]
	if asked.Pause > 0 || asked.Together {
		j.queue.putBoundary(s.take) // what was left of the stage before
	}
	if asked.RatePercent > 0 {
		of := s.reached[asked.RateOf-1]
		asked.RateBytes = schedule.Rate(of.bytes, of.writing, asked.RatePercent)
	}
	var left *budget.Budget
	if asked.TotalBytes > 0 {
		left = j.shared.Of(i)
	}
	next := newStage(uint32(i+1), asked.Of(s.of), left)
	if next.pace != nil {
		next.pace.begin(s.state.Since)
	}
	if asked.Duration > 0 {
		next.ends = s.state.Since + asked.Duration
	}
	s.reached = append(s.reached, reached{})
	j.ledger.enter(next.number, asked.Unreported)
	begun := &bulkheadv1.StageBegun{Stage: next.number, RateBytesPerSecond: asked.RateBytes,
		RateChunksPerSecond: asked.RateChunks}
	if !s.due.IsZero() {
		begun.DueElapsedNano = boottime.At(s.due)
	}
	j.queue.putStage(j.start.Add(s.state.Since), begun)
	s.set(next)
}

// take takes what the ledger has, and counts it for the stage.
func (s *stages) take() (*bulkheadv1.Progress, time.Time) {
	progress, end := s.job.ledger.take()
	if n := len(s.reached); n > 0 {
		s.reached[n-1].bytes += progress.GetBytes()
		s.reached[n-1].writing += time.Duration(progress.GetIntervalNano())
	}
	return progress, end
}
