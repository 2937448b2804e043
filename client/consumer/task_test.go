package consumer

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestBadTasks(t *testing.T) {
	folder := t.TempDir()
	plain := filepath.Join(folder, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(folder, "link")
	if err := os.Symlink(folder, link); err != nil {
		t.Fatal(err)
	}
	spec := func(edit func(*bulkheadv1.ConsumerSpec)) *bulkheadv1.RunRequest {
		return request(folder, 1000, 5000, func(task *bulkheadv1.ConsumerTask) { edit(task.Spec) })
	}
	edited := func(edit func(*bulkheadv1.ConsumerTask)) *bulkheadv1.RunRequest {
		return request(folder, 1000, 5000, edit)
	}
	for _, c := range []struct {
		name    string
		request *bulkheadv1.RunRequest
		want    string
	}{
		{"empty", &bulkheadv1.RunRequest{}, "does not say which process"},
		{"no task", &bulkheadv1.RunRequest{Process: &bulkheadv1.Process{}}, "needs a consumer task"},
		{"monitor task", &bulkheadv1.RunRequest{Process: &bulkheadv1.Process{},
			Task: &bulkheadv1.RunRequest_Monitor{Monitor: &bulkheadv1.MonitorTask{}}}, "needs a consumer task"},
		{"no spec", edited(func(task *bulkheadv1.ConsumerTask) { task.Spec = nil }), "does not say what to write"},
		{"chunk 0", request(folder, 0, 5000, nil), "chunk_size: 0B is not valid; use 1B to 1GiB"},
		{"chunk huge", request(folder, 1<<30+1, 1<<40, nil), "chunk_size: 1073741825B is not valid; use 1B to 1GiB"},
		{"file below chunk", request(folder, 1000, 999, nil), "file_size: 999B is less than chunk_size (1kB)"},
		{"file 0", request(folder, 1000, 0, nil), "file_size: 0B is less than chunk_size (1kB)"},
		{"file huge", request(folder, 1000, 1<<63, nil), "file_size: 8589934592GiB is not valid; use 1B to 16384GiB"},
		{"path empty", request("", 1000, 5000, nil), `path "" is not absolute`},
		{"path relative", request("load", 1000, 5000, nil), `path "load" is not absolute`},
		{"path missing", request(folder+"/none", 1000, 5000, nil), `none" does not exist`},
		{"path a file", request(plain, 1000, 5000, nil), `plain" is not a folder`},
		{"path below a file", request(plain+"/x", 1000, 5000, nil), "not a directory"},
		{"no sync policy", edited(func(task *bulkheadv1.ConsumerTask) { task.Spec.Sync = 0 }),
			"sync: unspecified is not valid; use none, file, chunk, dsync or a size"},
		{"unknown sync policy", edited(func(task *bulkheadv1.ConsumerTask) { task.Spec.Sync = 99 }),
			"sync: 99 is not valid"},
		{"interval negative", edited(func(task *bulkheadv1.ConsumerTask) { task.ProgressIntervalNano = -1 }),
			"progress interval: -1ns is not valid"},
		{"interval tiny", edited(func(task *bulkheadv1.ConsumerTask) { task.ProgressIntervalNano = 1 }),
			"progress interval: 1ns is not valid; use at least 1ms"},
		{"stall negative", edited(func(task *bulkheadv1.ConsumerTask) { task.StallAfterNano = -1 }),
			"stall threshold: -1ns is not valid"},
		{"all at once", request("load", 0, 0, nil),
			"chunk_size: 0B is not valid; use 1B to 1GiB; file_size: 0B is not valid; use 1B to 16384GiB; path"},
		{"path a symbolic link", request(link, 1000, 5000, nil), "is a symbolic link"},
		{"client id", edited(func(task *bulkheadv1.ConsumerTask) { task.ClientId = []byte("short") }),
			"client id: it has 5 bytes; use 16"},
		{"file sizes", spec(func(s *bulkheadv1.ConsumerSpec) { s.MinFileSizeBytes = 5001 }),
			"file_size: 5kB is less than file_size.min (5001B)"},
		{"chunk sizes 0", spec(func(s *bulkheadv1.ConsumerSpec) { s.ChunkSizes = weights(1000, 1, 0, 1) }),
			"chunk_size: 0B is not valid"},
		{"chunk sizes weight", spec(func(s *bulkheadv1.ConsumerSpec) { s.ChunkSizes = weights(1000, 0) }),
			"chunk_size: weight 0 is not valid; use 1 to 1000000"},
		{"chunk sizes largest", spec(func(s *bulkheadv1.ConsumerSpec) { s.ChunkSizes = weights(900, 1, 100, 1) }),
			"chunk_size: 1kB is not valid; the largest of its sizes is 900B"},
		{"chunk sizes too many",
			spec(func(s *bulkheadv1.ConsumerSpec) { s.ChunkSizes = make([]*bulkheadv1.WeightedSize, 65) }),
			"chunk_size: a list of 65 sizes is not valid; use at most 64"},
		{"chunk sizes random", spec(func(s *bulkheadv1.ConsumerSpec) {
			s.ChunkSizes, s.Pattern = weights(1000, 1, 100, 1), bulkheadv1.Pattern_PATTERN_RANDOM
		}), "pattern: random does not go with chunk_size (1kB:1,100B:1)"},
		{"concurrency", spec(func(s *bulkheadv1.ConsumerSpec) { s.Concurrency = 257 }),
			"concurrency: 257 is not valid; use 1 to 256"},
		{"memory", spec(func(s *bulkheadv1.ConsumerSpec) {
			s.Concurrency, s.ChunkSizeBytes, s.FileSizeBytes = 5, 256<<20, 1<<30
		}), "concurrency: 5 does not go with chunk_size (256MiB); the chunks of all writers together take 1280MiB"},
		{"recycle nothing", spec(func(s *bulkheadv1.ConsumerSpec) { s.Recycle, s.KeepFiles = true, 0 }),
			"recycle: true does not go with keep_files (0)"},
		{"recycle append", spec(func(s *bulkheadv1.ConsumerSpec) {
			s.Recycle, s.Pattern = true, bulkheadv1.Pattern_PATTERN_APPEND
		}), "recycle: true does not go with pattern (append)"},
		{"direct", spec(func(s *bulkheadv1.ConsumerSpec) { s.Direct = true }),
			"direct: true does not go with chunk_size (1kB); O_DIRECT writes multiples of 512B, and 1kB is none"},
		{"direct list", spec(func(s *bulkheadv1.ConsumerSpec) {
			s.Direct, s.ChunkSizeBytes, s.ChunkSizes = true, 1024, weights(1024, 1, 100, 1)
		}), "O_DIRECT writes multiples of 512B, and 100B is none"},
		{"sync 0", spec(func(s *bulkheadv1.ConsumerSpec) { s.Sync = bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES }),
			"sync: 0B is not valid; use 1B to 16384GiB"},
		{"sync bytes", spec(func(s *bulkheadv1.ConsumerSpec) { s.SyncBytes = 5 }),
			"sync: none with 5B is not valid; use none or 5B"},
		{"pattern", spec(func(s *bulkheadv1.ConsumerSpec) { s.Pattern = 9 }),
			"pattern: 9 is not valid; use sequential, random or append"},
		{"verify", spec(func(s *bulkheadv1.ConsumerSpec) { s.Verify = 9 }), "verify: 9 is not valid; use off"},
		{"data", spec(func(s *bulkheadv1.ConsumerSpec) { s.Data = &bulkheadv1.DataSpec{Kind: 9} }),
			"data: 9 is not valid; use random"},
		{"data percent", spec(func(s *bulkheadv1.ConsumerSpec) {
			s.Data = &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_COMPRESSIBLE, Percent: 101}
		}), "data: compressible:101 is not valid; use 0 to 100 percent"},
		{"data percent of random", spec(func(s *bulkheadv1.ConsumerSpec) {
			s.Data = &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_RANDOM, Percent: 1}
		}), "data: random:1 is not valid; only compressible and dedupable data have a percentage"},
		{"start delay", spec(func(s *bulkheadv1.ConsumerSpec) { s.StartDelayNano = -1 }),
			"start_delay: -1ns is not valid; use 0s to 8760h"},
		{"think time", spec(func(s *bulkheadv1.ConsumerSpec) { s.ThinkTimeNano = -1 }),
			"think_time: -1ns is not valid; use 0s to 1h"},
		{"rate negative", spec(func(s *bulkheadv1.ConsumerSpec) { s.RateChunksPerSecond = -1 }),
			"rate.chunks: -1 is not valid"},
		{"rate NaN", spec(func(s *bulkheadv1.ConsumerSpec) { s.RateChunksPerSecond = math.NaN() }),
			"rate.chunks: NaN is not valid; use 0 to 1000000000"},
		{"rate endless", spec(func(s *bulkheadv1.ConsumerSpec) { s.RateChunksPerSecond = math.Inf(1) }),
			"rate.chunks: +Inf is not valid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			messages, err := start(t, dial(t, New(Options{})), c.request).end()
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(status.Convert(err).Message(), c.want) {
				t.Errorf("error %v, want InvalidArgument with %q", err, c.want)
			}
			if len(messages) != 0 {
				t.Errorf("messages: %v", messages)
			}
		})
	}
}

func TestTaskDefaults(t *testing.T) {
	r := request(t.TempDir(), 1000, 1000, func(task *bulkheadv1.ConsumerTask) {
		task.ProgressIntervalNano, task.StallAfterNano = 0, 0
	})
	got, err := newTask(r)
	if err != nil {
		t.Fatal(err)
	}
	if got.interval != time.Second || got.stallAfter != 2*time.Second {
		t.Errorf("interval %v, stall threshold %v; want 1s and 2s", got.interval, got.stallAfter)
	}
	if r.GetProcess().GetPid() != 0 {
		t.Error("the request was changed")
	}
}
