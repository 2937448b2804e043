package client

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestTallyAddsUp(t *testing.T) {
	var sums tally
	for _, m := range []*bulkheadv1.Message{
		{Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{Bytes: 10, Chunks: 2, Errors: 1, LastError: "first", VerifiedBytes: 4}}},
		{Fact: &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{SizeBytes: 12}}},
		{Fact: &bulkheadv1.Message_Corruption{Corruption: &bulkheadv1.Corruption{
			Path: "/f", OffsetBytes: 8192, LengthBytes: 4096, Kind: bulkheadv1.CorruptionKind_CORRUPTION_KIND_STALE, Expected: "this", Found: "that"}}},
		{Fact: &bulkheadv1.Message_Corruption{Corruption: &bulkheadv1.Corruption{Path: "/another"}}},
		{Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{Bytes: 5, Chunks: 1, VerifiedBytes: 3, CorruptBlocks: 7}}},
	} {
		sums.count(m)
	}
	want := totals{
		Files: 1, Finished: 12, Bytes: 15, Chunks: 3, Errors: 1, LastError: "first", VerifiedBytes: 7, Corrupt: 7,
		FirstCorruption: "/f, 4096 bytes at offset 8192: stale: expected this; found that",
	}
	if diff := cmp.Diff(want, sums.totals()); diff != "" {
		t.Error(diff)
	}
}
