package consumer

import (
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/client/budget"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// inStage is what the Progress messages of a stage say together, and what StageBegun says of it.
type inStage struct {
	begun         *bulkheadv1.StageBegun
	at            time.Duration // when it began, since the first stage did
	bytes, chunks uint64
	writing       time.Duration
	warmup        bool
	responses     uint64
	longest       time.Duration
}

// staged sorts what a consumer says by stage, and checks that it says it in order.
func staged(t *testing.T, messages []*bulkheadv1.Message) map[uint32]*inStage {
	t.Helper()
	out := make(map[uint32]*inStage)
	var first int64
	last := uint32(0)
	for _, m := range messages {
		if b := m.GetStageBegun(); b != nil {
			if b.GetStage() != last+1 {
				t.Errorf("stage %d begins after stage %d", b.GetStage(), last)
			}
			if last = b.GetStage(); first == 0 {
				first = m.GetTimeUnixNano()
			}
			out[last] = &inStage{begun: b, at: time.Duration(m.GetTimeUnixNano() - first)}
		}
		p := m.GetProgress()
		if p == nil {
			continue
		}
		number := p.GetStage()
		if number != max(last, 1) {
			t.Errorf("a Progress of stage %d in stage %d", number, last)
		}
		one := out[number]
		if one == nil {
			if p.GetBytes() > 0 || p.GetIntervalNano() > 0 {
				t.Errorf("something is done before the first stage: %v", p)
			}
			continue
		}
		one.bytes += p.GetBytes()
		one.chunks += p.GetChunks()
		one.writing += time.Duration(p.GetIntervalNano())
		one.warmup = p.GetWarmup()
		for _, n := range p.GetResponse().GetCount() {
			one.responses += n
		}
		one.longest = max(one.longest, time.Duration(p.GetResponse().GetMax()))
	}
	return out
}

// about reports whether a number is within so many of another.
func about(got, want, within float64) bool { return math.Abs(got-want) <= within }

// Three stages of a consumer whose writes take 1 ms: each lasts its time, has its rate, its writers
// and its pause, and a percentage is of what was reached.
func TestStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		d := newScriptedDisk(slow(nil))
		messages := play(t, d, time.Minute, 0, func(task *bulkheadv1.ConsumerTask) {
			task.Spec.FileSizeBytes, task.Spec.KeepFiles = 2000, 1
			task.Stages = []*bulkheadv1.Stage{
				{Name: "fill", DurationNano: int64(2500 * time.Millisecond), Unreported: true,
					PauseNano: int64(3 * time.Second)},
				{Name: "peak", DurationNano: int64(4 * time.Second), Concurrency: 4},
				{Name: "half", DurationNano: int64(10 * time.Second), RatePercent: 50, RateOf: 2,
					PauseNano: int64(5 * time.Second)},
				{Name: "slow", DurationNano: int64(10 * time.Second), RateChunksPerSecond: 20, Concurrency: 2},
			}
		})
		got := staged(t, messages)
		for number, want := range map[uint32]struct {
			at, writing time.Duration
			chunks      float64
			warmup      bool
		}{
			1: {0, 2500 * time.Millisecond, 2500, true},
			2: {2500 * time.Millisecond, 4 * time.Second, 16_000, false},
			3: {11500 * time.Millisecond, 10 * time.Second, 10_000, false}, // half of it is more than one writer can
			4: {21500 * time.Millisecond, 10 * time.Second, 200, false},
		} {
			one := got[number]
			if one == nil {
				t.Errorf("stage %d did not begin", number)
				continue
			}
			if one.at != want.at || !about(float64(one.writing), float64(want.writing), 1e6) ||
				!about(float64(one.chunks), want.chunks, want.chunks/100+5) || one.warmup != want.warmup {
				t.Errorf("stage %d: %+v; want %+v", number, one, want)
			}
		}
		if rate := got[3].begun.GetRateBytesPerSecond(); !about(float64(rate), 2_000_000, 10_000) {
			t.Errorf("half of what was reached is %d B/s", rate)
		}
		if got[1].begun.GetRateBytesPerSecond() != 0 || got[4].begun.GetRateChunksPerSecond() != 20 {
			t.Errorf("the rates are said to be %v, %v", got[1].begun, got[4].begun)
		}
		for _, c := range d.of("write") {
			switch at := c.at.Sub(began); {
			case at < 3*time.Second,
				at > 9501*time.Millisecond && at < 14500*time.Millisecond,
				at > 34501*time.Millisecond:
				t.Fatalf("somebody writes at %v", at)
			}
		}
		sum := sum(messages)
		if files := rollovers(messages); sum.GetBytes() != sizes(files) {
			t.Errorf("%d bytes in Progress, %d in Rollovers", sum.GetBytes(), sizes(files))
		}
	})
}

