package session

import (
	"sync"
	"time"

	"bulkhead/internal/boottime"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Gather is what the supervisor said last of when the load may begin.
type Gather struct {
	// Waits says that the load waits for Begin; in the run of that id.
	Waits bool
	Run   string
	// Left is how long the supervisor waits for others, as of its Welcome; 0 is not told.
	Left time.Duration
	// Begin is when the load may begin; zero while nobody said.
	Begin time.Time
	// StageBegin is when the stage of number Stage may begin that waits for other clients; 0 while nobody
	// said of any. Together says that the supervisor will.
	Stage      uint32
	StageBegin time.Time
	Together   bool
	// Share is the part of the fleet's rate that the client has; nil without one. A client that is cut off
	// keeps it.
	Share *bulkheadv1.RateShare
	// Clock is how far the supervisor's clock is, as measured on the connection of now.
	Clock Clock
}

// gathering keeps a Gather, of which a load waits for news.
type gathering struct {
	news chan struct{} // holds one token after anything has changed

	mu      sync.Mutex
	state   Gather            // guarded by mu
	waiting bool              // guarded by mu; the load waits: see Session.Await
	told    *bulkheadv1.Begin // guarded by mu; what state.Begin comes from; nil while nobody said
	came    moment            // guarded by mu; when told came
	// stage and stageCame are the same of Stage; guarded by mu.
	stage     *bulkheadv1.StageBegin
	stageCame moment
}

func newGathering() *gathering { return &gathering{news: make(chan struct{}, 1)} }

func (g *gathering) change(f func(*Gather)) {
	g.mu.Lock()
	f(&g.state)
	g.mu.Unlock()
	select {
	case g.news <- struct{}{}:
	default:
	}
}

// Gather returns what is known of when the load may begin.
func (s *Session) Gather() Gather {
	s.gathering.mu.Lock()
	defer s.gathering.mu.Unlock()
	return s.gathering.state
}

// GatherNews returns the channel that holds a token when Gather has changed since the last one was
// received.
func (s *Session) GatherNews() <-chan struct{} { return s.gathering.news }

// Await says whether the load waits to begin. While it does, a session without a connection is given
// up after the time in which it was to be made first, or the supervisor's grace time if that is
// longer: nothing has been written that would be lost.
func (s *Session) Await(waiting bool) {
	s.gathering.mu.Lock()
	defer s.gathering.mu.Unlock()
	s.gathering.waiting = waiting
}

// awayTimeout returns how long the session may be without a connection; 0 is without limit.
func (s *Session) awayTimeout() time.Duration {
	s.gathering.mu.Lock()
	defer s.gathering.mu.Unlock()
	if !s.gathering.waiting || s.AwayTimeout > 0 {
		return s.AwayTimeout
	}
	return max(s.connectTimeout, min(time.Duration(s.Newest.GetLimits().GetGraceNano()), graceMost))
}

// graceMost bounds what is believed of a grace time.
const graceMost = 24 * time.Hour

// gathers takes note of what a Welcome says of the gather.
func (s *Session) gathers(w *bulkheadv1.Welcome) {
	s.gathering.change(func(g *Gather) {
		if g.Run != w.GetRunId() {
			*g = Gather{Run: w.GetRunId()}
			s.gathering.told, s.gathering.stage = nil, nil
		}
		g.Together = w.GetProtocolMinor() >= protocol.MinorTogether
		g.Waits, g.Left, g.Clock = w.GetGathers(), time.Duration(max(w.GetGatherLeftNano(), 0)), Clock{}
	})
}

// begin takes a Begin, which came just now.
func (s *Session) begin(b *bulkheadv1.Begin) {
	now := moment{time.Now(), boottime.Now()}
	s.gathering.change(func(g *Gather) {
		s.gathering.told, s.gathering.came = b, now
		g.Begin = g.Clock.begin(b, now)
	})
}

// stageBegin takes a StageBegin, which came just now.
func (s *Session) stageBegin(b *bulkheadv1.StageBegin) {
	now := moment{time.Now(), boottime.Now()}
	s.gathering.change(func(g *Gather) {
		s.gathering.stage, s.gathering.stageCame = b, now
		g.Stage, g.StageBegin = b.GetStage(), g.Clock.begin(b, now)
	})
}

// rateShare takes a RateShare; one of an earlier division, or of none, is old. It reports whether it was new.
func (s *Session) rateShare(r *bulkheadv1.RateShare) (news bool) {
	s.gathering.change(func(g *Gather) {
		if news = r.GetDivision() > g.Share.GetDivision(); news {
			g.Share = r
		}
	})
	return news
}

// Measure says whether the load waits to begin a stage, for which the supervisor's clock is measured
// anew. The connection hears of it with the next message.
func (s *Session) Measure(on bool) { s.measuring.Store(on) }

// begins reports whether it is known when the load begins.
func (s *Session) begins() bool { return !s.Gather().Begin.IsZero() }

// measured takes an answered Echo. What it says of the supervisor's clock holds for a Begin that has
// come already, too.
func (s *Session) measured(c Clock) {
	s.gathering.change(func(g *Gather) {
		g.Clock = c
		if s.gathering.told != nil {
			g.Begin = c.begin(s.gathering.told, s.gathering.came)
		}
		if s.gathering.stage != nil {
			g.StageBegin = c.begin(s.gathering.stage, s.gathering.stageCame)
		}
	})
}
