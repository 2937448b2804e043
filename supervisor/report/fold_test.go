package report

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// foldAll folds records that are all in order.
func foldAll(t testing.TB, records []*bulkheadv1.Record) *Report {
	t.Helper()
	f := NewFolder()
	for _, r := range records {
		if err := f.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	return f.Report()
}

func TestSameRecordsSameBytes(t *testing.T) {
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			records := story.write(t)
			text, json := render(t, foldAll(t, records))
			for range 5 {
				againText, againJSON := render(t, foldAll(t, records))
				if !bytes.Equal(text, againText) || !bytes.Equal(json, againJSON) {
					t.Fatal("folding the same records again gives other bytes")
				}
			}
		})
	}
}

// A report taken in the middle is not touched by later records, nor they by it.
func TestReportSharesNothingWithFolder(t *testing.T) {
	records := disturbed(t)
	_, want := render(t, foldAll(t, records))
	f := NewFolder()
	var reports []*Report
	var asTaken [][]byte
	for _, r := range records {
		if err := f.Add(r); err != nil {
			t.Fatal(err)
		}
		taken := f.Report()
		_, json := render(t, taken)
		reports, asTaken = append(reports, taken), append(asTaken, json)
		// Nor does one report share with another.
		scribble := f.Report()
		for i := range scribble.Clients {
			scribble.Clients[i].Labels["scribbled"] = "yes"
			clear(scribble.Clients[i].Workload.Consumers)
			clear(scribble.Clients[i].Connections)
		}
		for i := range scribble.Handlers {
			if exit := scribble.Handlers[i].Exit; exit != nil {
				*exit = Exit{}
			}
		}
	}
	for i, r := range reports {
		if _, json := render(t, r); !bytes.Equal(json, asTaken[i]) {
			t.Fatalf("the report after record %d changed later", i+1)
		}
	}
	if diff := cmp.Diff(string(want), string(asTaken[len(asTaken)-1])); diff != "" {
		t.Errorf("reports taken in between change the last one:\n%s", diff)
	}
}

// Percentiles of a client and of all clients are those of all raw samples, within
// the precision of the histograms.
func TestPercentilesAreOfTheUnion(t *testing.T) {
	s := newStory(t, 3)
	random := rand.New(rand.NewPCG(11, 13))
	var all []time.Duration
	for n := uint32(1); n <= 3; n++ {
		a := s.arrive(string(rune('a'+n)), n, uint64(n), int32(4000+n), 0)
		var own []time.Duration
		for round := range 4 {
			a.at(time.Duration(round+1) * time.Second)
			for consumer := range a.consumers {
				var h latency.Histogram
				for range 1 + random.IntN(400) {
					// Each client is slower than the one before: an average of
					// percentiles would be far off.
					d := time.Duration(math.Exp(random.Float64()*6) * 1000 * math.Pow(10, float64(n)))
					h.Add(d, 1)
					own = append(own, d)
				}
				m := a.progress(consumer, 0, 0, "")
				m.GetProgress().ChunkWrite = h.Proto()
				a.say(m)
			}
		}
		all = append(all, own...)
		checkLatency(t, &foldAll(t, s.records).Clients[n-1].ChunkWrite, own)
	}
	checkLatency(t, &foldAll(t, s.records).Totals.ChunkWrite, all)
}

func checkLatency(t *testing.T, l *Latency, samples []time.Duration) {
	t.Helper()
	samples = slices.Sorted(slices.Values(samples))
	n := len(samples)
	if l.Count != uint64(n) || l.MinNano != int64(samples[0]) || l.MaxNano != int64(samples[n-1]) {
		t.Errorf("count %d, extremes %d … %d; want %d, %d … %d", l.Count, l.MinNano, l.MaxNano, n, samples[0], samples[n-1])
	}
	for q, got := range map[float64]int64{0.5: l.P50Nano, 0.9: l.P90Nano, 0.99: l.P99Nano, 0.999: l.P999Nano} {
		want := float64(samples[max(int(math.Ceil(q*float64(n)-1e-6)), 1)-1])
		if math.Abs(float64(got)-want) > 0.002*want {
			t.Errorf("quantile %v of %d samples is %d, want %.0f within 0.2%%", q, n, got, want)
		}
	}
}

