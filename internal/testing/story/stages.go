package story

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Step is a stage of a load, and what each consumer does in it.
type Step struct {
	Stage   *bulkheadv1.Stage
	Seconds int
	Chunks  int           // that it writes in each second
	Offered uint64        // chunks that it holds itself to write in each second; 0 for no rate
	Waits   time.Duration // how long a chunk is due before it is written, about; 0 for no rate
	Late    int           // chunks that end behind it, told with reads a second later: of no time
}

// Steps returns a fill that is not reported, a stage without a rate, and a curve in percent of that: the
// storage keeps up with 60 % of it.
func Steps() []Step {
	list := []Step{
		{Stage: &bulkheadv1.Stage{Name: "fill", TotalBytes: 500 * Mib, Unreported: true}, Seconds: 2, Chunks: 80},
		{Stage: &bulkheadv1.Stage{Name: "peak", DurationNano: int64(4 * time.Second), Concurrency: 4,
			Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_CHUNK}, Seconds: 4, Chunks: 50},
	}
	for i, at := range []struct {
		percent, chunks int
		waits           time.Duration
	}{
		{20, 10, 3 * time.Millisecond}, {40, 20, 3 * time.Millisecond}, {60, 30, 4 * time.Millisecond},
		{80, 40, 30 * time.Millisecond}, {100, 50, 300 * time.Millisecond}, {120, 50, time.Second},
	} {
		stage := &bulkheadv1.Stage{Name: fmt.Sprintf("curve %d%%", at.percent), DurationNano: int64(3 * time.Second),
			RatePercent: float64(at.percent), RateOf: 2, Curve: 1}
		if i == 0 {
			stage.PauseNano = int64(time.Second)
		}
		list = append(list, Step{Stage: stage, Seconds: 3, Chunks: at.chunks, Offered: uint64(at.percent) / 2,
			Waits: at.waits})
	}
	return list
}

// ArriveStaged does what Arrive does, for a client whose load has stages.
func (s *Story) ArriveStaged(name string, session uint32, ahead time.Duration, steps []Step) *Actor {
	a := s.Arrive(name, session, uint64(session), int32(4710+session), ahead)
	w := s.Hello(session).Workload
	w.RuntimeNano = 0
	for i := range steps {
		w.Stages = append(w.Stages, steps[i].Stage)
	}
	a.Start()
	return a
}

// Stages lets clients go through stages, from second from of the run on, and returns when they end: at
// second until, if that is not 0.
func Stages(steps []Step, from, until int, actors ...*Actor) int {
	for number, step := range steps {
		from += int(step.Stage.GetPauseNano() / int64(time.Second))
		for n := range step.Seconds + 1 {
			if from+n > until && until > 0 {
				return until
			}
			for _, a := range actors {
				a.At(time.Duration(from+n) * time.Second)
				for i := range a.Consumers {
					if n == 0 {
						a.Say(a.StageBegun(i, uint32(number+1), step.Offered*a.chunk))
						continue
					}
					p := a.Phased(i, step.Chunks, step.Waits)
					p.Stage, p.Warmup = uint32(number+1), step.Stage.GetUnreported()
					a.SayProgress(i, p)
					a.Say(a.Sample(i, from+n))
					if n == step.Seconds && number == 1 { // more than its file has been written
						a.Say(a.Rollover(i, 0, false))
					}
				}
			}
		}
		from += step.Seconds
		if step.Late > 0 {
			for _, a := range actors {
				a.At(time.Duration(from+1)*time.Second).late(uint32(number+1), step)
			}
		}
	}
	return from
}

// late says what the consumers did behind the end of a stage.
func (a *Actor) late(number uint32, step Step) {
	for i := range a.Consumers {
		p := a.Phased(i, step.Late, step.Waits)
		reading(p, uint64(step.Late), 0)
		p.Stage, p.Warmup, p.IntervalNano = number, step.Stage.GetUnreported(), 0
		a.SayProgress(i, p)
	}
}

// StageBegun says that a consumer begins a stage, with a rate in bytes per second.
func (a *Actor) StageBegun(index, number uint32, rate uint64) *bulkheadv1.Message {
	return &bulkheadv1.Message{Process: a.Process(KindConsumer, index),
		Fact: &bulkheadv1.Message_StageBegun{
			StageBegun: &bulkheadv1.StageBegun{Stage: number, RateBytesPerSecond: rate}}}
}

// Staged returns a run of two clients whose load has stages.
func Staged(t testing.TB) []*bulkheadv1.Record {
	s, steps := New(t, 2), Steps()
	a := s.At(90*time.Millisecond).ArriveStaged("alpha", 1, time.Hour, steps)
	b := s.At(120*time.Millisecond).ArriveStaged("bravo", 2, -time.Minute, steps)
	end := Stages(steps, 1, 0, a, b)
	Leave(time.Duration(end)*time.Second, map[uint32]uint64{1: 1, 2: 2}, a, b)
	s.At(time.Duration(end+3)*time.Second).Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records
}

// EachMessage calls yield with each message of each session of a run.
func EachMessage(t testing.TB, records []*bulkheadv1.Record, yield func(session uint32, m *bulkheadv1.Message)) {
	t.Helper()
	for _, r := range records {
		b := r.GetSessionBatch()
		if b == nil {
			continue
		}
		batch := new(bulkheadv1.Batch)
		if err := proto.Unmarshal(b.GetBatch(), batch); err != nil {
			t.Fatal(err)
		}
		for _, m := range batch.GetMessages() {
			yield(b.GetSession(), m)
		}
	}
}

// Interleaved returns the records of a run in another order, in which those of each session, and all
// that are of none, follow each other as before. The sessions open, in their order, before all else.
func Interleaved(records []*bulkheadv1.Record, random *rand.Rand) []*bulkheadv1.Record {
	list, rest := records[:1:1], make(map[uint32][]*bulkheadv1.Record)
	var sessions []uint32
	for _, r := range records[1 : len(records)-1] {
		number := r.GetSessionBatch().GetSession() + r.GetSessionEnded().GetSession() +
			r.GetHandlerExited().GetSession()
		if number == 0 {
			list = append(list, r)
			continue
		}
		if rest[number] == nil {
			sessions = append(sessions, number)
		}
		rest[number] = append(rest[number], r)
	}
	for len(sessions) > 0 {
		i := random.IntN(len(sessions))
		number := sessions[i]
		list, rest[number] = append(list, rest[number][0]), rest[number][1:]
		if len(rest[number]) == 0 {
			sessions = append(sessions[:i], sessions[i+1:]...)
		}
	}
	return append(list, records[len(records)-1])
}
