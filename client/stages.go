package client

import (
	"fmt"
	"sync"
	"time"

	"bulkhead/client/budget"
	"bulkhead/client/spec"
	"bulkhead/internal/boottime"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// unlimited is the budget of a stage without a total, which nobody takes from.
const unlimited = 1 << 62

// newBudget makes what the consumers may write together, in the load or in each of its stages; nil
// for no limit.
func newBudget(cfg spec.Config) (*budget.Shared, error) {
	switch {
	case cfg.Stages.Limited():
		var totals []uint64
		for _, one := range cfg.Stages {
			if one.TotalBytes == 0 {
				one.TotalBytes = unlimited
			}
			totals = append(totals, one.TotalBytes)
		}
		return budget.New(totals...)
	case cfg.TotalBytes > 0:
		return budget.New(cfg.TotalBytes)
	default:
		return nil, nil
	}
}

const (
	// stageLook is how often is looked whether the bytes of the last stage are written, which no
	// consumer says.
	stageLook = 100 * time.Millisecond
	// stageSlack is how much longer than the first consumer the others may take to the end of the last
	// stage, beside what makes one of them stalled: to say that they have begun it.
	stageSlack = 2 * time.Second
)

// stages follows the consumers of a load through its stages, by what they say. Each goes by its own
// clock, and all by the same budgets.
type stages struct {
	list    workload.Stages
	log     func(stage uint32, begun *bulkheadv1.StageBegun) // is called for the first consumer in each
	changed chan struct{}                                    // has an element when one has begun a stage

	mu     sync.Mutex
	latest uint32            // guarded by mu
	last   map[uint32]int64  // when each began the last stage, by the clock that is never set; guarded by mu
	waits  map[uint32]uint32 // before which stage each came to wait last; guarded by mu
}

func (l *load) newStages() *stages {
	return &stages{list: l.cfg.Stages, changed: make(chan struct{}, 1), last: make(map[uint32]int64),
		waits: make(map[uint32]uint32),
		log: func(stage uint32, begun *bulkheadv1.StageBegun) {
			about := []any{"number", stage, "of", len(l.cfg.Stages)}
			if rate := begun.GetRateBytesPerSecond(); rate > 0 {
				about = append(about, "rate_bytes_per_second", rate)
			}
			if rate := begun.GetRateChunksPerSecond(); rate > 0 {
				about = append(about, "rate_chunks_per_second", rate)
			}
			l.cfg.Logger.Info(fmt.Sprintf("stage %s begins", l.cfg.Stages[stage-1].Name), about...)
		}}
}

// count takes note of what a consumer says.
func (s *stages) count(m *bulkheadv1.Message) {
	begun := m.GetStageBegun()
	number := begun.GetStage()
	if number == 0 || int(number) > len(s.list) {
		return
	}
	s.mu.Lock()
	first := number > s.latest
	s.latest = max(s.latest, number)
	if int(number) == len(s.list) {
		at := m.GetElapsedNano()
		if at == 0 { // a system without such a clock
			at = boottime.Now()
		}
		s.last[m.GetProcess().GetIndex()] = at
	}
	s.mu.Unlock()
	if first {
		s.log(number, begun)
	}
	s.tell()
}

func (s *stages) tell() {
	select {
	case s.changed <- struct{}{}:
	default: // said already
	}
}

// said has an element when a consumer has begun a stage.
func (s *stages) said() <-chan struct{} {
	if s == nil {
		return nil
	}
	return s.changed
}

// name returns the name of the latest stage that a consumer has begun; "" for none.
func (s *stages) name() string {
	if s == nil || s.now() == 0 {
		return ""
	}
	return s.list[s.now()-1].Name
}

// now returns the number of the latest stage that a consumer has begun; 0 for none.
func (s *stages) now() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

// left returns how long it takes until the last stage is over for all of the consumers that are at
// work, as far as that is known now; late is how much longer than the first the others may take.
func (s *stages) left(now int64, working []uint32, late time.Duration) (left time.Duration, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lasts := s.list[len(s.list)-1].Duration
	if lasts == 0 || len(s.last) == 0 {
		return 0, false
	}
	var end, first int64
	all := true
	for _, index := range working {
		at, begun := s.last[index]
		all = all && begun
		if !begun {
			continue
		}
		end = max(end, at+int64(lasts))
		if first == 0 || at < first {
			first = at
		}
	}
	switch limit := first + int64(lasts+late); {
	case first == 0:
		return 0, false
	case !all, end > limit:
		end = limit
	}
	return time.Duration(end - now), true
}

// stagesOver reports whether the last stage is over, and if not, when to look again: a day is not
// before a consumer says something.
func (l *load) stagesOver() (again time.Duration, yes bool) {
	again = 24 * time.Hour
	last := len(l.cfg.Stages) - 1
	if l.cfg.Stages[last].TotalBytes > 0 {
		if int(l.stages.now()) > last && l.shared.Of(last).Spent() {
			return 0, true
		}
		again = stageLook
	}
	left, known := l.stages.left(boottime.Now(), l.working(), l.cfg.StallAfter+stageSlack)
	if known {
		again = min(again, left)
	}
	return max(again, 0), known && left <= 0
}

// endOfStages returns that the load has ended with its last stage: by its runtime, unless bytes that
// were written ended it before.
func (l *load) endOfStages(began time.Time) ending {
	if l.cfg.Stages.Limited() && (l.cfg.Runtime == 0 || time.Since(began) < l.cfg.Runtime) {
		return ending{reason: bulkheadv1.StopReason_STOP_REASON_TOTAL}
	}
	return ending{reason: bulkheadv1.StopReason_STOP_REASON_RUNTIME}
}

// isEnded reports whether a worker says nothing more.
func isEnded(w *worker) bool {
	select {
	case <-w.ended:
		return true
	default:
		return false
	}
}