func sizes(files []*bulkheadv1.Rollover) (bytes uint64) {
	for _, f := range files {
		bytes += f.GetSizeBytes()
	}
	return bytes
}

// A stage ends in time although a write is stuck, and what was due in it counts there: with the time
// that it had waited by then, and not again when it is written.
func TestStageEndsWhileAWriteIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var writes atomic.Int64
		d := newScriptedDisk(func(c call) (int, error) {
			if c.op == "write" && writes.Add(1) == 50 {
				time.Sleep(7 * time.Second) // from 4.9 s on, for as long as the second stage and longer
			}
			return 0, nil
		})
		got := staged(t, play(t, d, time.Minute, 0, func(task *bulkheadv1.ConsumerTask) {
			task.Stages = []*bulkheadv1.Stage{
				{Name: "a", DurationNano: int64(10 * time.Second), RateChunksPerSecond: 10},
				{Name: "b", DurationNano: int64(time.Second), RateChunksPerSecond: 10},
				{Name: "c", DurationNano: int64(10 * time.Second), RateChunksPerSecond: 10},
			}
		}))
		if got[2].at != 10*time.Second || got[3].at != 11*time.Second {
			t.Errorf("the stages began at %v and %v", got[2].at, got[3].at)
		}
		// Of a, 49 chunks were written and 51 were due; of b all 10 were due and none was written.
		if a := got[1]; a.chunks != 49 || a.responses != 100 || !about(a.longest.Seconds(), 5.1, 0.01) {
			t.Errorf("a: %+v", a)
		}
		if b := got[2]; b.chunks != 0 || b.responses != 10 || !about(b.longest.Seconds(), 1, 0.01) {
			t.Errorf("b: %+v", b)
		}
		if c := got[3]; c.chunks != 101 || c.responses != 100 || !about(c.longest.Seconds(), 0.9, 0.01) {
			t.Errorf("c: %+v", c)
		}
	})
}

// What would have been due behind a drain is not overdue, although its stage goes on until a stuck write
// lets it end.
func TestADrainInAStageThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var writes atomic.Int64
		d := newScriptedDisk(func(c call) (int, error) {
			if c.op == "write" && writes.Add(1) == 20 {
				time.Sleep(20 * time.Second) // from 1.9 s on, over the drain and the end of the stage
			}
			return 0, nil
		})
		got := staged(t, play(t, d, 4*time.Second, time.Minute, func(task *bulkheadv1.ConsumerTask) {
			task.Stages = []*bulkheadv1.Stage{
				{Name: "a", DurationNano: int64(10 * time.Second), RateChunksPerSecond: 10},
				{Name: "b", DurationNano: int64(time.Second), RateChunksPerSecond: 10},
			}
		}))
		// 19 chunks were written; those that were due from 1.9 s until the drain had waited until the stage ended.
		if a := got[1]; len(got) != 1 || a.responses != 40 || !about(a.longest.Seconds(), 8.1, 0.01) {
			t.Errorf("%d stages; a: %+v", len(got), a)
		}
	})
}

