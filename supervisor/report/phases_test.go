package report

import (
	"slices"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Response and phases of a client, of its processes and of all clients are unions, and
// null where there is none.
func TestPhasesAreUnions(t *testing.T) {
	r := foldAll(t, rated(t))
	if r.Totals.Response == nil || r.Totals.Response.Count != r.Clients[0].Response.Count || r.Totals.Response.Count >= r.Totals.ChunkWrite.Count {
		t.Errorf("response of all %+v, of the client %+v", r.Totals.Response, r.Clients[0].Response)
	}
	var syncs uint64
	for _, p := range r.Clients[0].Processes {
		if p.Writes == nil {
			continue
		}
		syncs += p.Writes.Phases.Sync.Count
		if has := p.Writes.Response != nil; has != (p.Index == 0) {
			t.Errorf("consumer %d has a response: %t", p.Index, has)
		}
	}
	if got := r.Totals.Phases.Sync; got.Count != syncs || got.MaxNano > int64(6*time.Millisecond) {
		t.Errorf("syncs of all %+v, want %d", got, syncs)
	}
	plain := foldAll(t, undisturbed(t))
	if plain.Totals.Response != nil || plain.Totals.Phases != (Phases{}) || len(plain.Series.Phases) != 0 {
		t.Errorf("a run without has %+v, %+v", plain.Totals.Response, plain.Totals.Phases)
	}
}

// The response shows the second in which everything waited; the service time does not.
func TestResponseShowsTheWaiting(t *testing.T) {
	r := foldAll(t, rated(t))
	response := r.Series.phase(phaseResponse)
	worst := slices.Index(response.P50Nano, slices.Max(response.P50Nano))
	if worst != 7 && worst != 8 || response.P50Nano[worst] < int64(400*time.Millisecond) {
		t.Errorf("the worst response is in interval %d: %v", worst, response.P50Nano)
	}
	if slow := slices.Max(r.Series.Total.P50Nano); slow > int64(time.Millisecond) {
		t.Errorf("the service time has the waiting too: %v", r.Series.Total.P50Nano)
	}
	if own := r.Series.Clients[0]; len(own.ResponseP99Nano) != r.Series.ClientIntervals || slices.Max(own.ResponseP99Nano) < int64(900*time.Millisecond) {
		t.Errorf("the client's response: %v", own.ResponseP99Nano)
	}
	got := checkAll(t, r, "p99 < 50ms", "response_p99 < 50ms", "sync_max < 10ms")
	if !got[0].Holds || got[1].Holds || !got[2].Holds {
		t.Errorf("%v", got)
	}
}

// A phase that is rare has no value where nothing of it happened; a response is not drawn
// on into a time without one.
func TestPhasesHaveGaps(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	for n := 1; n <= 6; n++ {
		p := a.at(time.Duration(n)*time.Second).progress(0, 10, 0, "").GetProgress()
		if n == 2 {
			p.Create, p.Response = a.sampled(1, time.Millisecond), a.sampled(10, time.Millisecond)
		}
		a.sayProgress(0, p)
	}
	r := foldAll(t, s.records)
	for of, want := range map[phase][]bool{
		phaseCreate: {false, true, false, false, false, false}, phaseResponse: {true, true, true, false, false, false},
	} {
		for i, p50 := range r.Series.phase(of).P50Nano {
			if (p50 >= 0) != want[i] {
				t.Errorf("%s, interval %d: %d", phaseNames[of], i, p50)
			}
		}
	}
	if slices.Contains(r.Series.Total.P50Nano, -1) {
		t.Errorf("chunk writes have gaps: %v", r.Series.Total.P50Nano)
	}
}

// What makes clients compact does not depend on what of their work it is about.
func TestPhasesOfCompactClients(t *testing.T) {
	crowded := rooms{clients: maxFineBuckets / 100}
	s := newSessionState(&bulkheadv1.SessionOpened{}, 1, &crowded)
	a := newStory(t, 1).arrive("a", 1, 1, 4001, 0)
	var tl timeline
	tl.begin(1)
	s.line = tl.newLine(0)
	for n := range 40 {
		p := a.phased(0, 30, time.Millisecond)
		s.foldProgress(a.process(kindConsumer, 0), p, Stamp(time.Duration(n+2)*time.Second))
		s.tighten()
	}
	if !s.room.compact {
		t.Fatal("the client is not compact")
	}
	for of := range phases {
		if own, union := s.latencies[of].latency(), latencyOf(&crowded.union[of]); own.Count == 0 || own.Count != union.Count || own.MaxNano != union.MaxNano {
			t.Errorf("%s: own %+v, union %+v", phaseNames[of], own, union)
		}
	}
}
