package stories

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/pagetest"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/compare"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/judge"
	"bulkhead/supervisor/report/render"
)

// saidIn returns what the clients of a run said that they wrote in a stage of theirs, and in how many
// chunks.
func saidIn(t *testing.T, records []*bulkheadv1.Record, stage uint32) (bytes, chunks uint64) {
	t.Helper()
	story.EachMessage(t, records, func(_ uint32, m *bulkheadv1.Message) {
		if p := m.GetProgress(); p.GetStage() == stage {
			bytes, chunks = bytes+p.GetBytes(), chunks+p.GetChunks()
		}
	})
	return bytes, chunks
}

// Each stage has the figures of what was said of it, by the supervisor's clock, whatever the clocks of
// the clients show; one that is not reported is in no other figure.
func TestStagesHaveFiguresOfTheirOwn(t *testing.T) {
	records := story.Staged(t)
	r := folded.All(t, records)
	if len(r.Stages) != 8 || r.Verdict.Word != report.WordComplete {
		t.Fatalf("%d stages, %s: %q", len(r.Stages), r.Verdict.Word, r.Verdict.Reasons)
	}
	var reported uint64
	at := []int{1, 3, 8, 11, 14, 17, 20, 23, 26}
	for i := range r.Stages {
		s := &r.Stages[i]
		bytes, chunks := saidIn(t, records, uint32(i+1))
		seconds := at[i+1] - at[i]
		if i == 1 {
			seconds-- // the pause behind it
		}
		if s.Bytes != bytes || s.Chunks != chunks || s.ChunkWrite.Count != chunks || s.Number != i+1 {
			t.Errorf("%s: %d B in %d chunks, %d timed; want %d in %d", s.Name, s.Bytes, s.Chunks, s.ChunkWrite.Count,
				bytes, chunks)
		}
		if since(r, s.FromAt) != time.Duration(at[i])*time.Second || s.LengthNano != int64(seconds)*1e9 ||
			s.OverlapPercent != 100 || s.Clients != 2 || s.Finished != 2 || s.Consumers != 4 || s.Unreached != 0 {
			t.Errorf("%s: %+v", s.Name, s)
		}
		if rate := bytes / uint64(seconds); s.BytesPerSecond+2 < rate || s.BytesPerSecond > rate {
			t.Errorf("%s: %d B/s; want %d", s.Name, s.BytesPerSecond, rate)
		}
		if want := uint64(20*(i-1)) / 2 * story.Mib * 4; i > 1 && s.OfferedBytesPerSecond != want ||
			i < 2 && s.OfferedBytesPerSecond != 0 || (s.Response != nil) != (i > 1) {
			t.Errorf("%s: %d B/s offered, want %d; response %v", s.Name, s.OfferedBytesPerSecond, want, s.Response)
		}
		if !s.Told.Unreported {
			reported += bytes
		}
	}
	filled, _ := saidIn(t, records, 1)
	if r.Totals.Bytes != reported || r.Totals.WarmUp.Bytes != filled ||
		story.Sum(r.Series.Total.Bytes) != reported+filled {
		t.Errorf("in all %d B and %+v; want %d and %d", r.Totals.Bytes, r.Totals.WarmUp, reported, filled)
	}
	if want := int64(22e9); r.Totals.WritingNano != want || r.Clients[0].WritingNano != want ||
		r.Clients[1].Processes[2].Writes.WritingNano != want {
		t.Errorf("writing for %d, client %d, consumer %d ns; want %d: no pause, and no fill", r.Totals.WritingNano,
			r.Clients[0].WritingNano, r.Clients[1].Processes[2].Writes.WritingNano, want)
	}
	if r.Series.WarmUpIntervals != 3 || len(r.Series.Unreported) != 0 {
		t.Errorf("%d intervals before what is judged, %v further", r.Series.WarmUpIntervals, r.Series.Unreported)
	}
}

