package report

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// long is a run of three clients that wrote for a while at random, with gaps, odd spans
// and clocks that are off; it outgrows its first intervals. Every latency is in samples.
func long(t testing.TB, length time.Duration) (records []*bulkheadv1.Record, samples []time.Duration) {
	s := newStory(t, 3)
	random := rand.New(rand.NewPCG(21, 8))
	var actors []*actor
	for n := uint32(1); n <= 3; n++ {
		actors = append(actors, s.arrive(string(rune('a'+n)), n, uint64(n), int32(4000+n), time.Duration(n)*-20*time.Second))
	}
	ended := make([]time.Duration, 3)
	for now := time.Second; now < length; now += time.Duration(random.IntN(4_000_000_000)) {
		i := random.IntN(3)
		a := actors[i].at(now)
		m := a.progress(uint32(random.IntN(2)), 0, uint64(random.IntN(3)), "")
		p := m.GetProgress()
		p.IntervalNano = int64(now-ended[i]) / 3
		ended[i] = now
		var h latency.Histogram
		for range random.IntN(200) {
			d := time.Duration(math.Exp(random.Float64()*9) * 1000)
			h.Add(d, 1)
			samples = append(samples, d)
		}
		p.ChunkWrite, p.Chunks, p.Bytes = h.Proto(), h.Count(), uint64(random.IntN(1<<30))
		p.VerifiedBytes, p.CorruptBlocks = uint64(random.IntN(1<<30)), uint64(random.IntN(20)/19)
		p.Sync = a.sampled(random.IntN(5), time.Millisecond)
		if i > 0 {
			p.Response = a.sampled(random.IntN(5), 10*time.Millisecond)
		}
		a.say(m, a.rollover(0, 1, false), a.sample(0, int(now/time.Second)+1))
		if p.GetCorruptBlocks() > 0 {
			a.say(a.corruption(0, place(random.IntN(9))))
		}
	}
	s.at(length).ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.records, samples
}

func sum[T uint64 | uint32](list []T) (n uint64) {
	for _, x := range list {
		n += uint64(x)
	}
	return n
}

