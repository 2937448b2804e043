package report

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"bulkhead/internal/pagetest"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// idle is a run that waits for its first client, has two of them at work for 20 s, which
// come 7 s after each other, and then waits for a third one that never comes.
func idle(t testing.TB, before, after time.Duration) []*bulkheadv1.Record {
	s := newStory(t, 3)
	s.at(before/2).rejected(9, 4009, "127.0.0.1:50009", "stray", "wrong token")
	a := s.at(before).arrive("a", 1, 1, 4001, time.Hour)
	a.start()
	load(before, 1, 7, a)
	b := s.at(before+7*time.Second).arrive("b", 2, 2, 4002, -time.Hour)
	b.start()
	load(before, 8, 20, a, b)
	leave(before+20*time.Second, map[uint32]uint64{1: 1, 2: 2}, a, b)
	s.at(before+20*time.Second+after).ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "")
	return s.records
}

// load lets clients write from second from to second to after since the start of the run.
func load(since time.Duration, from, to int, actors ...*actor) {
	for n := from; n <= to; n++ {
		for _, a := range actors {
			a.at(since + time.Duration(n)*time.Second)
			a.say(append(a.second(n), a.heartbeat(uint64(n)))...)
		}
	}
}

// However long the supervisor waits before the first client and after the last, the
// intervals are as short as those of the load alone and cover it.
func TestWaitingIsNoPartOfTheSeries(t *testing.T) {
	want := foldAll(t, idle(t, 0, 0)).Series
	for _, wait := range []struct{ before, after time.Duration }{
		{12 * time.Minute, 0}, {0, 12 * time.Minute}, {3601 * time.Second, 5 * time.Hour}, {21 * 24 * time.Hour, 0},
	} {
		name := fmt.Sprintf("%v before, %v after", wait.before, wait.after)
		f := NewFolder()
		for _, r := range idle(t, wait.before, wait.after) {
			if err := f.Add(r); err != nil {
				t.Fatal(err)
			}
			if s := f.SoFar().Series; len(f.order) > 0 && (s.IntervalNano != baseInterval || s.Intervals > 22) {
				t.Fatalf("%s: live, %d intervals of %v", name, s.Intervals, time.Duration(s.IntervalNano))
			}
		}
		r := f.Report()
		s := r.Series
		// The interval that ends with the arrival is the first.
		first := max(wait.before-time.Second, 0)
		if s.OffsetNano != int64(first) || s.StartAt != r.Run.StartedAt+Stamp(first) {
			t.Errorf("%s: the series begins %v after the run, want %v", name, time.Duration(s.OffsetNano), first)
		}
		if length := time.Duration(s.EndAt - s.StartAt); length < 20*time.Second || length > 22*time.Second {
			t.Errorf("%s: the series is %v long", name, length)
		}
		if sum(s.Total.Bytes) != r.Totals.Bytes || r.Totals.Bytes == 0 || len(s.Total.Bytes) != s.Intervals {
			t.Errorf("%s: %d bytes in %d intervals, %d in the run", name, sum(s.Total.Bytes), len(s.Total.Bytes), r.Totals.Bytes)
		}
		if got := s.Total.Bytes[s.Intervals-want.Intervals:]; wait.before > 0 && !slices.Equal(got, want.Total.Bytes) {
			t.Errorf("%s: bytes %v\nwant %v", name, got, want.Total.Bytes)
		}
		if stated := strings.Contains(s.ReducedText, "of the run on"); stated != (s.OffsetNano > 0) {
			t.Errorf("%s: %q", name, s.ReducedText)
		}
		if rows := len(strings.Split(string(written(t, r.CSV)), "\r\n")); rows > 2*23+2 {
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
		s := newStory(t, 3)
		now := time.Duration(1+random.IntN(3000)) * time.Second
		for n := uint32(1); n <= 3; n++ {
			a := s.at(now).arrive("a", n, uint64(n), int32(n), 0)
			for range 3 + random.IntN(20) {
				now += time.Duration(random.IntN(200_000)) * time.Millisecond
				m := a.at(now).progress(0, 3, 0, "")
				m.GetProgress().IntervalNano = int64(random.IntN(500)) * 1e9
				a.say(m, a.sample(0, 1))
			}
			a.say(a.stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
			a.end(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
			now += time.Duration(random.IntN(2000)) * time.Second
		}
		whole := NewFolder()
		for _, r := range s.records {
			if err := whole.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		want := whole.Report().Series
		merged := make([]uint64, want.Intervals)
		chunks := make([]uint64, want.Intervals)
		run, sessions := bySession(s.records)
		backwards := []*bulkheadv1.Record{run[0]}
		for n := uint32(1); n <= 3; n++ {
			backwards = append(backwards, sessions[n][0])
			shard := foldAll(t, slices.Concat(run, sessions[n])).Series
			if shard.IntervalNano > want.IntervalNano {
				t.Fatalf("a shard has intervals of %v, the whole of %v", time.Duration(shard.IntervalNano), time.Duration(want.IntervalNano))
			}
			for i := range shard.Intervals {
				place := int((shard.OffsetNano+int64(i)*shard.IntervalNano)/want.IntervalNano - want.OffsetNano/want.IntervalNano)
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
		if diff := gocmp.Diff(want, foldAll(t, backwards).Series); diff != "" {
			t.Fatalf("the order of sessions matters (-in time +backwards):\n%s", diff)
		}
	}
}

// The charts of the page cover the load, and say when in the run that was.
func TestPageBeginsWithTheFirstClient(t *testing.T) {
	w := show(t, foldAll(t, idle(t, 12*time.Minute, 12*time.Minute)), pagetest.Desk)
	for _, got := range pagetest.Ask[[]string](w, `[...new Set([...document.querySelectorAll(".plot[data-from]")].map((n) => Number(n.dataset.from).toFixed(0) + " to " + Number(n.dataset.to).toFixed(0)))]`) {
		if got != "719 to 741" {
			t.Errorf("a chart shows %s, want 719 to 741", got)
		}
	}
	checkDrawn(t, w, some("throughput"))
	if text := pagetest.Ask[string](w, `document.getElementById("reduced").textContent`); !strings.Contains(text, "from +12m") && !strings.Contains(text, "from +11m59s") {
		t.Errorf("under the charts: %q", text)
	}
	w.Screenshot("idle")
}