// The rate of the whole run is over the time in which anybody wrote, with each
// client's clock set right by its offset.
func TestTotalRateUsesOneClock(t *testing.T) {
	s := newStory(t, 2)
	a := s.at(0).arrive("a", 1, 1, 4001, time.Hour)
	b := s.at(0).arrive("b", 2, 2, 4002, -time.Hour)
	for n := 1; n <= 10; n++ {
		s.at(time.Duration(n) * time.Second)
		for _, x := range []*actor{a, b} {
			m := x.progress(0, 0, 0, "")
			m.GetProgress().Bytes = 50_000_000
			x.say(m)
		}
	}
	r := foldAll(t, s.records)
	if got := r.Totals.WritingNano; got != int64(10*time.Second) {
		t.Errorf("all wrote for %v, want 10s", time.Duration(got))
	}
	if got := r.Totals.BytesPerSecond; got != 100_000_000 {
		t.Errorf("all wrote %d bytes a second, want 100 MB", got)
	}
	if got := r.Clients[0].BytesPerSecond; got != 50_000_000 {
		t.Errorf("client a wrote %d bytes a second, want 50 MB", got)
	}
}

// Reading back and removing files after the last write are no time of writing.
func TestTotalRateEndsWithTheWriting(t *testing.T) {
	s := newStory(t, 1)
	a := s.at(0).arrive("a", 1, 1, 4001, 0)
	for n := 1; n <= 10; n++ {
		m := a.progress(0, 0, 0, "")
		m.GetProgress().Bytes = 50_000_000
		if n > 5 {
			m.GetProgress().IntervalNano, m.GetProgress().Bytes = 0, 0
			m.GetProgress().VerifiedBytes = 20_000_000
		}
		s.at(time.Duration(n) * time.Second)
		a.say(m)
	}
	r := foldAll(t, s.records)
	for of, w := range map[string]*Writes{"all": &r.Totals.Writes, "the client": &r.Clients[0].Writes} {
		if w.WritingNano != int64(5*time.Second) || w.BytesPerSecond != 50_000_000 || w.VerifiedBytes != 100_000_000 {
			t.Errorf("%s: %d bytes a second over %v, %d bytes read back", of, w.BytesPerSecond, time.Duration(w.WritingNano), w.VerifiedBytes)
		}
	}
}

// A clock that makes no sense cannot stretch the total beyond the run.
func TestTotalRateSurvivesALyingClock(t *testing.T) {
	s := newStory(t, 2)
	a := s.arrive("a", 1, 1, 4001, 0)
	b := s.arrive("b", 2, 2, 4002, 0)
	s.at(5 * time.Second)
	honest, lying := a.progress(0, 0, 0, ""), b.progress(0, 0, 0, "")
	honest.GetProgress().Bytes, lying.GetProgress().Bytes = 1e9, 1e9
	lying.TimeUnixNano = maxTime
	lying.GetProgress().IntervalNano = maxDuration
	a.say(honest)
	b.say(lying)
	s.at(10*time.Second).ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "")
	if got := foldAll(t, s.records).Totals.WritingNano; got > int64(10*time.Second) {
		t.Errorf("all wrote for %v in a run of 10s", time.Duration(got))
	}
}