// All consumers together write the bytes of a stage; it ends with the last chunk of them, which counts
// in it, and not while a write fails that may be made good.
func TestStageEndsWithItsBytes(t *testing.T) {
	const chunks, chunk = 500, 1000
	shared, err := budget.New(chunks*chunk, 1<<62, 10*chunk)
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	descriptor, err := syscall.Dup(int(shared.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		time.AfterFunc(50*time.Millisecond, func() { // another consumer
			for range 100 {
				shared.Of(0).Take(chunk)
			}
		})
		var writes atomic.Int64
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if c.op == "write" && writes.Add(1) == 400 {
				time.Sleep(time.Second)
				return 0, syscall.EIO
			}
			return 0, nil
		}))
		got := staged(t, play(t, d, time.Minute, 0, func(task *bulkheadv1.ConsumerTask) {
			task.BudgetDescriptor = uint32(descriptor)
			task.Spec.FileSizeBytes, task.Spec.Concurrency = 2000, 3
			task.Stages = []*bulkheadv1.Stage{
				{Name: "fill", TotalBytes: chunks * chunk},
				{Name: "run", DurationNano: int64(time.Second)},
				{Name: "few", TotalBytes: 10 * chunk, DurationNano: int64(10 * time.Second)},
			}
		}))
		if a := got[1]; a.bytes != (chunks-100)*chunk {
			t.Errorf("fill: %+v", a)
		}
		if at := got[2].at; at < time.Second || at > 1300*time.Millisecond {
			t.Errorf("the second stage begins at %v; the last chunk was written after a second", at)
		}
		if b := got[2]; !about(float64(b.chunks), 3000, 20) {
			t.Errorf("run: %+v", b)
		}
		// With what the three writers were at when the second ended.
		if c := got[3]; c.bytes < 10*chunk || c.bytes > 13*chunk || c.writing > 20*time.Millisecond {
			t.Errorf("few: %+v", c)
		}
		if !shared.Of(0).Spent() || !shared.Of(2).Spent() {
			t.Error("something is left")
		}
	})
}

// A write that is stuck does not keep a stage whose bytes are taken for longer than until it is
// called stalled.
func TestStageWithoutADurationDoesNotWaitForAStuckWrite(t *testing.T) {
	shared, err := budget.New(10_000, 1<<62)
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	descriptor, err := syscall.Dup(int(shared.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var writes atomic.Int64
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if c.op == "write" && writes.Add(1) == 10 {
				time.Sleep(30 * time.Second)
			}
			return 0, nil
		}))
		got := staged(t, play(t, d, time.Minute, 0, func(task *bulkheadv1.ConsumerTask) {
			task.BudgetDescriptor = uint32(descriptor)
			task.StallAfterNano, task.Spec.FileSizeBytes = int64(2*time.Second), 2000
			task.Stages = []*bulkheadv1.Stage{{Name: "fill", TotalBytes: 10_000},
				{Name: "run", DurationNano: int64(10 * time.Second)}}
		}))
		if got[2] == nil || !about(got[2].at.Seconds(), 2, 0.3) {
			t.Errorf("the second stage: %+v", got[2])
		}
	})
}

// Files go on from one stage to the next, and are synced as the stage says in which they end; only
// O_DSYNC takes a file of its own.
func TestFilesGoOnFromStageToStage(t *testing.T) {
	stage := func(name string, sync bulkheadv1.SyncPolicy) *bulkheadv1.Stage {
		return &bulkheadv1.Stage{Name: name, DurationNano: int64(time.Second), Sync: sync, RateChunksPerSecond: 10}
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		d := newScriptedDisk(nil)
		messages := play(t, d, 5*time.Second, 0, func(task *bulkheadv1.ConsumerTask) {
			task.Spec.FileSizeBytes = 15_000
			task.Stages = []*bulkheadv1.Stage{
				stage("own", bulkheadv1.SyncPolicy_SYNC_POLICY_UNSPECIFIED),
				stage("chunk", bulkheadv1.SyncPolicy_SYNC_POLICY_CHUNK),
				stage("dsync", bulkheadv1.SyncPolicy_SYNC_POLICY_DSYNC),
				stage("none", bulkheadv1.SyncPolicy_SYNC_POLICY_NONE),
			}
		})
		var files []string
		for _, f := range rollovers(messages) {
			files = append(files, fmt.Sprintf("%d:%d", f.GetFileIndex(), f.GetChunks()))
		}
		// The second file is cut where files begin to be opened with O_DSYNC, and the third where that ends.
		if want := []string{"0:15", "1:5", "2:10", "3:10"}; !slices.Equal(files, want) {
			t.Errorf("files and their chunks: %v; want %v", files, want)
		}
		var dsync []bool
		for _, c := range d.of("create") {
			dsync = append(dsync, c.mode.DSync)
		}
		if want := []bool{false, false, true, false}; !slices.Equal(dsync, want) {
			t.Errorf("opened with O_DSYNC: %v; want %v", dsync, want)
		}
		if n := len(d.of("datasync")); n != 10 {
			t.Errorf("%d calls of fdatasync; want one for each chunk of the second stage", n)
		}
		var synced []time.Duration
		for _, c := range d.of("sync") {
			synced = append(synced, c.at.Sub(began).Round(100*time.Millisecond))
		}
		// At their ends: file 0 in chunk, file 1 at the end of it, file 2 in dsync.
		want := []time.Duration{1400 * time.Millisecond, 2 * time.Second, 3 * time.Second}
		if !slices.Equal(synced, want) {
			t.Errorf("synced at %v; want %v", synced, want)
		}
	})
}

