package report

import (
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Shed is the connections that were refused for one reason, to shed load, by the
// supervisor's clock.
type Shed struct {
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
	// FirstAt is when the first of them came, LastAt when the newest were recorded.
	FirstAt Stamp `json:"first_at"`
	LastAt  Stamp `json:"last_at"`
}

// otherShed is the reason of what does not fit into the list of reasons.
const otherShed = "other reasons"

func (f *Folder) foldShed(e *bulkheadv1.ConnectionsShed, at Stamp) {
	first := f.clock.exit(e.GetSinceUnixNano(), e.GetSinceElapsedNano())
	if first == 0 || first > at {
		first = at
	}
	f.run.ShedConnections = plus(f.run.ShedConnections, e.GetCount())
	s := f.shedFor(cleanLines(e.GetReason()))
	s.Count = plus(s.Count, e.GetCount())
	if s.FirstAt == 0 || first < s.FirstAt {
		s.FirstAt = first
	}
	s.LastAt = max(s.LastAt, at)
}

// shedFor returns the entry of a reason, made new if it is the first time and there
// is room, and else the entry of what has no room.
func (f *Folder) shedFor(reason string) *Shed {
	for i := range f.shed {
		if f.shed[i].Reason == reason {
			return &f.shed[i]
		}
	}
	switch {
	case len(f.shed) == maxShedReasons:
		return &f.shed[maxShedReasons-1]
	case len(f.shed) == maxShedReasons-1:
		reason = otherShed
	}
	f.shed = append(f.shed, Shed{Reason: reason})
	return &f.shed[len(f.shed)-1]
}

// warnOfShed warns of connections that were refused to shed load.
func (v *Verdict) warnOfShed(run *Run) {
	for i := range run.Shed {
		s := &run.Shed[i]
		v.warn("%s shed %s%s", were(s.Count, "connection"), s.span(run.StartedAt), because(s.Reason))
	}
}

// span says when the connections came.
func (s *Shed) span(origin Stamp) string {
	first, last := timeOfDay(origin, s.FirstAt), timeOfDay(origin, s.LastAt)
	if first == last {
		return "at " + first
	}
	return "from " + first + " to " + last
}