// between tells a run of one client that writes, then does what is not reported, and writes again.
func between(t *testing.T) ([]*bulkheadv1.Record, []story.Step) {
	steps := []story.Step{
		{Stage: &bulkheadv1.Stage{Name: "before", DurationNano: int64(5e9)}, Seconds: 5, Chunks: 20},
		{Stage: &bulkheadv1.Stage{Name: "settle", DurationNano: int64(4e9), Unreported: true}, Seconds: 4, Chunks: 90},
		{Stage: &bulkheadv1.Stage{Name: "after", DurationNano: int64(5e9)}, Seconds: 5, Chunks: 20},
	}
	s := story.New(t, 1)
	a := s.ArriveStaged("alpha", 1, 0, steps)
	end := story.Stages(steps, 1, 0, a)
	story.Leave(time.Duration(end)*time.Second, map[uint32]uint64{1: 1}, a)
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records, steps
}

// What ends behind a stage, in the pause, counts as written in it, and takes no time of it; what is read
// there is of no stage.
func TestWhatEndsBehindAStage(t *testing.T) {
	steps := []story.Step{
		{Stage: &bulkheadv1.Stage{Name: "a", DurationNano: int64(5e9)}, Seconds: 5, Chunks: 20, Late: 4},
		{Stage: &bulkheadv1.Stage{Name: "b", DurationNano: int64(5e9), PauseNano: int64(3e9)}, Seconds: 5, Chunks: 20},
	}
	s := story.New(t, 1)
	a := s.ArriveStaged("alpha", 1, 0, steps)
	end := story.Stages(steps, 1, 0, a)
	story.Leave(time.Duration(end)*time.Second, map[uint32]uint64{1: 1}, a)
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	r := folded.All(t, s.Records)
	for i := range r.Stages {
		bytes, _ := saidIn(t, s.Records, uint32(i+1))
		if st := &r.Stages[i]; st.LengthNano != 5e9 || st.Bytes != bytes || st.BytesPerSecond > bytes/5 ||
			st.BytesPerSecond+2 < bytes/5 || st.ReadBytes != 0 || st.Read != nil {
			t.Errorf("%s: %d B in %d ns, %d B/s, %d B and %v read; want %d B in 5 s, and no reads", st.Name, st.Bytes,
				st.LengthNano, st.BytesPerSecond, st.ReadBytes, st.Read, bytes)
		}
	}
}

// A step of a curve in which the storage was stuck has a point: chunks were due, and none was written.
func TestAStepThatIsStuckIsInItsCurve(t *testing.T) {
	var stages []report.Stage
	for i := range 4 {
		s := report.Stage{Number: i + 1, Clients: 1, Finished: 1, OfferedBytesPerSecond: 1000, BytesPerSecond: 1000,
			Chunks: 10, Response: &report.Latency{Count: 9, P99Nano: 1e6}}
		s.Name, s.Told.Curve, s.Told.RatePercent = fmt.Sprintf("c %d%%", 10*(i+1)), 1, float64(10*(i+1))
		if i == 3 {
			s.BytesPerSecond, s.Chunks, s.Response = 0, 0, &report.Latency{Count: 90, P99Nano: 4e9}
		}
		stages = append(stages, s)
	}
	curves := judge.Curves(stages, false)
	if len(curves) != 1 || len(curves[0].Points) != 4 || curves[0].Knee.Stage != 3 {
		t.Errorf("%+v; want a knee at the third of four steps", curves)
	}
}