// The end comes in the midst of a stage, in a pause, and behind the last one: the stages that are left
// do not begin, and files are finished as after any other load.
func TestTheEndInTheMidstOfStages(t *testing.T) {
	for name, tt := range map[string]struct {
		at    time.Duration
		begun int
	}{
		"in the first": {500 * time.Millisecond, 1}, "in a pause": {1500 * time.Millisecond, 1},
		"in the second": {3500 * time.Millisecond, 2}, "behind the last": {10 * time.Second, 2},
		"in the pause of the first": {0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newScriptedDisk(slow(nil))
				began := time.Now()
				messages := play(t, d, tt.at, time.Second, func(task *bulkheadv1.ConsumerTask) {
					task.Spec.FileSizeBytes, task.Spec.Concurrency = 100_000, 2
					task.Stages = []*bulkheadv1.Stage{
						{Name: "a", DurationNano: int64(time.Second), PauseNano: int64(time.Millisecond)},
						{Name: "b", DurationNano: int64(2 * time.Second), PauseNano: int64(2 * time.Second),
							Concurrency: 1},
					}
				})
				if got := staged(t, messages); len(got) != tt.begun {
					t.Errorf("%d stages began; want %d", len(got), tt.begun)
				}
				if took := time.Since(began) - tt.at; took > 500*time.Millisecond {
					t.Errorf("it took %v to end", took)
				}
				if sum, files := sum(messages), rollovers(messages); sum.GetBytes() != sizes(files) {
					t.Errorf("%d bytes in Progress, %d in Rollovers", sum.GetBytes(), sizes(files))
				}
			})
		})
	}
}

// A writer that waits for a chunk which is not due before its stage ends does not keep the end of the
// load waiting, be it a moment before that of the stage.
func TestTheEndRightBeforeThatOfTheLastStage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		one := []*bulkheadv1.Stage{{Name: "a", DurationNano: int64(time.Second), RateChunksPerSecond: 10}}
		messages := play(t, newScriptedDisk(nil), time.Second-time.Microsecond, time.Hour,
			func(task *bulkheadv1.ConsumerTask) { task.Stages = one })
		if took := time.Since(began); took > 1100*time.Millisecond {
			t.Errorf("it ended after %v", took)
		}
		if a := staged(t, messages)[1]; a.chunks != 10 || a.responses != 10 || a.longest > time.Millisecond {
			t.Errorf("%+v", a)
		}
	})
}

// A consumer to which nobody listens for a while merges intervals, but not of two stages.
func TestNoIntervalIsOfTwoStages(t *testing.T) {
	q := newQueue(&bulkheadv1.Process{}, 3)
	l := newLedger()
	l.begin(1, false)
	for number := uint32(1); number <= 3; number++ {
		l.enter(number, false)
		q.putStage(time.Now(), &bulkheadv1.StageBegun{Stage: number})
		for range 2 * maxProgress {
			l.wrote(1, time.Microsecond)
			q.putProgress(l.take)
		}
		l.rest()
		q.putBoundary(l.take)
		q.putBoundary(l.take)
	}
	q.putLast(l.take)
	var messages []*bulkheadv1.Message
	for m := range q.messages {
		q.sent(m)
		messages = append(messages, m)
	}
	for number, one := range staged(t, messages) {
		if one.chunks != 2*maxProgress {
			t.Errorf("stage %d has %d chunks; want %d", number, one.chunks, 2*maxProgress)
		}
	}
}
