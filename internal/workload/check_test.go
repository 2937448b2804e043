package workload

import (
	"math"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestEverythingTogetherIsValid(t *testing.T) {
	if found := everything().Check(); len(found) > 0 {
		t.Errorf("problems: %v", found)
	}
}

func TestProblems(t *testing.T) {
	for _, row := range []struct {
		change func(*Consumer)
		want   string // each problem in a line
	}{
		{func(c *Consumer) { c.MinFileSize, c.Concurrency = 0, 0 }, ""},
		{func(c *Consumer) { c.Pattern, c.Verify, c.Data, c.DataPercent = 0, 0, 0, 0 }, ""},
		{func(c *Consumer) { c.FileSize = MaxFile + 1 },
			"file_size: 17592186044417B is not valid; use 1B to 16384GiB"},
		{func(c *Consumer) { c.MinFileSize = c.FileSize + 1 },
			"file_size: 1MiB is less than file_size.min (1048577B)"},
		{func(c *Consumer) { c.FileSize, c.MinFileSize = 8191, 1 }, "file_size: 8191B is less than chunk_size (8KiB)"},
		{func(c *Consumer) { c.ChunkSizes = make([]WeightedSize, MaxChunkSizes+1) },
			"chunk_size: a list of 65 sizes is not valid; use at most 64"},
		{func(c *Consumer) { c.ChunkSizes[0].Weight = MaxWeight + 1 },
			"chunk_size: weight 1000001 is not valid; use 1 to 1000000"},
		{func(c *Consumer) { c.ChunkSizes, c.ChunkSize, c.FileSize, c.Concurrency = nil, MaxChunk, MaxChunk, 2 },
			"concurrency: 2 does not go with chunk_size (1GiB); the chunks of all writers together take 2GiB of " +
				"memory, and may take 1GiB"},
		{func(c *Consumer) { c.Concurrency = math.MaxUint32 }, "concurrency: 4294967295 is not valid; use 1 to 256"},
		{func(c *Consumer) { c.ThinkTime = 10 * time.Second }, "think_time: 10s does not go with rate.chunks (0.5); " +
			"with a concurrency of 3 and that time between two chunks, at most 0.3 are written in a second: lower " +
			"the rate or think_time, or raise concurrency"},
		{func(c *Consumer) { c.ThinkTime = MaxThinkTime + 1; c.RateBytes, c.RateChunks = 0, 0 },
			"think_time: 1h0m0.000000001s is not valid; use 0s to 1h"},
		{func(c *Consumer) { c.RateBytes = MaxRateBytes + 1 },
			"rate.bytes: 1099511627777B is not valid; use 0B to 1024GiB"},
		{func(c *Consumer) { c.RateChunks = math.NaN() }, "rate.chunks: NaN is not valid; use 0 to 1000000000"},
		{func(c *Consumer) { c.StartDelay = math.MinInt64 },
			"start_delay: -2562047h47m16.854775808s is not valid; use 0s to 8760h"},
		{func(c *Consumer) { c.KeepFiles = MaxKeepFiles + 1 }, "keep_files: 1000001 is not valid; use 0 to 1000000"},
		{func(c *Consumer) { c.KeepFiles = 0 }, "recycle: true does not go with keep_files (0); files that are all " +
			"kept are never written over: set keep_files, or recycle: false"},
		{func(c *Consumer) { c.Sync = 0 }, "sync: unspecified is not valid; use none, file, chunk, dsync or a size"},
		{func(c *Consumer) { c.Sync = bulkheadv1.SyncPolicy_SYNC_POLICY_FILE },
			"sync: file with 77B is not valid; use file or 77B"},
		{func(c *Consumer) { c.DataPercent = 101 }, "data: dedupable:101 is not valid; use 0 to 100 percent"},
		{func(c *Consumer) { c.Pattern = -1 }, "pattern: -1 is not valid; use sequential, random or append"},
		{func(c *Consumer) { c.Data = -1 },
			"data: -1 is not valid; use random, zeros, compressible:PERCENT or dedupable:PERCENT"},
		{func(c *Consumer) { c.Verify = -1 }, "verify: -1 is not valid; use off, at-rollover, at-end or continuous"},
	} {
		c := everything()
		row.change(&c)
		if got := lines(c.Check()); got != row.want {
			t.Errorf("problems:\n%s\nwant:\n%s", got, row.want)
		}
	}
}

func TestMeanChunk(t *testing.T) {
	if got := (Consumer{ChunkSize: 10}).MeanChunk(); got != 10 {
		t.Errorf("the mean of one size is %v", got)
	}
	if got := (Consumer{ChunkSize: 10, ChunkSizes: []WeightedSize{{10, 1}, {2, 3}}}).MeanChunk(); got != 4 {
		t.Errorf("mean %v; want 4", got)
	}
}
