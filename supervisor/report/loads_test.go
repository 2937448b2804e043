package report

import (
	"testing"
	"time"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// specialist is a client whose consumers are told exactly what to write.
func (s *story) specialist(name string, session uint32, w *bulkheadv1.Workload) *actor {
	a := s.arrive(name, session, uint64(session), int32(4710+session), 0)
	a.consumers = uint32(len(w.GetConsumers()))
	if largest := w.GetConsumers()[0].GetChunkSizeBytes(); largest > 0 {
		a.chunk, a.file = largest, w.GetConsumers()[0].GetFileSizeBytes()
	}
	for i := range s.records {
		if opened := s.records[i].GetSessionOpened(); opened != nil && opened.GetSession() == session {
			w.RuntimeNano, w.ProgressIntervalNano = int64(20*time.Second), int64(time.Second)
			opened.Hello.Workload = w
		}
	}
	list := []*bulkheadv1.Message{{Process: a.process(kindClient, 0), Fact: &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{}}}}
	for i, spec := range w.GetConsumers() {
		list = append(list, &bulkheadv1.Message{Process: a.process(kindConsumer, uint32(i)), Fact: &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{Consumer: spec}}})
	}
	a.say(list...)
	return a
}

// sampled is a histogram of n values around a middle.
func (a *actor) sampled(n int, middle time.Duration) *bulkheadv1.Histogram {
	var h latency.Histogram
	for range n {
		h.Add(middle/2+time.Duration(a.random.Int64N(int64(middle))), 1)
	}
	return h.Proto()
}

// phased is a second of a consumer that has every phase; waiting is how long a chunk had
// to wait before its turn.
func (a *actor) phased(index uint32, chunks int, waiting time.Duration) *bulkheadv1.Progress {
	p := a.progress(index, uint64(chunks), 0, "").GetProgress()
	p.Create, p.Close = a.sampled(1, 90*time.Microsecond), a.sampled(1, 11*time.Microsecond)
	p.Sync = a.sampled(chunks, 4*time.Millisecond)
	if waiting > 0 {
		p.Response = a.sampled(int(p.GetChunks()), 5*time.Millisecond+waiting)
	}
	return p
}

func (a *actor) sayProgress(index uint32, p *bulkheadv1.Progress) {
	a.say(&bulkheadv1.Message{Process: a.process(kindConsumer, index), Fact: &bulkheadv1.Message_Progress{Progress: p}})
}

func (a *actor) corruption(index uint32, c *bulkheadv1.Corruption) *bulkheadv1.Message {
	return &bulkheadv1.Message{Process: a.process(kindConsumer, index), Fact: &bulkheadv1.Message_Corruption{Corruption: c}}
}

// recycled is a file that was written over in place for the generation-th time.
func (a *actor) recycled(index uint32, file uint64, generation uint32) *bulkheadv1.Message {
	m := a.rollover(index, file, false)
	m.GetRollover().Generation, m.GetRollover().Verification = generation, bulkheadv1.Verification_VERIFICATION_OK
	return m
}

// walSpec is a consumer with about every knob turned.
func walSpec(index uint32) *bulkheadv1.ConsumerSpec {
	return &bulkheadv1.ConsumerSpec{
		Index: index, Path: "/mnt/data/bulkhead-rated/consumer-0", ChunkSizeBytes: 64 << 10, FileSizeBytes: 16 << 20, KeepFiles: 4, Recycle: true,
		ChunkSizes: []*bulkheadv1.WeightedSize{{SizeBytes: 8 << 10, Weight: 7}, {SizeBytes: 64 << 10, Weight: 3}},
		Sync:       bulkheadv1.SyncPolicy_SYNC_POLICY_CHUNK, RateChunksPerSecond: 50, RateBytesPerSecond: 4_000_000,
		Data:        &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_COMPRESSIBLE, Percent: 60, Seed: 7},
		Preallocate: true, Pattern: bulkheadv1.Pattern_PATTERN_SEQUENTIAL, Verify: bulkheadv1.VerifyMode_VERIFY_MODE_ROLLOVER,
		StopOnError: true, ReserveBytes: 1 << 30,
	}
}

// bulkSpec is a consumer that writes as fast as it can.
func bulkSpec(index uint32) *bulkheadv1.ConsumerSpec {
	return &bulkheadv1.ConsumerSpec{
		Index: index, Path: "/mnt/bulk/bulkhead-rated/consumer-1", ChunkSizeBytes: 1 << 20, MinFileSizeBytes: 32 << 20, FileSizeBytes: 64 << 20, KeepFiles: 2,
		Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES, SyncBytes: 16 << 20, Direct: true, Concurrency: 2, Pattern: bulkheadv1.Pattern_PATTERN_RANDOM,
		StartDelayNano: int64(time.Second), ThinkTimeNano: int64(2 * time.Millisecond), Data: &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_RANDOM},
		Verify: bulkheadv1.VerifyMode_VERIFY_MODE_OFF,
	}
}

