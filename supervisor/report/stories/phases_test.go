package stories

import (
	"slices"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/compare"
)

// Response and phases of a client, of its processes and of all clients are unions, and
// null where there is none.
func TestPhasesAreUnions(t *testing.T) {
	r := folded.All(t, story.Rated(t))
	if r.Totals.Response == nil || r.Totals.Response.Count != r.Clients[0].Response.Count ||
		r.Totals.Response.Count >= r.Totals.ChunkWrite.Count {
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
	plain := folded.All(t, story.Undisturbed(t))
	if plain.Totals.Response != nil || plain.Totals.Phases != (report.Phases{}) || len(plain.Series.Phases) != 0 {
		t.Errorf("a run without has %+v, %+v", plain.Totals.Response, plain.Totals.Phases)
	}
}

// The response shows the second in which everything waited; the service time does not.
func TestResponseShowsTheWaiting(t *testing.T) {
	r := folded.All(t, story.Rated(t))
	response := compare.Phase(r.Series, report.PhaseResponse)
	worst := slices.Index(response.P50Nano, slices.Max(response.P50Nano))
	if worst != 7 && worst != 8 || response.P50Nano[worst] < int64(400*time.Millisecond) {
		t.Errorf("the worst response is in interval %d: %v", worst, response.P50Nano)
	}
	if slow := slices.Max(r.Series.Total.P50Nano); slow > int64(time.Millisecond) {
		t.Errorf("the service time has the waiting too: %v", r.Series.Total.P50Nano)
	}
	if own := r.Series.Clients[0]; len(own.ResponseP99Nano) != r.Series.ClientIntervals ||
		slices.Max(own.ResponseP99Nano) < int64(900*time.Millisecond) {
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
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	for n := 1; n <= 6; n++ {
		p := a.At(time.Duration(n)*time.Second).Progress(0, 10, 0, "").GetProgress()
		if n == 2 {
			p.Create, p.Response = a.Sampled(1, time.Millisecond), a.Sampled(10, time.Millisecond)
		}
		a.SayProgress(0, p)
	}
	r := folded.All(t, s.Records)
	for of, want := range map[report.Phase][]bool{
		report.PhaseCreate:   {false, true, false, false, false, false},
		report.PhaseResponse: {true, true, true, false, false, false},
	} {
		for i, p50 := range compare.Phase(r.Series, of).P50Nano {
			if (p50 >= 0) != want[i] {
				t.Errorf("%s, interval %d: %d", report.PhaseNames[of], i, p50)
			}
		}
	}
	if slices.Contains(r.Series.Total.P50Nano, -1) {
		t.Errorf("chunk writes have gaps: %v", r.Series.Total.P50Nano)
	}
}
