package workload

import (
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Stage is a part of a load with a name of its own. It ends when its duration has passed or its
// bytes are written, whichever is first.
type Stage struct {
	Name string
	// Duration is how long it lasts after its pause; 0 is no limit.
	Duration time.Duration
	// TotalBytes is how much all consumers of the client together write in it; 0 is no limit.
	TotalBytes uint64
	// RateBytes and RateChunks are the most in a second, of each consumer; 0 is no limit.
	RateBytes  uint64
	RateChunks float64
	// RatePercent is the rate in percent of what the same consumer wrote per second in the stage of
	// number RateOf, from 1; 0 is none.
	RatePercent float64
	RateOf      uint32
	// Concurrency is how many writers of each consumer write; 0 is Consumer.Concurrency.
	Concurrency uint32
	// Sync and SyncBytes are as in Consumer; unspecified is those of the consumer.
	Sync      bulkheadv1.SyncPolicy
	SyncBytes uint64
	// Pause is for how long nobody writes before it.
	Pause time.Duration
	// Unreported keeps it out of every figure that is judged.
	Unreported bool
	// Together is that it begins when all clients of the run have come to it. One that has come waits
	// for the others for TogetherTimeout.
	Together        bool
	TogetherTimeout time.Duration
	// Curve is of which curve it is a step, from 1; 0 is of none.
	Curve uint32
}

// Wire returns s in wire form.
func (s Stage) Wire() *bulkheadv1.Stage {
	return &bulkheadv1.Stage{
		Name: s.Name, DurationNano: int64(s.Duration), TotalBytes: s.TotalBytes,
		RateBytesPerSecond: s.RateBytes, RateChunksPerSecond: s.RateChunks,
		RatePercent: s.RatePercent, RateOf: s.RateOf, Concurrency: s.Concurrency,
		Sync: s.Sync, SyncBytes: s.SyncBytes, PauseNano: int64(s.Pause), Unreported: s.Unreported, Curve: s.Curve,
		Together: s.Together, TogetherTimeoutNano: int64(s.TogetherTimeout),
	}
}

// StageOf returns a stage as it stands on the wire.
func StageOf(w *bulkheadv1.Stage) Stage {
	s := Stage{
		Name: w.GetName(), Duration: time.Duration(w.GetDurationNano()), TotalBytes: w.GetTotalBytes(),
		RateBytes: w.GetRateBytesPerSecond(), RateChunks: w.GetRateChunksPerSecond(),
		RatePercent: w.GetRatePercent(), RateOf: w.GetRateOf(), Concurrency: w.GetConcurrency(),
		Sync: w.GetSync(), SyncBytes: w.GetSyncBytes(), Pause: time.Duration(w.GetPauseNano()),
		Unreported: w.GetUnreported(), Curve: w.GetCurve(),
		Together: w.GetTogether(), TogetherTimeout: time.Duration(w.GetTogetherTimeoutNano()),
	}
	if s.Together && s.TogetherTimeout == 0 {
		s.TogetherTimeout = DefaultTogetherTimeout
	}
	return s
}

// Stages is what a load consists of, one after the other; empty for a load without stages.
type Stages []Stage

// Wire returns s in wire form.
func (s Stages) Wire() []*bulkheadv1.Stage {
	var out []*bulkheadv1.Stage
	for _, one := range s {
		out = append(out, one.Wire())
	}
	return out
}

// StagesOf returns stages as they stand on the wire.
func StagesOf(w []*bulkheadv1.Stage) Stages {
	var out Stages
	for _, one := range w {
		out = append(out, StageOf(one))
	}
	return out
}

// Length returns how long the stages last at most, with their pauses; 0 if one has no duration, or
// there are none.
func (s Stages) Length() time.Duration {
	var sum time.Duration
	for _, one := range s {
		if one.Duration == 0 {
			return 0
		}
		sum += one.Pause + one.Duration
	}
	return sum
}

// Waits returns how long a client waits for others before the stages, at most.
func (s Stages) Waits() time.Duration {
	var sum time.Duration
	for _, one := range s {
		sum += one.wait()
	}
	return sum
}

// wait returns how long a client waits for others before the stage, at most.
func (s Stage) wait() time.Duration {
	if !s.Together {
		return 0
	}
	return s.TogetherTimeout + Unanswered
}

// Leg returns how long it takes at most, from the begin of stage i on, counted from 0, with its pause,
// until a client no longer waits before the next stage for which it waits, or all stages are over;
// false if nothing limits that.
func (s Stages) Leg(i int) (time.Duration, bool) {
	var sum time.Duration
	for n, one := range s[i:] {
		if n > 0 && one.Together {
			return sum + one.wait(), true
		}
		if one.Duration == 0 {
			return 0, false
		}
		sum += one.Pause + one.Duration
	}
	return sum, true
}

// Total returns how much is written in the stages at most; 0 if one of them has no such limit, or
// there are none.
func (s Stages) Total() uint64 {
	var sum uint64
	for _, one := range s {
		if one.TotalBytes == 0 {
			return 0
		}
		sum += one.TotalBytes
	}
	return sum
}

// Limited reports whether a stage ends by what is written.
func (s Stages) Limited() bool {
	for _, one := range s {
		if one.TotalBytes > 0 {
			return true
		}
	}
	return false
}

// Writers returns the most writers that a consumer with so many of its own has in any of them.
func (s Stages) Writers(own uint32) uint32 {
	most := uint32(0)
	for _, one := range s {
		if one.Concurrency == 0 {
			most = max(most, own)
		}
		most = max(most, one.Concurrency)
	}
	if most == 0 {
		return own
	}
	return most
}

// Of returns c as it writes in the stage: its rates, writers and syncs.
func (s Stage) Of(c Consumer) Consumer {
	c.RateBytes, c.RateChunks = s.RateBytes, s.RateChunks
	if s.Concurrency > 0 {
		c.Concurrency = s.Concurrency
	}
	if s.Sync != bulkheadv1.SyncPolicy_SYNC_POLICY_UNSPECIFIED {
		c.Sync, c.SyncBytes = s.Sync, s.SyncBytes
	}
	return c
}