// A stage that is not reported is in no judged figure in the middle of a load either, and what came
// before it is in them all the same.
func TestAnUnreportedStageInTheMiddle(t *testing.T) {
	records, _ := between(t)
	r := folded.All(t, records)
	w := r.CommonWindow
	settled, _ := saidIn(t, records, 2)
	if r.Totals.WarmUp == nil || r.Totals.WarmUp.Bytes != settled || r.Totals.WritingNano != int64(10e9) ||
		r.Totals.BytesPerSecond != r.Totals.Bytes/10 {
		t.Errorf("not judged %+v; %d B in %d ns", r.Totals.WarmUp, r.Totals.Bytes, r.Totals.WritingNano)
	}
	if w.Intervals != 10 || w.Bytes != r.Totals.Bytes || w.ChunkWrite.Count != r.Totals.ChunkWrite.Count {
		t.Errorf("in common: %d intervals, %d B of %d", w.Intervals, w.Bytes, r.Totals.Bytes)
	}
	first := 6 - int(r.Series.OffsetNano/1e9)
	if diff := cmp.Diff([]report.Stretch{{From: first, To: first + 4}}, r.Series.Unreported); diff != "" ||
		r.Series.WarmUpIntervals != 0 {
		t.Errorf("not judged (-want +got):\n%s%d first intervals", diff, r.Series.WarmUpIntervals)
	}
	for i, rate := range r.Rates() {
		if (rate == 0) != (i < 1 || i >= first && i < first+4) {
			t.Errorf("interval %d: %v B/s", i, rate)
		}
	}
	if r.Series.ClientJudged(first+1) || !r.Series.ClientJudged(first-1) || !r.Series.ClientJudged(first+4) {
		t.Error("the wrong intervals of the client are judged")
	}
}

// In which order the records of sessions come changes nothing of stages.
func TestStagesOfAnyOrder(t *testing.T) {
	records := story.Staged(t)
	told := func(r *report.Report) []any {
		return []any{r.Stages, r.Curves, r.Totals, r.CommonWindow, r.Series.Total, r.Series.Unreported,
			r.Series.Clients, r.Verdict, r.Findings, r.Clients}
	}
	want := told(folded.Once(t, records))
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		if diff := cmp.Diff(want, told(folded.Once(t, story.Interleaved(records, random)))); diff != "" {
			t.Fatalf("(-in time +in another order)\n%s", diff)
		}
	}
}

// A client that did not come to the end of its schedule is named with where it was, and its run is
// never complete.
func TestAScheduleThatIsCutShort(t *testing.T) {
	for _, test := range []struct {
		name  string
		until int
		end   func(a *story.Actor)
		word  report.Word
		what  string
	}{
		{"says it is whole", 12, func(a *story.Actor) {
			a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
			a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		}, report.WordPartial, "client bravo: its load ended in stage 4 of 8, curve 40%; never reached: curve 60%, " +
			"curve 80%, curve 100%, curve 120%"},
		{"drained", 5, func(a *story.Actor) {
			a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_DRAINED, "", nil))
			a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		}, report.WordInterrupted, "client bravo: its load ended in stage 2 of 8, peak; never reached: curve 20%"},
		{"lost in the last", 25, func(a *story.Actor) { a.End(bulkheadv1.Outcome_OUTCOME_LOST, "") },
			report.WordPartial, ""},
		{"lost in the first", 1, func(a *story.Actor) { a.End(bulkheadv1.Outcome_OUTCOME_LOST, "") },
			report.WordPartial, "client bravo: it was heard of last in stage 1 of 8, fill; never reached: peak"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, steps := story.New(t, 2), story.Steps()
			a, b := s.ArriveStaged("alpha", 1, 0, steps), s.ArriveStaged("bravo", 2, 0, steps)
			story.Stages(steps, 1, test.until, b)
			test.end(b)
			end := story.Stages(steps, 1, 0, a)
			story.Leave(time.Duration(end)*time.Second, map[uint32]uint64{1: 1}, a)
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			f := fold.NewFolder()
			for _, record := range s.Records[:len(s.Records)-1] {
				if err := f.Add(record); err != nil {
					t.Fatal(err)
				}
			}
			r := folded.All(t, s.Records)
			told := strings.Join(slices.Concat(r.Verdict.Reasons, r.Verdict.Warnings), "\n")
			if r.Verdict.Word != test.word || !strings.Contains(told, test.what) ||
				test.what == "" && strings.Contains(told, "its load ended in stage") {
				t.Errorf("%s: %s", r.Verdict.Word, told)
			}
			in := r.Clients[1].Stage
			if s := r.Stages[in-1]; s.Clients != 2 || test.name != "says it is whole" && s.Finished != 1 {
				t.Errorf("%s: begun by %d, finished by %d", s.Name, s.Clients, s.Finished)
			}
			if in < 8 && (r.Stages[in].Unreached != 1 ||
				!strings.Contains(r.Stages[in].Note, "never reached by 1 client")) {
				t.Errorf("%s: %d did not reach it: %q", r.Stages[in].Name, r.Stages[in].Unreached, r.Stages[in].Note)
			}
		})
	}
}

