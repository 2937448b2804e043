package stories

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
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

// What is said of no stage takes the time of the one that was begun, and before the first it is in no
// figure: no bytes come without their time.
func TestProgressOfNoStage(t *testing.T) {
	steps := []story.Step{
		{Stage: &bulkheadv1.Stage{Name: "a", DurationNano: int64(5e9)}, Seconds: 5, Chunks: 20},
		{Stage: &bulkheadv1.Stage{Name: "b", DurationNano: int64(5e9)}, Seconds: 5, Chunks: 20},
	}
	for _, number := range []uint32{0, 3, 1 << 31} {
		s := story.New(t, 1)
		a := s.ArriveStaged("alpha", 1, 0, steps)
		say := func(second int) (bytes uint64) {
			a.At(time.Duration(second) * time.Second)
			for i := range a.Consumers {
				p := a.Phased(i, 20, 0)
				p.Stage = number
				a.SayProgress(i, p)
				bytes += p.Bytes
			}
			return bytes
		}
		before := say(1)
		end := story.Stages(steps, 1, 0, a)
		after := say(end+1) + say(end+2)
		story.Leave(time.Duration(end+2)*time.Second, map[uint32]uint64{1: 1}, a)
		s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		r := folded.Once(t, s.Records)
		first, _ := saidIn(t, s.Records, 1)
		second, _ := saidIn(t, s.Records, 2)
		if b := r.Stages[1]; b.Bytes != second+after || b.LengthNano != 7e9 || r.Stages[0].Bytes != first {
			t.Errorf("of stage %d: %d B in %d ns of b; want %d in 7 s", number, b.Bytes, b.LengthNano, second+after)
		}
		if r.Totals.Bytes != first+second+after || r.Totals.WritingNano != 12e9 ||
			r.Totals.WarmUp == nil || r.Totals.WarmUp.Bytes != before {
			t.Errorf("of stage %d: %d B in %d ns, not judged %+v; want %d in 12 s, and not %d", number, r.Totals.Bytes,
				r.Totals.WritingNano, r.Totals.WarmUp, first+second+after, before)
		}
		if list := r.Clients[0].Contradictions; len(list) != 1 || list[0].Kind != report.StrangeStage ||
			list[0].Count != 6 {
			t.Errorf("of stage %d: contradictions %+v", number, list)
		}
	}
}