// However long a run is, its intervals add up to its totals, and are no more than they may
// be.
func TestIntervalsAddUpToTheTotals(t *testing.T) {
	for _, length := range []time.Duration{10 * time.Second, 599 * time.Second, 600 * time.Second, 601 * time.Second, 3 * time.Hour} {
		records, samples := long(t, length)
		r := foldAll(t, records)
		s := r.Series
		if s.Intervals > MaxIntervals || s.Intervals <= MaxIntervals/2 && s.IntervalNano > baseInterval {
			t.Errorf("%v: %d intervals of %v", length, s.Intervals, time.Duration(s.IntervalNano))
		}
		if end := s.StartAt + Stamp(int64(s.Intervals)*s.IntervalNano); end < r.Run.EndedAt || end-Stamp(s.IntervalNano) >= r.Run.EndedAt {
			t.Errorf("%v: the last interval ends at %v, the run at %v", length, end.utc(), r.Run.EndedAt.utc())
		}
		files := uint64(0)
		for i := range s.Clients {
			c, of := &s.Clients[i], &r.Clients[i]
			files += of.Files
			if sum(c.Bytes) != of.Bytes || sum(c.Errors) != of.Errors || sum(c.Rollovers) != of.Files {
				t.Errorf("%v: client %d: %d bytes, %d errors, %d files in the intervals; want %d, %d, %d", length, i,
					sum(c.Bytes), sum(c.Errors), sum(c.Rollovers), of.Bytes, of.Errors, of.Files)
			}
			if top := max(slices.Max(c.MaxNano), 0); top != of.ChunkWrite.MaxNano {
				t.Errorf("%v: client %d: highest %d, want %d", length, i, top, of.ChunkWrite.MaxNano)
			}
		}
		if sum(s.Total.Bytes) != r.Totals.Bytes || sum(s.Total.Chunks) != r.Totals.Chunks || sum(s.Total.Errors) != r.Totals.Errors ||
			sum(s.Total.Rollovers) != files || sum(s.Total.VerifiedBytes) != r.Totals.VerifiedBytes {
			t.Errorf("%v: the intervals of all do not add up to %+v", length, r.Totals.Writes)
		}
		for of, want := range map[phase]*Latency{phaseResponse: r.Totals.Response, phaseSync: r.Totals.Phases.Sync} {
			got, binned := s.phase(of), uint64(0)
			for _, b := range got.Distribution {
				binned += b.Count
			}
			if binned != want.Count || slices.Max(got.MaxNano) != want.MaxNano {
				t.Errorf("%v: %s: %d in bins, highest %d; want %+v", length, got.Name, binned, slices.Max(got.MaxNano), want)
			}
		}
		var binned uint64
		for _, b := range s.Distribution {
			binned += b.Count
		}
		if len(s.Distribution) > MaxBins || binned != uint64(len(samples)) {
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
	s := newStory(t, 2)
	a, b := s.arrive("a", 1, 1, 4001, time.Hour), s.arrive("b", 2, 2, 4002, -time.Hour)
	random := rand.New(rand.NewPCG(5, 6))
	raw := make(map[int][]time.Duration)
	const seconds = 1500
	for n := 1; n <= seconds; n += 7 {
		for _, x := range []*actor{a, b} {
			var h latency.Histogram
			for range 1 + random.IntN(50) {
				d := time.Duration(math.Exp(random.Float64()*8) * 1000 * float64(n))
				h.Add(d, 1)
				raw[n-1] = append(raw[n-1], d)
			}
			m := x.at(time.Duration(n)*time.Second).progress(0, 0, 0, "")
			m.GetProgress().ChunkWrite = h.Proto()
			x.say(m)
		}
	}
	got := foldAll(t, s.at(seconds*time.Second).records).Series
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
		for q, value := range map[float64]int64{0.5: got.Total.P50Nano[i], 0.99: got.Total.P99Nano[i], 0.999: got.Total.P999Nano[i]} {
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

// bySession splits records into those of the run and those of each session, in order.
func bySession(records []*bulkheadv1.Record) (run []*bulkheadv1.Record, sessions map[uint32][]*bulkheadv1.Record) {
	sessions = make(map[uint32][]*bulkheadv1.Record)
	for _, r := range records {
		session := cmp.Or(r.GetSessionOpened().GetSession(), r.GetSessionAttached().GetSession(), r.GetSessionBatch().GetSession(),
			r.GetSessionDetached().GetSession(), r.GetSessionEnded().GetSession(), r.GetHandlerExited().GetSession())
		if session == 0 {
			run = append(run, r)
		} else {
			sessions[session] = append(sessions[session], r)
		}
	}
	return run, sessions
}

// In which order the records of different sessions come changes nothing, also when
// one of them makes the intervals longer before the others have begun.
func TestOrderBetweenSessionsChangesNothing(t *testing.T) {
	records, _ := long(t, 40*time.Minute)
	want := foldAll(t, records)
	random := rand.New(rand.NewPCG(9, 9))
	orders := 20
	if testing.Short() {
		orders = 3 // the fold has one goroutine, in which a race detector has nothing to find
	}
	for range orders {
		run, sessions := bySession(records)
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
		got := foldAll(t, shuffled)
		if diff := gocmp.Diff(want.Series, got.Series); diff != "" {
			t.Fatalf("the order of sessions matters (-in time +shuffled):\n%s", diff)
		}
		if diff := gocmp.Diff(want.Totals.Writes, got.Totals.Writes); diff != "" {
			t.Fatalf("the order of sessions matters to the totals:\n%s", diff)
		}
	}
}

// Folding each client's records alone and merging what comes out gives what folding all of
// them gives.
func TestShardsMergeToTheWhole(t *testing.T) {
	records, _ := long(t, 40*time.Minute)
	whole := NewFolder()
	for _, r := range records {
		if err := whole.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	run, sessions := bySession(records)
	all := timeline{
		start: whole.time.start, first: whole.time.first, last: whole.time.last,
		step: whole.time.step, shift: whole.time.shift, base: whole.time.base,
	}
	for n := uint32(1); n <= 3; n++ {
		shard := NewFolder()
		for _, r := range slices.Concat(run[:1], sessions[n], run[1:]) {
			if err := shard.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		got := shard.Report().Series.Clients[0]
		if diff := gocmp.Diff(whole.Report().Series.Clients[n-1], got); diff != "" {
			t.Errorf("client %d alone (-whole +shard):\n%s", n, diff)
		}
		for i, cell := range shard.time.cells {
			c := at(&all.cells, i+shard.time.base-whole.time.base)
			*c = c.merge(cell)
		}
	}
	want, got := whole.Report().Series.Total, all.total(whole.time.lines)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-whole +merged shards):\n%s", diff)
	}
}

// A hundred clients with many processes keep to their cells, in intervals of a power of
// two times the base's.
func TestClientsIntervalsAreBounded(t *testing.T) {
	s := newStory(t, 100)
	var actors []*actor
	for n := uint32(1); n <= 100; n++ {
		actors = append(actors, s.arrive("a", n, uint64(n), int32(n), 0))
	}
	seconds := []int{1, 100, 550, 900}
	for _, second := range seconds {
		for _, a := range actors {
			a.at(time.Duration(second) * time.Second)
			for c := range uint32(30) {
				a.say(a.sample(c, second))
			}
		}
	}
	r := foldAll(t, s.records)
	got := r.Series
	factor := got.ClientIntervalNano / got.IntervalNano
	if 100*31*got.ClientIntervals > maxCells || got.ClientIntervals*2*3100 < maxCells || factor*got.IntervalNano != got.ClientIntervalNano || factor&(factor-1) != 0 {
		t.Errorf("%d intervals of %v for clients, %d of %v for all", got.ClientIntervals, time.Duration(got.ClientIntervalNano), got.Intervals, time.Duration(got.IntervalNano))
	}
	for _, c := range got.Clients {
		if len(c.Bytes) != got.ClientIntervals || len(c.Processes) != 30 || len(c.Processes[0].CPU) != got.ClientIntervals || len(c.Processes[0].Beats) != got.ClientIntervals {
			t.Fatalf("client %d: lists of other lengths than %d", c.Session, got.ClientIntervals)
		}
		for i, resident := range c.Processes[29].ResidentBytes {
			sampled := false
			for _, second := range seconds {
				sampled = sampled || (int64(second)*1e9-1)/got.ClientIntervalNano == int64(i)
			}
			if sampled != (resident > 0) {
				t.Fatalf("client %d, interval %d of %v: %d bytes resident, sampled at %v", c.Session, i, time.Duration(got.ClientIntervalNano), resident, seconds)
			}
		}
	}
}

// A clock that makes no sense, and a client that wrote before the run, lead nowhere.
func TestClocksThatMakeNoSense(t *testing.T) {
	s := newStory(t, 2)
	a := s.arrive("future", 1, 1, 4001, 0)
	b := s.arrive("past", 2, 2, 4002, 0)
	s.at(5 * time.Second)
	late, early := a.progress(0, 0, 0, ""), b.progress(0, 0, 0, "")
	late.GetProgress().Bytes, early.GetProgress().Bytes = 1000, 2000
	late.TimeUnixNano = maxTime
	early.TimeUnixNano = int64(365 * 24 * time.Hour)
	a.say(late)
	b.say(early)
	r := foldAll(t, s.records)
	if r.Series.Intervals != 5 || r.Series.Total.Bytes[4] != 1000 || sum(r.Series.Total.Bytes) != 1000 {
		t.Errorf("intervals %d, bytes %v; want 1000 in the last of 5", r.Series.Intervals, r.Series.Total.Bytes)
	}
	if want := "all clients in intervals of 1s; 2 kB written before the run left out"; r.Series.ReducedText != want {
		t.Errorf("%q, want %q", r.Series.ReducedText, want)
	}
}