// That the bytes of a stage ended it excuses no consumer that wrote nothing, and no stage in which nobody
// did.
func TestStagesHaveSubstance(t *testing.T) {
	s, steps := story.New(t, 1), story.Steps()[:2]
	a := s.ArriveStaged("alpha", 1, 0, steps)
	a.Consumers = 1 // of the two that it has declared
	story.Stages(steps[:1], 1, 0, a)
	a.At(4 * time.Second)
	a.Say(a.StageBegun(0, 2, 0), a.Stop(bulkheadv1.StopReason_STOP_REASON_TOTAL, "", nil))
	a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	r := folded.Once(t, s.Records)
	why := strings.Join(r.Verdict.Reasons, "\n")
	for _, want := range []string{"nothing was written in stage peak, which 1 client finished",
		"consumers 0 and 1 wrote nothing"} {
		if r.Verdict.Word != report.WordPartial || !strings.Contains(why, want) {
			t.Errorf("%s: %s; want %q", r.Verdict.Word, why, want)
		}
	}
	steps[1].Chunks = 30
	s = story.New(t, 1)
	a = s.ArriveStaged("alpha", 1, 0, steps)
	a.Consumers = 1
	story.Stages(steps, 1, 0, a)
	a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_TOTAL, "", nil))
	a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	r = folded.Once(t, s.Records)
	if why := strings.Join(r.Verdict.Reasons, "\n"); !strings.Contains(why, "consumer 1 wrote nothing") {
		t.Errorf("%s: %s", r.Verdict.Word, why)
	}
}

// While a run goes on, nobody is blamed for stages that are still to come.
func TestStagesSoFar(t *testing.T) {
	s, steps := story.New(t, 1), story.Steps()
	story.Stages(steps, 1, 9, s.ArriveStaged("alpha", 1, 0, steps))
	f := fold.NewFolder()
	for _, record := range s.Records {
		if err := f.Add(record); err != nil {
			t.Fatal(err)
		}
	}
	r := f.SoFar()
	if c := &r.Clients[0]; c.Stage != 3 || c.Stages != 8 || len(r.Verdict.Reasons)+len(r.Verdict.Warnings) > 0 {
		t.Errorf("in stage %d of %d: %q, %q", c.Stage, c.Stages, r.Verdict.Reasons, r.Verdict.Warnings)
	}
	if last := r.Stages[7]; last.Unreached != 0 || last.Note != "" {
		t.Errorf("%+v", last)
	}
	if k := r.Curves[0].Knee; k.State != report.KneeUntold {
		t.Errorf("the knee so far: %+v", k)
	}
}

