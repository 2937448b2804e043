package preflight

import (
	"testing"
	"time"

	"bulkhead/client/spec"
	"bulkhead/internal/testing/scripted"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestCheckRollovers(t *testing.T) {
	slow := timing{chunkBytes: scripted.Mib, chunk: 87 * time.Millisecond} // 12 MB/s
	tests := []struct {
		name    string
		c       workload.Consumer
		t       timing
		runtime time.Duration
		want    string
	}{
		{"fast enough", workload.Consumer{ChunkSize: scripted.Mib, FileSize: 64 * scripted.Mib},
			timing{chunkBytes: scripted.Mib, chunk: time.Millisecond}, 5 * time.Second, ""},
		{"just enough", workload.Consumer{ChunkSize: scripted.Mib, FileSize: 10 * scripted.Mib},
			timing{chunkBytes: scripted.Mib, chunk: 100 * time.Millisecond}, 2 * time.Second, ""},
		{"too slow", workload.Consumer{ChunkSize: scripted.Mib, FileSize: 64 * scripted.Mib}, slow, 5 * time.Second,
			"consumer 2: 64MiB files at 12.1 MB/s need 11s for two, runtime is 5s; lower file_size to 25MiB or raise " +
				"runtime to 13s"},
		{"file size cannot be lowered", workload.Consumer{ChunkSize: 64 * scripted.Mib, FileSize: 64 * scripted.Mib},
			slow,
			5 * time.Second,
			"consumer 2: 64MiB files at 12.1 MB/s need 11s for two, runtime is 5s; raise runtime to 13s"},
		{"sync of little", workload.Consumer{ChunkSize: scripted.Mib, FileSize: 10 * scripted.Mib},
			timing{chunkBytes: scripted.Mib, chunk: time.Millisecond, syncBytes: scripted.Mib,
				sync: 900 * time.Millisecond}, 2 * time.Second, ""},
		{"sync of much", workload.Consumer{ChunkSize: scripted.Mib, FileSize: 64 * scripted.Mib},
			timing{chunkBytes: scripted.Mib, chunk: time.Millisecond, syncBytes: 8 * scripted.Mib, sync: time.Second},
			4 * time.Second,
			"consumer 2: 64MiB files at 8.3 MB/s need 16s for two, runtime is 4s; lower file_size to 14MiB or raise " +
				"runtime to 18s"},
		{"held back by its rate", workload.Consumer{ChunkSize: scripted.Mib, FileSize: 64 * scripted.Mib,
			RateBytes: 10_000_000, RateChunks: 100}, timing{chunkBytes: scripted.Mib, chunk: time.Millisecond},
			10 * time.Second,
			"consumer 2: 64MiB files at 10.0 MB/s (its rate.bytes) need 13s for two, runtime is 10s; lower file_size " +
				"to 42MiB or raise runtime to 15s"},
		{"held back by its chunks", workload.Consumer{ChunkSize: 3 * scripted.Mib,
			ChunkSizes: []workload.WeightedSize{{Bytes: scripted.Mib, Weight: 1}, {Bytes: 3 * scripted.Mib, Weight: 1}},
			FileSize:   64 * scripted.Mib, RateChunks: 2}, timing{chunkBytes: scripted.Mib, chunk: time.Millisecond},
			30 * time.Second,
			"consumer 2: 64MiB files at 4.2 MB/s (its rate.chunks) need 32s for two, runtime is 30s; lower file_size " +
				"to 54MiB or raise runtime to 36s"},
		{"held back by thinking", workload.Consumer{ChunkSize: scripted.Mib, FileSize: 11 * scripted.Mib,
			ThinkTime: time.Second}, timing{chunkBytes: scripted.Mib, chunk: time.Millisecond}, 20 * time.Second,
			"consumer 2: 11MiB files at 1.1 MB/s (its think_time) need 21s for two, runtime is 20s; lower file_size " +
				"to 9MiB or raise runtime to 24s"},
		{"two that think", workload.Consumer{ChunkSize: scripted.Mib, FileSize: 11 * scripted.Mib,
			ThinkTime:   time.Second,
			Concurrency: 2}, timing{chunkBytes: scripted.Mib, chunk: time.Millisecond}, 20 * time.Second, ""},
		{"many that share a rate", workload.Consumer{ChunkSize: scripted.Mib, FileSize: 20 * scripted.Mib,
			RateBytes: 10 * scripted.Mib, Concurrency: 16}, timing{chunkBytes: scripted.Mib, chunk: time.Millisecond},
			16 * time.Second,
			"consumer 2: 20MiB files at 10.5 MB/s (its rate.bytes) need 32s for the first two of 16 at a time, " +
				"runtime is 16s; lower file_size to 9MiB or raise runtime to 36s"},
		{"many that share the chunks",
			workload.Consumer{ChunkSize: scripted.Mib, FileSize: scripted.Mib, RateChunks: 4, Concurrency: 256},
			timing{chunkBytes: scripted.Mib, chunk: time.Millisecond}, 16 * time.Second,
			"consumer 2: 1MiB files at 4.2 MB/s (its rate.chunks) need 1m4s for the first two of 256 at a time, " +
				"runtime is 16s; raise runtime to 1m11s, or lower concurrency"},
		{"many that share a rate, in time",
			workload.Consumer{ChunkSize: scripted.Mib, FileSize: 20 * scripted.Mib, RateBytes: 10 * scripted.Mib,
				Concurrency: 16}, timing{chunkBytes: scripted.Mib, chunk: time.Millisecond}, 33 * time.Second, ""},
		{"many that share two processors",
			workload.Consumer{ChunkSize: scripted.Mib, FileSize: 64 * scripted.Mib, Concurrency: 16},
			timing{chunkBytes: scripted.Mib, chunk: 20 * time.Millisecond, processors: 2}, 8 * time.Second,
			"consumer 2: 64MiB files at 104.9 MB/s need 10s for the first two of 16 at a time, runtime is 8s; lower " +
				"file_size to 45MiB or raise runtime to 12s"},
		{"many at the disk itself", workload.Consumer{ChunkSize: scripted.Mib, FileSize: 64 * scripted.Mib,
			Concurrency: 16,
			Direct:      true}, timing{chunkBytes: scripted.Mib, chunk: 20 * time.Millisecond, processors: 2},
			8 * time.Second, ""},
		{"late", workload.Consumer{ChunkSize: scripted.Mib, FileSize: 64 * scripted.Mib, StartDelay: 2 * time.Second},
			timing{chunkBytes: scripted.Mib, chunk: 20 * time.Millisecond}, 4 * time.Second,
			"consumer 2: 64MiB files at 52.4 MB/s need 2.6s for two, runtime is 4s and it begins after 2s; lower " +
				"file_size to 45MiB or raise runtime to 5s"},
		{"too late", workload.Consumer{ChunkSize: scripted.Mib, FileSize: 64 * scripted.Mib,
			StartDelay: 4 * time.Second},
			timing{chunkBytes: scripted.Mib, chunk: 20 * time.Millisecond}, 3 * time.Second,
			"consumer 2: 64MiB files at 52.4 MB/s need 2.6s for two, runtime is 3s and it begins after 4s; raise " +
				"runtime to 7s"},
		{"small files", workload.Consumer{ChunkSize: scripted.Mib, FileSize: 64 * scripted.Mib,
			MinFileSize: scripted.Mib},
			slow, time.Second, ""},
		{"absurd", workload.Consumer{ChunkSize: 1, FileSize: 1 << 63}, timing{chunkBytes: 1, chunk: time.Hour},
			time.Second,
			"consumer 2: 9.2EB files at 0.0 kB/s need 2562047h47m16s for two, runtime is 1s; raise runtime to " +
				"2562047h47m16s"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := text(checkRollovers(2, test.c, test.t, test.c.StartDelay, test.runtime)); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestDemand(t *testing.T) {
	fast := timing{chunkBytes: scripted.Mib, chunk: time.Millisecond}
	tests := []struct {
		c    workload.Consumer
		want uint64
	}{
		{workload.Consumer{FileSize: 10, RateBytes: 1000}, 2010},
		{workload.Consumer{FileSize: 10, ChunkSize: 5, RateBytes: 1000, RateChunks: 3}, 40},
		{workload.Consumer{KeepFiles: 2, FileSize: 10}, 40},
		{workload.Consumer{KeepFiles: 2, FileSize: 10, Recycle: true, Concurrency: 4}, 60},
		{workload.Consumer{KeepFiles: 0, FileSize: 10}, 2000*scripted.Mib + 10},
		{workload.Consumer{KeepFiles: 0, FileSize: 10, Concurrency: 4}, 2000*scripted.Mib + 40},
		{workload.Consumer{KeepFiles: 4, FileSize: 1 << 63}, ^uint64(0)},
	}
	of := func(cfg spec.Config, t timing) uint64 {
		c := cfg.Consumers[0]
		bytes, _ := demandOf(cfg, 0, bytesWritten(c, t, max(0, cfg.Runtime-cfg.Begin(0))))
		return bytes
	}
	for _, test := range tests {
		if got := of(spec.Config{Runtime: 2 * time.Second, Consumers: []workload.Consumer{test.c}},
			fast); got != test.want {
			t.Errorf("demand of %+v = %d; want %d", test.c, got, test.want)
		}
	}
	if got := of(spec.Config{Runtime: time.Hour, TotalBytes: 5 * scripted.Mib,
		Consumers: []workload.Consumer{{FileSize: scripted.Mib}}}, fast); got != 6*scripted.Mib {
		t.Errorf("demand of a load that ends after 5 MiB = %d", got)
	}
	if got := of(spec.Config{Runtime: 2 * time.Second,
		Consumers: []workload.Consumer{{FileSize: scripted.Mib, StartDelay: time.Second}}},
		fast); got != 1001*scripted.Mib {
		t.Errorf("demand of a consumer that begins in the middle of the load = %d", got)
	}
	if got := of(spec.Config{Runtime: time.Hour, Consumers: []workload.Consumer{{FileSize: 1}}},
		timing{chunkBytes: 1 << 62, chunk: 1}); got != ^uint64(0) {
		t.Errorf("demand of an absurd rate = %d; want the most", got)
	}
}

func TestCheckSpace(t *testing.T) {
	rooms := map[uint64]room{1: {free: 100 * scripted.Mib, total: 1000 * scripted.Mib},
		2: {free: 100 * scripted.Mib, total: 0}}
	tests := []struct {
		name    string
		demands []demand
		want    string
	}{
		{"enough", []demand{{0, "/a", 1, 50 * scripted.Mib, 0, 50 * scripted.Mib}}, ""},
		{"exactly", []demand{{0, "/b", 2, 60 * scripted.Mib, 0, 0}, {1, "/b", 2, 40 * scripted.Mib, 0, 0}}, ""},
		{"reserve", []demand{{0, "/a", 1, 51 * scripted.Mib, 0, 50 * scripted.Mib}},
			"consumer 0: may write 51MiB at once to /a, which has 100MiB free, 50MiB of it kept in reserve; lower " +
				"file_size or keep_files (0 keeps all), use another path, or free space"},
		{"shared", []demand{{0, "/b", 2, 60 * scripted.Mib, 0, 0}, {1, "/a", 1, 1, 0, 50 * scripted.Mib},
			{2, "/b/c", 2, 60 * scripted.Mib, 0, 0}},
			"consumers 0 and 2 together: may write 120MiB at once to /b, which has 100MiB free, 0B of it kept in " +
				"reserve; lower file_size or keep_files (0 keeps all), use another path, or free space"},
		{"a total of all together", []demand{{0, "/b", 2, 40 * scripted.Mib, 30 * scripted.Mib, 0},
			{1, "/b", 2, 40 * scripted.Mib, 30 * scripted.Mib, 0}, {2, "/b", 2, 50 * scripted.Mib, 0, 0}}, ""},
		{"a total, and too little", []demand{{0, "/b", 2, 40 * scripted.Mib, 30 * scripted.Mib, 0},
			{1, "/b", 2, 40 * scripted.Mib, 30 * scripted.Mib, 0}, {2, "/b", 2, 51 * scripted.Mib, 0, 0}},
			"consumers 0, 1 and 2 together: may write 101MiB at once to /b, which has 100MiB free, 0B of it kept in " +
				"reserve; lower file_size or keep_files (0 keeps all), use another path, or free space"},
		{"both, overflowing", []demand{{0, "/a", 1, ^uint64(0), 0, 50 * scripted.Mib}, {1, "/b", 2, ^uint64(0), 0, 0},
			{2, "/b", 2, 5, 0, 0}},
			"consumer 0: may write 18.4EB at once to /a, which has 100MiB free, 50MiB of it kept in reserve; lower " +
				"file_size or keep_files (0 keeps all), use another path, or free space\n" +
				"consumers 1 and 2 together: may write 18.4EB at once to /b, which has 100MiB free, 0B of it kept in " +
				"reserve; lower file_size or keep_files (0 keeps all), use another path, or free space"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := text(checkSpace(test.demands, 30*scripted.Mib, rooms)); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestSyncIsTimedOnlyWhenAsked(t *testing.T) {
	for _, policy := range []bulkheadv1.SyncPolicy{bulkheadv1.SyncPolicy_SYNC_POLICY_NONE,
		bulkheadv1.SyncPolicy_SYNC_POLICY_FILE} {
		got, err := probe(t.Context(), scripted.RootOf(t, t.TempDir()),
			workload.Consumer{ChunkSize: 3 * scripted.Mib, Sync: policy}, time.Hour)
		if err != nil || got.chunkBytes != 3*scripted.Mib || got.chunk <= 0 {
			t.Errorf("probe = %+v, %v", got, err)
		}
		if synced := got.syncBytes > 0; synced != (policy == bulkheadv1.SyncPolicy_SYNC_POLICY_FILE) {
			t.Errorf("policy %s: synced %v", policy, synced)
		}
	}
}

func TestChunksOfWholeUnits(t *testing.T) {
	for _, row := range []struct {
		c    workload.Consumer
		unit uint64
		want string
	}{
		{workload.Consumer{ChunkSize: 8192}, 4096, ""},
		{workload.Consumer{ChunkSize: 8192,
			ChunkSizes: []workload.WeightedSize{{Bytes: 4096, Weight: 1}, {Bytes: 8192, Weight: 1}}}, 4096, ""},
		{workload.Consumer{ChunkSize: 512}, 4096,
			"the file system does not take every size with O_DIRECT: multiples of 4KiB, and chunk_size 512B is none"},
		{workload.Consumer{ChunkSize: 8192,
			ChunkSizes: []workload.WeightedSize{{Bytes: 512, Weight: 1}, {Bytes: 8192, Weight: 1}}}, 4096,
			"the file system does not take every size with O_DIRECT: multiples of 4KiB, and chunk_size 512B is none"},
		{workload.Consumer{ChunkSize: 4096}, 0, "the file system does not take O_DIRECT"},
		// although it could be opened
	} {
		if got := text(fitsUnits(row.c, row.unit)); got != row.want {
			t.Errorf("%+v in units of %d: %q; want %q", row.c, row.unit, got, row.want)
		}
	}
}

func TestProbeEndsAtItsLimit(t *testing.T) {
	dir := t.TempDir()
	got, err := probe(t.Context(), scripted.RootOf(t, dir), workload.Consumer{ChunkSize: 1 << 40}, 1)
	if err != nil || got.chunkBytes != probePiece {
		t.Errorf("probe = %+v, %v; want the timing of one piece", got, err)
	}
}
