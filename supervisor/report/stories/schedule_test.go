package stories

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

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

// What was delivered later of a client is no further client of its stages, and its consumers are none,
// be it that it alone has them; how far the client came is known from all of it.
func TestTheRestOfAClientWithStages(t *testing.T) {
	for _, test := range []struct {
		name               string
		until              int // the second of the run at which it is lost
		whole              bool
		finished, consumed []int // by stage
	}{
		{"all of it", 5, true, []int{1, 1, 1}, []int{2, 2, 2}},
		{"a part", 5, false, []int{1, 1, 0}, []int{2, 2, 2}},
		{"nothing before", 0, true, []int{1, 1, 1}, []int{2, 2, 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, steps := story.New(t, 1), story.Steps()[:3]
			a := s.ArriveStaged("alpha", 1, 0, steps)
			if test.until > 0 {
				story.Stages(steps, 1, test.until, a)
			}
			a.End(bulkheadv1.Outcome_OUTCOME_LOST, "gone for 30s")
			b := s.At(40*time.Second).Resend(a, 2, a.Seq)
			s.Hello(2).Workload = s.Hello(1).Workload
			b.Of(a)
			if test.until > 0 { // the rest of peak, which began before
				p := b.Phased(0, 5, 0)
				p.Stage = 2
				b.SayProgress(0, p)
				p = b.Phased(1, 5, 0)
				p.Stage = 2
				b.SayProgress(1, p)
				b.Say(b.StageBegun(0, 3, 1000), b.StageBegun(1, 3, 1000))
			} else {
				story.Stages(steps, 41, 0, b)
			}
			if test.whole {
				b.Say(b.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
			}
			b.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			r := folded.All(t, s.Records)
			if r.Clients[1].Continues != 1 {
				t.Fatalf("the rest is of session %d", r.Clients[1].Continues)
			}
			for i := range r.Stages {
				st := &r.Stages[i]
				if st.Clients != 1 || st.Finished != test.finished[i] || st.Unreached != 0 ||
					st.Consumers != uint64(test.consumed[i]) {
					t.Errorf("%s: begun by %d clients and %d consumers, finished by %d, never by %d", st.Name,
						st.Clients, st.Consumers, st.Finished, st.Unreached)
				}
			}
		})
	}
}