// What no honest client says of stages changes nothing of the others' figures, and is said.
func TestHostileStages(t *testing.T) {
	s, steps := story.New(t, 2), story.Steps()
	a := s.ArriveStaged("alpha", 1, 0, steps)
	end := story.Stages(steps, 1, 0, a)
	b := s.Arrive("bravo", 2, 2, 4002, 0) // without stages
	c := s.ArriveStaged("charlie", 3, 0, steps[:3])
	say := func(a *story.Actor, stage uint32, warm bool) {
		p := a.Phased(0, 5, 0)
		p.Stage, p.Warmup = stage, warm
		a.SayProgress(0, p)
	}
	s.At(time.Duration(end) * time.Second)
	say(b, 1, false)
	say(b, 1<<31, false)
	b.Say(b.StageBegun(0, 7, 1))
	for range 3 {
		c.Say(c.StageBegun(0, 2, 1<<40), c.StageBegun(0, 2, 1<<40))
	}
	c.Say(c.StageBegun(1, 2, math.MaxUint64)) // which is malformed
	nan := c.StageBegun(1, 2, 0)
	nan.GetStageBegun().RateChunksPerSecond = math.NaN()
	c.Say(nan, c.StageBegun(0, 1, 1), c.StageBegun(0, 0, 1), c.StageBegun(0, 65, 1))
	for range 9 {
		c.Say(c.StageBegun(0, 3, 7), c.StageBegun(1, 3, 9))
	}
	say(c, 4, false)
	say(c, 1, false) // backwards; and not said to be a warm-up, although it is
	say(c, 0, false)
	r := folded.Once(t, s.Records)
	kinds := func(c *report.Client) map[string]uint64 {
		found := make(map[string]uint64)
		for _, one := range c.Contradictions {
			found[one.Kind] = one.Count
		}
		return found
	}
	if got := kinds(&r.Clients[1]); got[report.StrangeStage] != 3 || got[report.StageBackwards] != 0 {
		t.Errorf("bravo: %v", got)
	}
	if got := kinds(&r.Clients[2]); got[report.StrangeStage] != 4 || got[report.StageBackwards] != 2 {
		t.Errorf("charlie: %v", got)
	}
	if r.Clients[2].Malformed != 1 || len(kinds(&r.Clients[0])) > 0 {
		t.Errorf("%d malformed; alpha %v", r.Clients[2].Malformed, kinds(&r.Clients[0]))
	}
	peak := r.Stages[1]
	if len(r.Stages) != 8 || peak.OfferedBytesPerSecond != 0 || peak.Consumers != 4 || peak.Clients != 2 {
		t.Errorf("%d stages; %+v", len(r.Stages), peak)
	}
	if curve := r.Stages[2]; curve.OfferedBytesPerSecond != 2*10*story.Mib+16 || curve.Consumers != 4 {
		t.Errorf("%d B/s offered by %d consumers", curve.OfferedBytesPerSecond, curve.Consumers)
	}
	if warm := r.Clients[2].WarmUp; warm == nil || warm.Chunks < 5 {
		t.Errorf("what was said in the stage that is not reported is judged: %+v", warm)
	}
	rendered(t, r)
}

// However many stages clients declare, and whatever they call them, the report has room for a few, and
// says what it leaves out.
func TestManyStages(t *testing.T) {
	clients := 40
	r := greet(t, clients, func(i int) *bulkheadv1.Hello {
		w := new(bulkheadv1.Workload)
		for k := range 200 {
			w.Stages = append(w.Stages, &bulkheadv1.Stage{Name: fmt.Sprintf("\x1b[2J%d of %d", k, i),
				RatePercent: math.Inf(1), RateOf: uint32(k + 5), DurationNano: -1, Curve: math.MaxUint32})
		}
		w.Stages[1].Name = w.Stages[0].Name
		w.Stages[2].Name = ""
		h := smallestHello(i)
		h.Workload = w
		return h
	})
	left := uint64(clients*report.MaxStages - report.MaxRunStages)
	if len(r.Stages) != report.MaxRunStages || r.StagesLeftOut < left-uint64(clients) ||
		len(r.Curves) > report.MaxRunStages {
		t.Errorf("%d stages, %d left out, want about %d; %d curves", len(r.Stages), r.StagesLeftOut, left,
			len(r.Curves))
	}
	if s := r.Clients[3].Workload.Stages; len(s) != report.MaxStages || s[5].RatePercent != 0 || s[5].RateOf != "" ||
		s[5].DurationNano != 0 || s[2].Name != "stage 3" {
		t.Errorf("%d stages of a client: %+v", len(s), s[5])
	}
	if !strings.Contains(strings.Join(r.Verdict.Warnings, "\n"), "stages are left out") {
		t.Errorf("warned of %q", r.Verdict.Warnings)
	}
	text, _ := rendered(t, r)
	checkPrintable(t, text)
	c := &r.Clients[0]
	c.CutDeclared(c.DeclaredBytes() - 1)
	if len(c.Workload.Stages) != report.MaxStages-1 || c.Workload.StagesLeftOut != 1 {
		t.Errorf("cut to %d stages, %d left out", len(c.Workload.Stages), c.Workload.StagesLeftOut)
	}
}

