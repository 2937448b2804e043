package stories

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/latency"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

func TestSameRecordsSameBytes(t *testing.T) {
	for _, story := range story.Stories {
		t.Run(story.Name, func(t *testing.T) {
			records := story.Write(t)
			text, json := rendered(t, folded.All(t, records))
			for range 5 {
				againText, againJSON := rendered(t, folded.All(t, records))
				if !bytes.Equal(text, againText) || !bytes.Equal(json, againJSON) {
					t.Fatal("folding the same records again gives other bytes")
				}
			}
		})
	}
}

// A report taken in the middle is not touched by later records, nor they by it.
func TestReportSharesNothingWithFolder(t *testing.T) {
	records := story.Disturbed(t)
	_, want := rendered(t, folded.All(t, records))
	f := fold.NewFolder()
	var reports []*report.Report
	var asTaken [][]byte
	for _, r := range records {
		if err := f.Add(r); err != nil {
			t.Fatal(err)
		}
		taken := f.Report()
		_, json := rendered(t, taken)
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
				*exit = report.Exit{}
			}
		}
	}
	for i, r := range reports {
		if _, json := rendered(t, r); !bytes.Equal(json, asTaken[i]) {
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
	s := story.New(t, 3)
	random := rand.New(rand.NewPCG(11, 13))
	var all []time.Duration
	for n := uint32(1); n <= 3; n++ {
		a := s.Arrive(string(rune('a'+n)), n, uint64(n), int32(4000+n), 0)
		var own []time.Duration
		for round := range 4 {
			a.At(time.Duration(round+1) * time.Second)
			for consumer := range a.Consumers {
				var h latency.Histogram
				for range 1 + random.IntN(400) {
					// Each client is slower than the one before: an average of
					// percentiles would be far off.
					d := time.Duration(math.Exp(random.Float64()*6) * 1000 * math.Pow(10, float64(n)))
					h.Add(d, 1)
					own = append(own, d)
				}
				m := a.Progress(consumer, 0, 0, "")
				m.GetProgress().ChunkWrite = h.Proto()
				a.Say(m)
			}
		}
		all = append(all, own...)
		checkLatency(t, &folded.All(t, s.Records).Clients[n-1].ChunkWrite, own)
	}
	checkLatency(t, &folded.All(t, s.Records).Totals.ChunkWrite, all)
}

func checkLatency(t *testing.T, l *report.Latency, samples []time.Duration) {
	t.Helper()
	samples = slices.Sorted(slices.Values(samples))
	n := len(samples)
	if l.Count != uint64(n) || l.MinNano != int64(samples[0]) || l.MaxNano != int64(samples[n-1]) {
		t.Errorf("count %d, extremes %d … %d; want %d, %d … %d", l.Count, l.MinNano, l.MaxNano, n, samples[0],
			samples[n-1])
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
	s := story.New(t, 2)
	a := s.At(0).Arrive("a", 1, 1, 4001, time.Hour)
	b := s.At(0).Arrive("b", 2, 2, 4002, -time.Hour)
	for n := 1; n <= 10; n++ {
		s.At(time.Duration(n) * time.Second)
		for _, x := range []*story.Actor{a, b} {
			m := x.Progress(0, 0, 0, "")
			m.GetProgress().Bytes = 50_000_000
			x.Say(m)
		}
	}
	r := folded.All(t, s.Records)
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
	s := story.New(t, 1)
	a := s.At(0).Arrive("a", 1, 1, 4001, 0)
	for n := 1; n <= 10; n++ {
		m := a.Progress(0, 0, 0, "")
		m.GetProgress().Bytes = 50_000_000
		if n > 5 {
			m.GetProgress().IntervalNano, m.GetProgress().Bytes = 0, 0
			m.GetProgress().VerifiedBytes = 20_000_000
		}
		s.At(time.Duration(n) * time.Second)
		a.Say(m)
	}
	r := folded.All(t, s.Records)
	for of, w := range map[string]*report.Writes{"all": &r.Totals.Writes, "the client": &r.Clients[0].Writes} {
		if w.WritingNano != int64(5*time.Second) || w.BytesPerSecond != 50_000_000 || w.VerifiedBytes != 100_000_000 {
			t.Errorf("%s: %d bytes a second over %v, %d bytes read back", of, w.BytesPerSecond,
				time.Duration(w.WritingNano), w.VerifiedBytes)
		}
	}
}

// A clock that makes no sense cannot stretch the total beyond the run.
func TestTotalRateSurvivesALyingClock(t *testing.T) {
	s := story.New(t, 2)
	a := s.Arrive("a", 1, 1, 4001, 0)
	b := s.Arrive("b", 2, 2, 4002, 0)
	s.At(5 * time.Second)
	honest, lying := a.Progress(0, 0, 0, ""), b.Progress(0, 0, 0, "")
	honest.GetProgress().Bytes, lying.GetProgress().Bytes = 1e9, 1e9
	lying.TimeUnixNano = report.MaxTime
	lying.GetProgress().IntervalNano = report.MaxDuration
	a.Say(honest)
	b.Say(lying)
	s.At(10*time.Second).Ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "")
	if got := folded.All(t, s.Records).Totals.WritingNano; got > int64(10*time.Second) {
		t.Errorf("all wrote for %v in a run of 10s", time.Duration(got))
	}
}

func TestUsageSkipsSpansTooShortForAShare(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	sample := func(after time.Duration, cpu time.Duration) {
		m := a.At(after).Sample(0, 1)
		m.GetMonitor().UserCpuNano, m.GetMonitor().SystemCpuNano = int64(cpu), 0
		m.GetMonitor().ElapsedNano = int64(after)
		a.Say(m)
	}
	sample(1*time.Second, 0)
	sample(2*time.Second, 500*time.Millisecond)
	sample(2*time.Second+3*time.Millisecond, 510*time.Millisecond) // one tick in 3 ms
	sample(4*time.Second, 700*time.Millisecond)
	u := onlyConsumer(a, t).Usage
	if u.MaxCPUPercent != 50 || u.MeanCPUPercent != 17.5 || u.Samples != 4 {
		t.Errorf("max %v %%, mean %v %% of %d samples; want 50, 17.5, 4", u.MaxCPUPercent, u.MeanCPUPercent, u.Samples)
	}
}

func TestUsageBeginsAnewWhenAClockIsSetBack(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	for _, at := range []struct{ after, cpu time.Duration }{{10 * time.Second, 0}, {5 * time.Second, time.Second},
		{6 * time.Second, 1500 * time.Millisecond}} {
		m := a.At(at.after).Sample(0, 1)
		m.GetMonitor().UserCpuNano, m.GetMonitor().SystemCpuNano = int64(at.cpu), 0
		m.GetMonitor().ElapsedNano = int64(time.Minute)
		a.Say(m)
	}
	if u := onlyConsumer(a, t).Usage; u.MaxCPUPercent != 50 {
		t.Errorf("max %v %%, want the 50 %% after the clock was set back", u.MaxCPUPercent)
	}
}

// onlyConsumer folds the story and returns the one consumer that was heard of.
func onlyConsumer(a *story.Actor, t *testing.T) *report.Process {
	t.Helper()
	list := folded.All(t, a.Records).Clients[0].Processes
	if len(list) != 1 || list[0].Kind != report.KindConsumer {
		t.Fatalf("processes %+v, want one consumer", list)
	}
	return &list[0]
}

func TestProcessWithoutPidIsTheOneWithThatNumber(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	for _, pid := range []int32{0, 71, 0, 71} {
		m := a.Progress(0, 1, 0, "")
		m.Process.Pid = pid
		a.Say(m)
	}
	if p := onlyConsumer(a, t); p.Pid != 71 || p.Writes.Chunks != 4 {
		t.Errorf("pid %d wrote %d chunks, want 71 and 4", p.Pid, p.Writes.Chunks)
	}
	m := a.Progress(0, 1, 0, "")
	m.Process.Pid = 72 // another process took over the number
	a.Say(m)
	list := folded.All(t, s.Records).Clients[0].Processes
	if len(list) != 2 || list[0].Pid != 71 || list[1].Pid != 72 {
		t.Errorf("processes %+v, want pids 71 and 72", list)
	}
}

func TestSharedNamesAreToldApart(t *testing.T) {
	s := story.New(t, 3)
	s.Arrive("twin", 1, 1, 4001, 0)
	s.Arrive("twin", 2, 2, 4002, 0)
	s.Arrive("", 3, 3, 4003, 0)
	r := folded.All(t, s.Records)
	got := []string{r.Clients[0].Label, r.Clients[1].Label, r.Clients[2].Label, r.Handlers[1].Client}
	if diff := cmp.Diff([]string{"twin#1", "twin#2", "session 3", "twin#2"}, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

func TestRuntimeIsFromFirstStartToStop(t *testing.T) {
	s := story.New(t, 1)
	a := s.At(time.Second).Arrive("a", 1, 1, 4001, -5*time.Second)
	a.Start()
	a.At(4 * time.Second).Say(a.Progress(0, 1, 0, ""))
	if got := folded.All(t, s.Records).Clients[0].RuntimeNano; got != int64(3*time.Second) {
		t.Errorf("runtime to the last message is %v, want 3s", time.Duration(got))
	}
	a.At(6 * time.Second).Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
	if got := folded.All(t, s.Records).Clients[0].RuntimeNano; got != int64(5*time.Second) {
		t.Errorf("runtime to Stop is %v, want 5s", time.Duration(got))
	}
}
