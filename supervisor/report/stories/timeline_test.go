package stories

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"bulkhead/internal/latency"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/compare"
	"bulkhead/supervisor/report/fold"
)

// However long a run is, its intervals add up to its totals, and are no more than they may
// be.
func TestIntervalsAddUpToTheTotals(t *testing.T) {
	for _, length := range []time.Duration{10 * time.Second, 599 * time.Second, 600 * time.Second, 601 * time.Second,
		3 * time.Hour} {
		records, samples := story.Long(t, length)
		r := folded.All(t, records)
		s := r.Series
		if s.Intervals > report.MaxIntervals ||
			s.Intervals <= report.MaxIntervals/2 && s.IntervalNano > fold.BaseInterval {
			t.Errorf("%v: %d intervals of %v", length, s.Intervals, time.Duration(s.IntervalNano))
		}
		if end := s.StartAt + report.Stamp(int64(s.Intervals)*s.IntervalNano); end < r.Run.EndedAt ||
			end-report.Stamp(s.IntervalNano) >= r.Run.EndedAt {
			t.Errorf("%v: the last interval ends at %v, the run at %v", length, end.UTC(), r.Run.EndedAt.UTC())
		}
		files := uint64(0)
		for i := range s.Clients {
			c, of := &s.Clients[i], &r.Clients[i]
			files += of.Files
			if story.Sum(c.Bytes) != of.Bytes || story.Sum(c.Errors) != of.Errors ||
				story.Sum(c.Rollovers) != of.Files {
				t.Errorf("%v: client %d: %d bytes, %d errors, %d files in the intervals; want %d, %d, %d", length, i,
					story.Sum(c.Bytes), story.Sum(c.Errors), story.Sum(c.Rollovers), of.Bytes, of.Errors, of.Files)
			}
			if top := max(slices.Max(c.MaxNano), 0); top != of.ChunkWrite.MaxNano {
				t.Errorf("%v: client %d: highest %d, want %d", length, i, top, of.ChunkWrite.MaxNano)
			}
		}
		if story.Sum(s.Total.Bytes) != r.Totals.Bytes || story.Sum(s.Total.Chunks) != r.Totals.Chunks ||
			story.Sum(s.Total.Errors) != r.Totals.Errors ||
			story.Sum(s.Total.Rollovers) != files || story.Sum(s.Total.VerifiedBytes) != r.Totals.VerifiedBytes {
			t.Errorf("%v: the intervals of all do not add up to %+v", length, r.Totals.Writes)
		}
		for of, want := range map[report.Phase]*report.Latency{report.PhaseResponse: r.Totals.Response,
			report.PhaseSync: r.Totals.Phases.Sync} {
			got, binned := compare.Phase(s, of), uint64(0)
			for _, b := range got.Distribution {
				binned += b.Count
			}
			if binned != want.Count || slices.Max(got.MaxNano) != want.MaxNano {
				t.Errorf("%v: %s: %d in bins, highest %d; want %+v", length, got.Name, binned, slices.Max(got.MaxNano),
					want)
			}
		}
		var binned uint64
		for _, b := range s.Distribution {
			binned += b.Count
		}
		if len(s.Distribution) > report.MaxBins || binned != uint64(len(samples)) {
			t.Errorf("%v: %d of %d latencies in %d bins", length, binned, len(samples), len(s.Distribution))
		}
		if top := slices.Max(s.Total.MaxNano); len(samples) > 0 && top != int64(slices.Max(samples)) {
			t.Errorf("%v: highest %d, want %d", length, top, slices.Max(samples))
		}
	}
}