// Clients with other schedules: stages are matched by name, and it is said where they differ, and where
// clients were in them at other times.
func TestStagesOfOtherSchedules(t *testing.T) {
	s, steps := story.New(t, 3), story.Steps()[1:3]
	steps[1].Stage.RateOf = 1
	other := slices.Clone(steps)
	other[0].Stage = &bulkheadv1.Stage{Name: "peak", DurationNano: int64(9e9)}
	other[1].Stage = &bulkheadv1.Stage{Name: "cool", DurationNano: int64(3e9)}
	a, b := s.ArriveStaged("alpha", 1, 0, steps), s.ArriveStaged("bravo", 2, 0, other)
	c := s.Arrive("charlie", 3, 3, 4003, 0)
	c.Start()
	story.Stages(steps, 3, 0, a)
	story.Stages(other, 1, 0, b)
	c.Say(c.Progress(0, 3, 0, ""))
	r := folded.Once(t, s.Records)
	var names []string
	for _, s := range r.Stages {
		names = append(names, s.Name)
	}
	peak := r.Stages[0]
	if diff := cmp.Diff([]string{"peak", "curve 20%", "cool"}, names); diff != "" || !peak.Differs ||
		peak.Clients != 2 ||
		peak.OverlapPercent != 50 || peak.LengthNano != int64(6e9) || r.Stages[1].Differs {
		t.Errorf("(-want +got)\n%s%+v", diff, peak)
	}
	bytes, _ := saidIn(t, s.Records, 1)
	if rate := bytes / 4; peak.BytesPerSecond+2 < rate || peak.BytesPerSecond > rate { // each over its own 4 s
		t.Errorf("%d B/s; want %d", peak.BytesPerSecond, rate)
	}
	text := strings.Join(found(r, report.FindingStages), "\n")
	var evidence string
	for _, f := range r.Findings {
		if f.Kind == report.FindingStages {
			evidence += f.Evidence + "\n"
		}
	}
	for _, want := range []string{"in stage peak together for a small part", "not all clients have the same stages",
		"only some have curve 20%, cool", "told different things under the names peak", "without stages: charlie"} {
		if !strings.Contains(text+evidence, want) {
			t.Errorf("no finding says %q:\n%s\n%s", want, text, evidence)
		}
	}
}

// The knee is the last step before the first one that the storage does not keep up with.
func TestKnee(t *testing.T) {
	ms := func(list ...float64) []float64 { return list }
	for _, test := range []struct {
		name  string
		p99   []float64 // ms; 0 for none
		short int       // the first point of which too little is delivered, from 1; 0 for none
		state string
		knee  int
	}{
		{"none", ms(2, 2, 2.2, 3, 3.9), 0, report.KneeNone, 0},
		{"it rises and stays", ms(2, 2, 2.2, 5, 40), 0, report.KneeFound, 3},
		{"it rises at the end", ms(2, 2, 2, 2, 40), 0, report.KneeFound, 4},
		{"a spike alone is none", ms(2, 2, 90, 2, 3), 0, report.KneeNone, 0},
		{"a spike before it does not hide it", ms(90, 2, 2, 2, 8), 0, report.KneeFound, 4},
		{"short", ms(2, 2, 2, 2, 2), 4, report.KneeFound, 3},
		{"short before it is slow", ms(2, 2, 2, 2, 9), 4, report.KneeFound, 3},
		{"slow before it is short", ms(2, 2, 9, 9, 9), 5, report.KneeFound, 2},
		{"the first is short", ms(2, 2, 2), 1, report.KneeBelow, 0},
		{"twice as slow from the second on tells nothing", ms(2, 5, 5, 5), 0, report.KneeNone, 0},
		{"no response", ms(0, 0, 0), 0, report.KneeNone, 0},
		{"no response, short", ms(0, 0, 0), 3, report.KneeFound, 2},
		{"too few", ms(2, 90), 2, report.KneeUntold, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var points []report.CurvePoint
			for i, p99 := range test.p99 {
				p := report.CurvePoint{Stage: i + 1, OfferedBytesPerSecond: 1000, BytesPerSecond: 950}
				if p99 > 0 {
					p.Response = &report.Latency{Count: 9, P99Nano: int64(p99 * 1e6)}
				}
				if test.short > 0 && i+1 >= test.short {
					p.BytesPerSecond = 949
				}
				points = append(points, p)
			}
			if k := judge.Knee(points); k.State != test.state || k.Stage != test.knee ||
				(k.Beyond > 0) != (k.Short || k.Slow) {
				t.Errorf("%+v", k)
			}
		})
	}
}