// rated is a run with a rate: the service time stays, and the response has a second in
// which everything waited.
func rated(t testing.TB) []*bulkheadv1.Record {
	s := newStory(t, 1)
	a := s.at(90*time.Millisecond).specialist("rated", 1, &bulkheadv1.Workload{
		RampNano: int64(2 * time.Second), TotalBytes: 10_000_000_000, Consumers: []*bulkheadv1.ConsumerSpec{walSpec(0), bulkSpec(1), bulkSpec(2)},
		StopWhen: &bulkheadv1.SteadyState{WindowNano: int64(10 * time.Second), MaxVariationPercent: 2.5},
	})
	for n := 1; n <= 14; n++ {
		a.at(time.Duration(n)*time.Second + 40*time.Millisecond)
		waiting := time.Millisecond
		if n == 8 {
			waiting = 900 * time.Millisecond
		}
		p := a.phased(0, 50, waiting)
		p.VerifiedBytes, p.VerifiedCachedBytes = 2_000_000, uint64(n%2)*500_000
		a.sayProgress(0, p)
		for i := uint32(1); i <= 2; i++ {
			a.sayProgress(i, a.phased(i, 20, 0))
		}
		if n%4 == 0 {
			a.say(a.recycled(0, uint64(n/4)%2, uint32(n/8+1)), a.rollover(1, uint64(n/4-1), false))
		}
	}
	a.at(14200 * time.Millisecond)
	a.say(a.rollover(2, 0, false))
	a.say(a.stop(bulkheadv1.StopReason_STOP_REASON_STEADY, "throughput varied by 2.1 % over 10s", nil))
	a.end(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	s.at(16300*time.Millisecond).ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.records
}

// corrupted is a run in which all closes in order, and the storage lies: one client has
// corrupt blocks, another verified and found all as written.
func corrupted(t testing.TB) []*bulkheadv1.Record {
	s := newStory(t, 2)
	spec := func(name string) *bulkheadv1.Workload {
		return &bulkheadv1.Workload{Consumers: []*bulkheadv1.ConsumerSpec{{Path: "/mnt/data/bulkhead-" + name + "/consumer-0", ChunkSizeBytes: mib, FileSizeBytes: 64 * mib,
			KeepFiles: 2, Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_FILE, Verify: bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS, Pattern: bulkheadv1.Pattern_PATTERN_SEQUENTIAL,
			Data: &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_DEDUPABLE, Percent: 40}}}}
	}
	a := s.at(90*time.Millisecond).specialist("alpha", 1, spec("alpha"))
	b := s.at(120*time.Millisecond).specialist("bravo", 2, spec("bravo"))
	for n := 1; n <= 12; n++ {
		for _, c := range []*actor{a, b} {
			c.at(time.Duration(n)*time.Second + time.Duration(c.session)*30*time.Millisecond)
			p := c.phased(0, 26, 0)
			p.VerifiedBytes = 26 * mib
			if c == a && n == 7 {
				p.CorruptBlocks = 3
			}
			c.sayProgress(0, p)
			if n%4 == 0 {
				m := c.rollover(0, uint64(n/4), false)
				m.GetRollover().Verification = bulkheadv1.Verification_VERIFICATION_OK
				if c == a && n == 8 {
					m.GetRollover().Verification = bulkheadv1.Verification_VERIFICATION_FAILED
				}
				c.say(m)
			}
		}
		if n == 6 {
			path := "/mnt/data/bulkhead-alpha/consumer-0/00000002.dat"
			a.say(a.corruption(0, &bulkheadv1.Corruption{Path: path, FileIndex: 2, OffsetBytes: 8192, LengthBytes: 8192, Kind: bulkheadv1.CorruptionKind_CORRUPTION_KIND_STALE,
				Expected: "blocks 2…3 of file 2, generation 2", Found: "blocks 2…3 of file 2, generation 1"}),
				a.corruption(0, &bulkheadv1.Corruption{Path: path, FileIndex: 2, OffsetBytes: 40960, LengthBytes: 4096, Kind: bulkheadv1.CorruptionKind_CORRUPTION_KIND_FLIPPED,
					Expected: "checksum 5f1c…a0", Found: "checksum 771d…3e, first difference at byte 41\x1b[7m003"}))
		}
	}
	leave(12500*time.Millisecond, map[uint32]uint64{1: 1, 2: 2}, a, b)
	s.at(15300*time.Millisecond).ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.records
}
