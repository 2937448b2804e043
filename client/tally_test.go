package client

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// The wall clock goes backwards here, and nothing comes of it.
func TestTallyAddsUp(t *testing.T) {
	const hour = int64(time.Hour)
	var sums tally
	for _, m := range []*bulkheadv1.Message{
		{TimeUnixNano: hour - 5000, ElapsedNano: 5000,
			Fact: &bulkheadv1.Message_Progress{
				Progress: &bulkheadv1.Progress{IntervalNano: 1000, Bytes: 10, Chunks: 2, Errors: 1,
					LastError: "first", VerifiedBytes: 4, ReadBytes: 40, Reads: 2}}},
		{Fact: &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{SizeBytes: 12}}},
		{Fact: &bulkheadv1.Message_Corruption{Corruption: &bulkheadv1.Corruption{
			Path: "/f", OffsetBytes: 8192, LengthBytes: 4096, Kind: bulkheadv1.CorruptionKind_CORRUPTION_KIND_STALE,
			Expected: "this", Found: "that"}}},
		{Fact: &bulkheadv1.Message_Corruption{Corruption: &bulkheadv1.Corruption{Path: "/another"}}},
		{TimeUnixNano: hour - 7000, ElapsedNano: 7000,
			Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{IntervalNano: 500, Bytes: 5, Chunks: 1}}},
		// stuck
		{TimeUnixNano: hour - 6000, ElapsedNano: 6000,
			Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{IntervalNano: 3000}}},
		// at the end
		{TimeUnixNano: hour - 9000, ElapsedNano: 9000,
			Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{VerifiedBytes: 3, CorruptBlocks: 7,
				ReadBytes: 1, Reads: 1}}},
	} {
		sums.count(m)
	}
	want := totals{
		Files: 1, Bytes: 15, Chunks: 3, Errors: 1, LastError: "first", VerifiedBytes: 7, Corrupt: 7, From: 3000,
		To: 7000, ReadBytes: 41, Reads: 3,
		FirstCorruption: "/f, 4096 bytes at offset 8192: stale: expected this; found that",
	}
	if diff := cmp.Diff(want, sums.totals()); diff != "" {
		t.Error(diff)
	}
}