// Every format has the stages and the curve with its knee.
func TestStagesInEveryFormat(t *testing.T) {
	r := folded.All(t, story.Staged(t))
	c := r.Curves[0]
	if len(r.Curves) != 1 || c.Name != "curve" || c.Of != "peak" || len(c.Points) != 6 ||
		r.Stages[c.Knee.Stage-1].Name != "curve 60%" || c.Knee.State != report.KneeFound || !c.Knee.Slow ||
		c.Knee.Short {
		t.Fatalf("%d curves: %+v", len(r.Curves), c)
	}
	markdown := string(written(t, func(w io.Writer) error { return render.Markdown(r, w, nil) }))
	text, _ := rendered(t, r)
	junit := string(written(t, func(w io.Writer) error { return render.JUnit(r, w, nil) }))
	for _, format := range []struct{ name, got, want string }{
		{"text", string(text), "\nSTAGES\n"},
		{"text", string(text), "\nCURVE curve, in percent of peak\n  knee at curve 60%: "},
		{"text", string(text), "  knee  ▇"},
		{"Markdown", markdown, "## Stages\n"},
		{"Markdown", markdown, "| curve 60% | "},
		{"Markdown", markdown, "## Curve curve\n\nknee at curve 60%: "},
		{"JUnit", junit, `<testcase classname="bulkhead.stage" name="curve 60%" time="3">`},
		{"JUnit", junit, `<property name="stage.peak.bytes_per_second" value="`},
		{"JUnit", junit, `<property name="curve.curve.knee" value="knee at curve 60%: `},
	} {
		if !strings.Contains(format.got, format.want) {
			t.Errorf("%s lacks %q:\n%s", format.name, format.want, format.got)
		}
	}
	var names []string
	for _, row := range rowsOf(t, written(t, func(w io.Writer) error { return render.CSV(r, w) })) {
		names = append(names, row["stage"])
	}
	own := slices.Concat([]string{"", "fill", "fill"}, slices.Repeat([]string{"peak"}, 4), []string{""})
	for _, name := range []string{"curve 20%", "curve 40%", "curve 60%", "curve 80%", "curve 100%", "curve 120%"} {
		own = append(own, name, name, name)
	}
	if n := len(names) / 2; len(names) < 2*len(own) || !slices.Equal(names[:len(own)], own) ||
		!slices.Equal(names[n:n+len(own)], own) {
		t.Errorf("CSV says of its intervals %q; want %q of each client", names, own)
	}
}

// Two runs are compared stage by stage, by their names.
func TestStagesAreCompared(t *testing.T) {
	a := folded.All(t, story.Staged(t))
	records, _ := between(t)
	b := folded.Once(t, records)
	b.Stages[0].Name = "peak"
	c := compare.Reports(a, b)
	if len(c.Stages) != 10 || c.Stages[1].Name != "peak" || c.Stages[1].A == nil || c.Stages[1].B == nil ||
		!c.Stages[1].Differs || c.Stages[1].ChangePercent >= 0 || c.Stages[0].B != nil || c.Stages[9].A != nil ||
		!c.Stages[4].A.Knee {
		t.Errorf("%d stages: %+v", len(c.Stages), c.Stages)
	}
	text, markdown := string(written(t, c.Text)), string(written(t, c.Markdown))
	for _, want := range []string{"STAGES, by their names", "not the same stage", "knee of A"} {
		if !strings.Contains(text, want) || !strings.Contains(strings.ToLower(markdown), strings.ToLower(want)) {
			t.Errorf("the comparison lacks %q:\n%s", want, text)
		}
	}
	if same := compare.Reports(a, a); same.Stages[1].ChangePercent != 0 || same.Stages[1].Differs {
		t.Errorf("of itself: %+v", same.Stages[1])
	}
}

