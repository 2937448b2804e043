package door

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Shedding counts the connections of one run that were refused to shed load. The
// zero value is ready.
type Shedding struct {
	Total atomic.Uint64

	mu      sync.Mutex
	tallies map[string]*shedTally // guarded by mu; by reason
}

// shedTally is what was shed for one reason since it was last journalled.
type shedTally struct {
	count uint64
	since time.Time
}

// Add counts one connection. It returns whether the reason is new: none was shed for
// it in the time before.
func (s *Shedding) Add(now time.Time, why string) (fresh bool) {
	s.Total.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tallies[why]
	if t == nil {
		if s.tallies == nil {
			s.tallies = make(map[string]*shedTally)
		}
		t = &shedTally{}
		s.tallies[why] = t
		fresh = true
	}
	if t.count == 0 {
		t.since = now
	}
	t.count++
	return fresh
}

// Take returns what was counted since it was last called, by reason.
func (s *Shedding) Take() []*bulkheadv1.ConnectionsShed {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*bulkheadv1.ConnectionsShed
	for _, why := range slices.Sorted(maps.Keys(s.tallies)) {
		t := s.tallies[why]
		if t.count == 0 {
			delete(s.tallies, why) // a whole interval without
			continue
		}
		out = append(out, &bulkheadv1.ConnectionsShed{Count: t.count, Reason: why, SinceUnixNano: t.since.UnixNano(),
			SinceElapsedNano: boottime.At(t.since)})
		t.count = 0
	}
	return out
}
