package stories

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/pagetest"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/render"
)

// However long the supervisor waits before the first client and after the last, the
// intervals are as short as those of the load alone and cover it.
func TestWaitingIsNoPartOfTheSeries(t *testing.T) {
	want := folded.All(t, story.Idle(t, 0, 0)).Series
	for _, wait := range []struct{ before, after time.Duration }{
		{12 * time.Minute, 0}, {0, 12 * time.Minute}, {3601 * time.Second, 5 * time.Hour}, {21 * 24 * time.Hour, 0},
	} {
		name := fmt.Sprintf("%v before, %v after", wait.before, wait.after)
		f := fold.NewFolder()
		for _, r := range story.Idle(t, wait.before, wait.after) {
			if err := f.Add(r); err != nil {
				t.Fatal(err)
			}
			soFar := f.SoFar()
			s := soFar.Series
			if len(soFar.Clients) > 0 && (s.IntervalNano != fold.BaseInterval || s.Intervals > 22) {
				t.Fatalf("%s: live, %d intervals of %v", name, s.Intervals, time.Duration(s.IntervalNano))
			}
		}
		r := f.Report()
		s := r.Series
		// The interval that ends with the arrival is the first.
		first := max(wait.before-time.Second, 0)
		if s.OffsetNano != int64(first) || s.StartAt != r.Run.StartedAt+report.Stamp(first) {
			t.Errorf("%s: the series begins %v after the run, want %v", name, time.Duration(s.OffsetNano), first)
		}
		if length := time.Duration(s.EndAt - s.StartAt); length < 20*time.Second || length > 22*time.Second {
			t.Errorf("%s: the series is %v long", name, length)
		}
		if story.Sum(s.Total.Bytes) != r.Totals.Bytes || r.Totals.Bytes == 0 || len(s.Total.Bytes) != s.Intervals {
			t.Errorf("%s: %d bytes in %d intervals, %d in the run", name, story.Sum(s.Total.Bytes), len(s.Total.Bytes),
				r.Totals.Bytes)
		}
		if got := s.Total.Bytes[s.Intervals-want.Intervals:]; wait.before > 0 && !slices.Equal(got, want.Total.Bytes) {
			t.Errorf("%s: bytes %v\nwant %v", name, got, want.Total.Bytes)
		}
		if stated := strings.Contains(s.ReducedText, "of the run on"); stated != (s.OffsetNano > 0) {
			t.Errorf("%s: %q", name, s.ReducedText)
		}
		if rows := len(strings.Split(string(written(t, func(w io.Writer) error { return render.CSV(r, w) })),
			"\r\n")); rows > 2*23+2 {
			t.Errorf("%s: %d rows of CSV", name, rows)
		}
	}
}

// Clients that come at different times and write far apart give shards that begin and end
// elsewhere; those merge to the whole, and so does whichever order they are folded in, also
// when one says late that it wrote before the first had come.
func TestShardsThatBeginElsewhereMergeToTheWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	stories := 30
	if testing.Short() {
		stories = 5
	}
	for range stories {
		s := story.New(t, 3)
		now := time.Duration(1+random.IntN(3000)) * time.Second
		for n := uint32(1); n <= 3; n++ {
			a := s.At(now).Arrive("a", n, uint64(n), int32(n), 0)
			for range 3 + random.IntN(20) {
				now += time.Duration(random.IntN(200_000)) * time.Millisecond
				m := a.At(now).Progress(0, 3, 0, "")
				m.GetProgress().IntervalNano = int64(random.IntN(500)) * 1e9
				a.Say(m, a.Sample(0, 1))
			}
			a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
			a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
			now += time.Duration(random.IntN(2000)) * time.Second
		}
		whole := fold.NewFolder()
		for _, r := range s.Records {
			if err := whole.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		want := whole.Report().Series
		merged := make([]uint64, want.Intervals)
		chunks := make([]uint64, want.Intervals)
		run, sessions := story.BySession(s.Records)
		backwards := []*bulkheadv1.Record{run[0]}
		for n := uint32(1); n <= 3; n++ {
			backwards = append(backwards, sessions[n][0])
			shard := folded.All(t, slices.Concat(run, sessions[n])).Series
			if shard.IntervalNano > want.IntervalNano {
				t.Fatalf("a shard has intervals of %v, the whole of %v", time.Duration(shard.IntervalNano),
					time.Duration(want.IntervalNano))
			}
			for i := range shard.Intervals {
				place := int((shard.OffsetNano+
					int64(i)*shard.IntervalNano)/want.IntervalNano - want.OffsetNano/want.IntervalNano)
				merged[place] += shard.Total.Bytes[i]
				chunks[place] += shard.Total.Chunks[i]
			}
		}
		if !slices.Equal(merged, want.Total.Bytes) || !slices.Equal(chunks, want.Total.Chunks) {
			t.Fatalf("merged shards have\n%v\nthe whole has\n%v", merged, want.Total.Bytes)
		}
		for n := uint32(3); n >= 1; n-- {
			backwards = append(backwards, sessions[n][1:]...)
		}
		if diff := gocmp.Diff(want, folded.All(t, backwards).Series); diff != "" {
			t.Fatalf("the order of sessions matters (-in time +backwards):\n%s", diff)
		}
	}
}

// The charts of the page cover the load, and say when in the run that was.
func TestPageBeginsWithTheFirstClient(t *testing.T) {
	w := show(t, folded.All(t, story.Idle(t, 12*time.Minute, 12*time.Minute)), pagetest.Desk)
	for _, got := range pagetest.Ask[[]string](w,
		`[...new Set([...document.querySelectorAll(".plot[data-from]")].map((n) => Number(n.dataset.from).toFixed(0) + " to " + Number(n.dataset.to).toFixed(0)))]`) {
		if got != "719 to 741" {
			t.Errorf("a chart shows %s, want 719 to 741", got)
		}
	}
	checkDrawn(t, w, some("throughput"))
	if text := pagetest.Ask[string](w, `document.getElementById("reduced").textContent`); !strings.Contains(text,
		"from +12m") && !strings.Contains(text, "from +11m59s") {
		t.Errorf("under the charts: %q", text)
	}
	w.Screenshot("idle")
}