// The page has the stages as a table and as bands, and the curve with its knee, which the keyboard
// reads; it is drawn in light and in the dark, on a phone and on paper.
func TestPageShowsStagesAndCurves(t *testing.T) {
	r := folded.All(t, story.Staged(t))
	w := show(t, r, pagetest.Desk)
	wanted := map[string][]string{"curves": {"s0", "ink"}, "throughput": {"s0"}}
	checkDrawn(t, w, wanted)
	w.ScreenshotOf("#stages", "stages")
	w.ScreenshotOf("#curves", "curves")
	w.ScreenshotOf("#throughput", "stages-throughput")
	w.Dark(true)
	checkDrawn(t, w, wanted)
	w.Accessible("stages in the dark")
	w.ScreenshotOf("#curves", "curves-dark")
	w.Dark(false)
	w.Accessible("stages")
	if pages := w.Print("stages"); pages > 9 {
		t.Errorf("on paper they take %d pages", pages)
	}
	plot := `document.querySelector("#curves .plot")`
	if got := pagetest.Ask[string](w, plot+`.dataset.points + " " + `+plot+`.dataset.knees`); got != "6 curve 60%" {
		t.Errorf("drawn are %q", got)
	}
	if got := pagetest.Ask[string](w, plot+`.getAttribute("aria-label")`); !strings.Contains(got, r.Curves[0].Text) {
		t.Errorf("the chart is called %q", got)
	}
	if got := pagetest.Ask[string](w,
		`document.querySelector("#throughput .plot").dataset.stages`); got != "fill, peak, "+
		"curve 20%, curve 40%, curve 60%, curve 80%, curve 100%, curve 120%" {
		t.Errorf("in the chart over time %q have names", got)
	}
	pagetest.Ask[bool](w, `(`+plot+`.focus(), true)`)
	for _, step := range []struct{ key, want string }{
		{kb.ArrowRight, "curve 20%: "}, {kb.ArrowRight, "curve 40%: "}, {kb.ArrowRight, "curve 60%, the knee: "},
		{kb.End, "curve 120%: "}, {kb.Home, "curve 20%: "},
	} {
		w.Do(chromedp.KeyEvent(step.key))
		got := pagetest.Ask[string](w, `document.getElementById("readout").textContent`)
		if !strings.HasPrefix(got, step.want) {
			t.Errorf("the keyboard reads %q; want %q", got, step.want)
		}
	}
	pagetest.Ask[bool](w, `(document.querySelector("#curves details").open = true)`)
	pagetest.Await(w, `document.querySelectorAll("#curves tbody tr").length === 6`)
	rows := pagetest.Ask[[]string](w,
		`[...document.querySelectorAll("#stages tbody tr")].map((n) => n.innerText)`)
	if len(rows) != 8 || !strings.Contains(rows[0], "not reported") {
		t.Errorf("the table has %q", rows)
	}
	pagetest.Ask[bool](w, `(document.querySelectorAll("#stages tbody button")[1].click(), true)`)
	pagetest.Await(w, `!document.getElementById("zoom-reset").disabled`)
	if got := pagetest.Ask[string](w,
		`((p) => p.from + " to " + p.to)(document.querySelector("#throughput .plot").dataset)`); got != "3 to 7" {
		t.Errorf("a click on the second stage shows %s", got)
	}
	w.Resize(pagetest.Phone)
	pagetest.Await(w, `document.querySelector("#curves .uplot").offsetWidth < 400`)
	w.ScreenshotOf("#curves", "curves-phone")
	w.ScreenshotOf("#stages", "stages-phone")
}

// A page without stages says nothing of them.
func TestPageWithoutStages(t *testing.T) {
	w := show(t, folded.All(t, story.OneClient(t)), pagetest.Desk)
	for _, id := range []string{"stages", "curves"} {
		if pagetest.Ask[bool](w, `document.getElementById("`+id+`").checkVisibility()`) {
			t.Errorf("it shows %s", id)
		}
	}
}
