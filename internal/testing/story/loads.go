package story

import (
	"testing"
	"time"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Specialist returns a client whose consumers are told exactly what to write.
func (s *Story) Specialist(name string, session uint32, w *bulkheadv1.Workload) *Actor {
	a := s.Arrive(name, session, uint64(session), int32(4710+session), 0)
	a.Consumers = uint32(len(w.GetConsumers()))
	if largest := w.GetConsumers()[0].GetChunkSizeBytes(); largest > 0 {
		a.chunk, a.file = largest, w.GetConsumers()[0].GetFileSizeBytes()
	}
	for i := range s.Records {
		if opened := s.Records[i].GetSessionOpened(); opened != nil && opened.GetSession() == session {
			w.RuntimeNano, w.ProgressIntervalNano = int64(20*time.Second), int64(time.Second)
			opened.Hello.Workload = w
		}
	}
	list := []*bulkheadv1.Message{
		{Process: a.Process(kindClient, 0), Fact: &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{}}}}
	for i, spec := range w.GetConsumers() {
		list = append(list, &bulkheadv1.Message{Process: a.Process(KindConsumer, uint32(i)),
			Fact: &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{Consumer: spec}}})
	}
	a.Say(list...)
	return a
}

// Sampled returns a histogram of n values around a middle.
func (a *Actor) Sampled(n int, middle time.Duration) *bulkheadv1.Histogram {
	var h latency.Histogram
	for range n {
		h.Add(middle/2+time.Duration(a.random.Int64N(int64(middle))), 1)
	}
	return h.Proto()
}

// Phased returns a second of a consumer that has every phase; waiting is how long a chunk had
// to wait before its turn.
func (a *Actor) Phased(index uint32, chunks int, waiting time.Duration) *bulkheadv1.Progress {
	p := a.Progress(index, uint64(chunks), 0, "").GetProgress()
	p.Create, p.Close = a.Sampled(1, 90*time.Microsecond), a.Sampled(1, 11*time.Microsecond)
	p.Sync = a.Sampled(chunks, 4*time.Millisecond)
	var unlink latency.Histogram
	unlink.Add(6*time.Millisecond+time.Duration(chunks%7)*time.Millisecond/4, 1)
	p.Unlink = unlink.Proto()
	if waiting > 0 {
		p.Response = a.Sampled(int(p.GetChunks()), 5*time.Millisecond+waiting)
	}
	return p
}

func (a *Actor) SayProgress(index uint32, p *bulkheadv1.Progress) {
	a.Say(&bulkheadv1.Message{Process: a.Process(KindConsumer, index), Fact: &bulkheadv1.Message_Progress{Progress: p}})
}

func (a *Actor) Corruption(index uint32, c *bulkheadv1.Corruption) *bulkheadv1.Message {
	return &bulkheadv1.Message{Process: a.Process(KindConsumer, index),
		Fact: &bulkheadv1.Message_Corruption{Corruption: c}}
}

// Recycled returns a file that was written over in place for the generation-th time.
func (a *Actor) Recycled(index uint32, file uint64, generation uint32) *bulkheadv1.Message {
	m := a.Rollover(index, file, false)
	m.GetRollover().Generation, m.GetRollover().Verification = generation, bulkheadv1.Verification_VERIFICATION_OK
	return m
}

// walSpec returns a consumer with about every knob turned.
func walSpec(index uint32) *bulkheadv1.ConsumerSpec {
	return &bulkheadv1.ConsumerSpec{
		Index: index, Path: "/mnt/data/bulkhead-rated/consumer-0", ChunkSizeBytes: 64 << 10, FileSizeBytes: 16 << 20,
		KeepFiles: 4, Recycle: true,
		ChunkSizes: []*bulkheadv1.WeightedSize{{SizeBytes: 8 << 10, Weight: 7}, {SizeBytes: 64 << 10, Weight: 3}},
		Sync:       bulkheadv1.SyncPolicy_SYNC_POLICY_CHUNK, RateChunksPerSecond: 50, RateBytesPerSecond: 4_000_000,
		Data:        &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_COMPRESSIBLE, Percent: 60, Seed: 7},
		Preallocate: true, Pattern: bulkheadv1.Pattern_PATTERN_SEQUENTIAL,
		Verify:      bulkheadv1.VerifyMode_VERIFY_MODE_ROLLOVER,
		StopOnError: true, ReserveBytes: 1 << 30,
		Read: &bulkheadv1.ReadSpec{Readers: 2, SizeBytes: 16 << 10, Pattern: bulkheadv1.Pattern_PATTERN_RANDOM,
			RateOperationsPerSecond: 200, Verify: true},
	}
}

// bulkSpec returns a consumer that writes as fast as it can.
func bulkSpec(index uint32) *bulkheadv1.ConsumerSpec {
	return &bulkheadv1.ConsumerSpec{
		Index: index, Path: "/mnt/bulk/bulkhead-rated/consumer-1", ChunkSizeBytes: 1 << 20, MinFileSizeBytes: 32 << 20,
		FileSizeBytes: 64 << 20, KeepFiles: 2,
		Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES, SyncBytes: 16 << 20, Direct: true, Concurrency: 2,
		Pattern:        bulkheadv1.Pattern_PATTERN_RANDOM,
		StartDelayNano: int64(time.Second), ThinkTimeNano: int64(2 * time.Millisecond),
		Data:   &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_RANDOM},
		Verify: bulkheadv1.VerifyMode_VERIFY_MODE_OFF,
	}
}