// Percentiles of an interval are those of its raw samples within 1 %, its maximum is
// exact, also after intervals were merged.
func TestPercentilesOfIntervalsAreOfRawSamples(t *testing.T) {
	s := story.New(t, 2)
	a, b := s.Arrive("a", 1, 1, 4001, time.Hour), s.Arrive("b", 2, 2, 4002, -time.Hour)
	random := rand.New(rand.NewPCG(5, 6))
	raw := make(map[int][]time.Duration)
	const seconds = 1500
	for n := 1; n <= seconds; n += 7 {
		for _, x := range []*story.Actor{a, b} {
			var h latency.Histogram
			for range 1 + random.IntN(50) {
				d := time.Duration(math.Exp(random.Float64()*8) * 1000 * float64(n))
				h.Add(d, 1)
				raw[n-1] = append(raw[n-1], d)
			}
			m := x.At(time.Duration(n)*time.Second).Progress(0, 0, 0, "")
			m.GetProgress().ChunkWrite = h.Proto()
			x.Say(m)
		}
	}
	got := folded.All(t, s.At(seconds*time.Second).Records).Series
	step := int(got.IntervalNano / int64(time.Second))
	if step != 4 {
		t.Fatalf("intervals of %d s, want 4", step)
	}
	for i := range got.Intervals {
		var samples []time.Duration
		for second := i * step; second < (i+1)*step; second++ {
			samples = append(samples, raw[second]...)
		}
		if len(samples) == 0 {
			continue
		}
		slices.Sort(samples)
		for q, value := range map[float64]int64{0.5: got.Total.P50Nano[i], 0.99: got.Total.P99Nano[i],
			0.999: got.Total.P999Nano[i]} {
			want := float64(samples[max(int(math.Ceil(q*float64(len(samples))-1e-6)), 1)-1])
			if float64(value) < want || float64(value) > 1.01*want {
				t.Fatalf("interval %d: quantile %v is %d, want %.0f within 1 %%", i, q, value, want)
			}
		}
		if got.Total.MaxNano[i] != int64(samples[len(samples)-1]) {
			t.Fatalf("interval %d: maximum %d, want %d", i, got.Total.MaxNano[i], samples[len(samples)-1])
		}
	}
}

// In which order the records of different sessions come changes nothing, also when
// one of them makes the intervals longer before the others have begun.
func TestOrderBetweenSessionsChangesNothing(t *testing.T) {
	records, _ := story.Long(t, 40*time.Minute)
	want := folded.All(t, records)
	random := rand.New(rand.NewPCG(9, 9))
	orders := 20
	if testing.Short() {
		orders = 3 // the fold has one goroutine, in which a race detector has nothing to find
	}
	for range orders {
		run, sessions := story.BySession(records)
		shuffled := []*bulkheadv1.Record{run[0]}
		for n := uint32(1); n <= 3; n++ { // sessions are numbered in order of arrival
			shuffled, sessions[n] = append(shuffled, sessions[n][0]), sessions[n][1:]
		}
		for len(sessions) > 0 {
			n := uint32(1 + random.IntN(3))
			take := min(len(sessions[n]), 1+random.IntN(300))
			shuffled, sessions[n] = append(shuffled, sessions[n][:take]...), sessions[n][take:]
			if len(sessions[n]) == 0 {
				delete(sessions, n)
			}
		}
		shuffled = append(shuffled, run[1:]...)
		got := folded.All(t, shuffled)
		if diff := gocmp.Diff(want.Series, got.Series); diff != "" {
			t.Fatalf("the order of sessions matters (-in time +shuffled):\n%s", diff)
		}
		if diff := gocmp.Diff(want.Totals.Writes, got.Totals.Writes); diff != "" {
			t.Fatalf("the order of sessions matters to the totals:\n%s", diff)
		}
	}
}

// A clock that makes no sense, and a client that wrote before the run, lead nowhere.
func TestClocksThatMakeNoSense(t *testing.T) {
	s := story.New(t, 2)
	a := s.Arrive("future", 1, 1, 4001, 0)
	b := s.Arrive("past", 2, 2, 4002, 0)
	s.At(5 * time.Second)
	late, early := a.Progress(0, 0, 0, ""), b.Progress(0, 0, 0, "")
	late.GetProgress().Bytes, early.GetProgress().Bytes = 1000, 2000
	late.TimeUnixNano = report.MaxTime
	early.TimeUnixNano = int64(365 * 24 * time.Hour)
	a.Say(late)
	b.Say(early)
	r := folded.All(t, s.Records)
	if r.Series.Intervals != 5 || r.Series.Total.Bytes[4] != 1000 || story.Sum(r.Series.Total.Bytes) != 1000 {
		t.Errorf("intervals %d, bytes %v; want 1000 in the last of 5", r.Series.Intervals, r.Series.Total.Bytes)
	}
	if want := "all clients in intervals of 1s; 2 kB written before the run left out"; r.Series.ReducedText != want {
		t.Errorf("%q, want %q", r.Series.ReducedText, want)
	}
}