func TestUsageSkipsSpansTooShortForAShare(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	sample := func(after time.Duration, cpu time.Duration) {
		m := a.at(after).sample(0, 1)
		m.GetMonitor().UserCpuNano, m.GetMonitor().SystemCpuNano = int64(cpu), 0
		m.GetMonitor().ElapsedNano = int64(after)
		a.say(m)
	}
	sample(1*time.Second, 0)
	sample(2*time.Second, 500*time.Millisecond)
	sample(2*time.Second+3*time.Millisecond, 510*time.Millisecond) // one tick in 3 ms
	sample(4*time.Second, 700*time.Millisecond)
	u := a.onlyConsumer(t).Usage
	if u.MaxCPUPercent != 50 || u.MeanCPUPercent != 17.5 || u.Samples != 4 {
		t.Errorf("max %v %%, mean %v %% of %d samples; want 50, 17.5, 4", u.MaxCPUPercent, u.MeanCPUPercent, u.Samples)
	}
}

func TestUsageBeginsAnewWhenAClockIsSetBack(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	for _, at := range []struct{ after, cpu time.Duration }{{10 * time.Second, 0}, {5 * time.Second, time.Second}, {6 * time.Second, 1500 * time.Millisecond}} {
		m := a.at(at.after).sample(0, 1)
		m.GetMonitor().UserCpuNano, m.GetMonitor().SystemCpuNano = int64(at.cpu), 0
		m.GetMonitor().ElapsedNano = int64(time.Minute)
		a.say(m)
	}
	if u := a.onlyConsumer(t).Usage; u.MaxCPUPercent != 50 {
		t.Errorf("max %v %%, want the 50 %% after the clock was set back", u.MaxCPUPercent)
	}
}

// onlyConsumer folds the story and returns the one consumer that was heard of.
func (a *actor) onlyConsumer(t *testing.T) *Process {
	t.Helper()
	list := foldAll(t, a.records).Clients[0].Processes
	if len(list) != 1 || list[0].Kind != KindConsumer {
		t.Fatalf("processes %+v, want one consumer", list)
	}
	return &list[0]
}

func TestProcessWithoutPidIsTheOneWithThatNumber(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	for _, pid := range []int32{0, 71, 0, 71} {
		m := a.progress(0, 1, 0, "")
		m.Process.Pid = pid
		a.say(m)
	}
	if p := a.onlyConsumer(t); p.Pid != 71 || p.Writes.Chunks != 4 {
		t.Errorf("pid %d wrote %d chunks, want 71 and 4", p.Pid, p.Writes.Chunks)
	}
	m := a.progress(0, 1, 0, "")
	m.Process.Pid = 72 // another process took over the number
	a.say(m)
	list := foldAll(t, s.records).Clients[0].Processes
	if len(list) != 2 || list[0].Pid != 71 || list[1].Pid != 72 {
		t.Errorf("processes %+v, want pids 71 and 72", list)
	}
}

func TestSharedNamesAreToldApart(t *testing.T) {
	s := newStory(t, 3)
	s.arrive("twin", 1, 1, 4001, 0)
	s.arrive("twin", 2, 2, 4002, 0)
	s.arrive("", 3, 3, 4003, 0)
	r := foldAll(t, s.records)
	got := []string{r.Clients[0].Label, r.Clients[1].Label, r.Clients[2].Label, r.Handlers[1].Client}
	if diff := cmp.Diff([]string{"twin#1", "twin#2", "session 3", "twin#2"}, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

func TestRuntimeIsFromFirstStartToStop(t *testing.T) {
	s := newStory(t, 1)
	a := s.at(time.Second).arrive("a", 1, 1, 4001, -5*time.Second)
	a.start()
	a.at(4 * time.Second).say(a.progress(0, 1, 0, ""))
	if got := foldAll(t, s.records).Clients[0].RuntimeNano; got != int64(3*time.Second) {
		t.Errorf("runtime to the last message is %v, want 3s", time.Duration(got))
	}
	a.at(6 * time.Second).say(a.stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
	if got := foldAll(t, s.records).Clients[0].RuntimeNano; got != int64(5*time.Second) {
		t.Errorf("runtime to Stop is %v, want 5s", time.Duration(got))
	}
}