// reading adds to a Progress what readers did: n reads, each of which had to wait before its turn.
func reading(p *bulkheadv1.Progress, n uint64, waiting time.Duration) {
	var read, response latency.Histogram
	for i := range n {
		took := 150*time.Microsecond + time.Duration(i*i)*time.Microsecond/20
		read.Add(took, 1)
		response.Add(took+waiting, 1)
	}
	p.Reads, p.ReadBytes, p.ReadVerifiedBytes = n, n*16<<10, n*16<<10
	p.ReadToldBytes, p.ReadCachedBytes = n/16*16<<10, n/64*16<<10
	p.Read, p.ReadResponse = read.Proto(), response.Proto()
}

// Rated returns a run with a rate: the service time stays, and the response has a second in
// which everything waited.
func Rated(t testing.TB) []*bulkheadv1.Record {
	s := New(t, 1)
	a := s.At(90*time.Millisecond).Specialist("rated", 1, &bulkheadv1.Workload{
		RampNano: int64(2 * time.Second), TotalBytes: 10_000_000_000,
		Consumers: []*bulkheadv1.ConsumerSpec{walSpec(0), bulkSpec(1), bulkSpec(2)},
		StopWhen:  &bulkheadv1.SteadyState{WindowNano: int64(10 * time.Second), MaxVariationPercent: 2.5},
	})
	for n := 1; n <= 14; n++ {
		a.At(time.Duration(n)*time.Second + 40*time.Millisecond)
		waiting := time.Millisecond
		if n == 8 {
			waiting = 900 * time.Millisecond
		}
		p := a.Phased(0, 50, waiting)
		p.VerifiedBytes, p.VerifiedCachedBytes = 2_000_000, uint64(n%2)*500_000
		if n > 1 {
			reading(p, 200, waiting)
		}
		if n == 11 {
			p.Errors, p.VerifyErrors, p.ReadErrors = 1, 1, 1
			p.LastError = "reader: read /mnt/data/bulkhead-rated/consumer-0/load-00000001.dat: input/output error"
		}
		a.SayProgress(0, p)
		for i := uint32(1); i <= 2; i++ {
			a.SayProgress(i, a.Phased(i, 20, 0))
		}
		if n%4 == 0 {
			a.Say(a.Recycled(0, uint64(n/4)%2, uint32(n/8+1)), a.Rollover(1, uint64(n/4-1), false))
		}
	}
	a.At(14200 * time.Millisecond)
	a.Say(a.Rollover(2, 0, false))
	a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_STEADY, "throughput varied by 2.1 % over 10s", nil))
	a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	s.At(16300*time.Millisecond).Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records
}

// Corrupted returns a run in which all closes in order, and the storage lies: one client has
// corrupt blocks, another verified and found all as written.
func Corrupted(t testing.TB) []*bulkheadv1.Record {
	s := New(t, 2)
	spec := func(name string) *bulkheadv1.Workload {
		return &bulkheadv1.Workload{Consumers: []*bulkheadv1.ConsumerSpec{
			{Path: "/mnt/data/bulkhead-" + name + "/consumer-0", ChunkSizeBytes: Mib, FileSizeBytes: 64 * Mib,
				KeepFiles: 2, Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_FILE,
				Verify: bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS, Pattern: bulkheadv1.Pattern_PATTERN_SEQUENTIAL,
				Data: &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_DEDUPABLE, Percent: 40}}}}
	}
	a := s.At(90*time.Millisecond).Specialist("alpha", 1, spec("alpha"))
	b := s.At(120*time.Millisecond).Specialist("bravo", 2, spec("bravo"))
	for n := 1; n <= 12; n++ {
		for _, c := range []*Actor{a, b} {
			c.At(time.Duration(n)*time.Second + time.Duration(c.Session)*30*time.Millisecond)
			p := c.Phased(0, 26, 0)
			p.VerifiedBytes = 26 * Mib
			if c == a && n == 7 {
				p.CorruptBlocks = 3
			}
			c.SayProgress(0, p)
			if n%4 == 0 {
				m := c.Rollover(0, uint64(n/4), false)
				m.GetRollover().Verification = bulkheadv1.Verification_VERIFICATION_OK
				if c == a && n == 8 {
					m.GetRollover().Verification = bulkheadv1.Verification_VERIFICATION_FAILED
				}
				c.Say(m)
			}
		}
		if n == 6 {
			path := "/mnt/data/bulkhead-alpha/consumer-0/00000002.dat"
			a.Say(a.Corruption(0, &bulkheadv1.Corruption{Path: path, FileIndex: 2, OffsetBytes: 8192, LengthBytes: 8192,
				Kind:     bulkheadv1.CorruptionKind_CORRUPTION_KIND_STALE,
				Expected: "blocks 2…3 of file 2, generation 2", Found: "blocks 2…3 of file 2, generation 1"}),
				a.Corruption(0, &bulkheadv1.Corruption{Path: path, FileIndex: 2, OffsetBytes: 40960, LengthBytes: 4096,
					Kind:     bulkheadv1.CorruptionKind_CORRUPTION_KIND_FLIPPED,
					Expected: "checksum 5f1c…a0", Found: "checksum 771d…3e, first difference at byte 41\x1b[7m003"}))
		}
	}
	Leave(12500*time.Millisecond, map[uint32]uint64{1: 1, 2: 2}, a, b)
	s.At(15300*time.Millisecond).Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records
}
