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
		{"chunk 0", request(folder, 0, 5000, nil), "chunk size 0 B"},
		{"chunk huge", request(folder, 1<<30+1, 1<<40, nil), "at most 1 GiB"},
		{"file below chunk", request(folder, 1000, 999, nil), "file size 999 B is less than the chunk size of 1000 B"},
		{"file 0", request(folder, 1000, 0, nil), "file size 0 B is less"},
		{"file huge", request(folder, 1000, 1<<63, nil), "more than a file can have"},
		{"path empty", request("", 1000, 5000, nil), `path "" is not absolute`},
		{"path relative", request("load", 1000, 5000, nil), `path "load" is not absolute`},
		{"path missing", request(folder+"/none", 1000, 5000, nil), `none" does not exist`},
		{"path a file", request(plain, 1000, 5000, nil), `plain" is not a folder`},
		{"path below a file", request(plain+"/x", 1000, 5000, nil), "not a directory"},
		{"no sync policy", edited(func(task *bulkheadv1.ConsumerTask) { task.Spec.Sync = 0 }), "sync policy"},
		{"unknown sync policy", edited(func(task *bulkheadv1.ConsumerTask) { task.Spec.Sync = 99 }), "sync policy 99"},
		{"interval negative", edited(func(task *bulkheadv1.ConsumerTask) { task.ProgressIntervalNano = -1 }), "progress interval -1ns"},
		{"interval tiny", edited(func(task *bulkheadv1.ConsumerTask) { task.ProgressIntervalNano = 1 }), "progress interval 1ns"},
		{"stall negative", edited(func(task *bulkheadv1.ConsumerTask) { task.StallAfterNano = -1 }), "stall threshold -1ns"},
		{"all at once", request("load", 0, 0, nil), "chunk size 0 B: a chunk has at least 1 B; path"},
		{"path a symbolic link", request(link, 1000, 5000, nil), "is a symbolic link"},
		{"client id", edited(func(task *bulkheadv1.ConsumerTask) { task.ClientId = []byte("short") }), "client id of 5 bytes: it has 16"},
		{"file sizes", spec(func(s *bulkheadv1.ConsumerSpec) { s.MinFileSizeBytes = 5001 }), "least file size 5001 B is more than the largest of 5000 B"},
		{"chunk sizes 0", spec(func(s *bulkheadv1.ConsumerSpec) { s.ChunkSizes = weights(1000, 1, 0, 1) }), "chunk size 2 of 2 is 0 B"},
		{"chunk sizes weight", spec(func(s *bulkheadv1.ConsumerSpec) { s.ChunkSizes = weights(1000, 0) }), "chunk size 1 of 1 has weight 0"},
		{"chunk sizes largest", spec(func(s *bulkheadv1.ConsumerSpec) { s.ChunkSizes = weights(900, 1, 100, 1) }), "the largest of the chunk sizes is 900 B, and the chunk size says 1000 B"},
		{"chunk sizes too many", spec(func(s *bulkheadv1.ConsumerSpec) { s.ChunkSizes = make([]*bulkheadv1.WeightedSize, 65) }), "65 chunk sizes: there are at most 64"},
		{"chunk sizes random", spec(func(s *bulkheadv1.ConsumerSpec) {
			s.ChunkSizes, s.Pattern = weights(1000, 1, 100, 1), bulkheadv1.Pattern_PATTERN_RANDOM
		}), "pattern random with 2 chunk sizes"},
		{"concurrency", spec(func(s *bulkheadv1.ConsumerSpec) { s.Concurrency = 257 }), "concurrency 257: a consumer has at most 256 writers"},
		{"memory", spec(func(s *bulkheadv1.ConsumerSpec) {
			s.Concurrency, s.ChunkSizeBytes, s.FileSizeBytes = 5, 256<<20, 1<<30
		}), "concurrency 5 with chunks of 268435456 B needs 1342177280 B of memory"},
		{"recycle nothing", spec(func(s *bulkheadv1.ConsumerSpec) { s.Recycle, s.KeepFiles = true, 0 }), "recycle with keep_files 0"},
		{"recycle append", spec(func(s *bulkheadv1.ConsumerSpec) {
			s.Recycle, s.Pattern = true, bulkheadv1.Pattern_PATTERN_APPEND
		}), "recycle with pattern append"},
		{"direct", spec(func(s *bulkheadv1.ConsumerSpec) { s.Direct = true }), "direct with chunks of 1000 B: O_DIRECT takes multiples of 512 B"},
		{"direct list", spec(func(s *bulkheadv1.ConsumerSpec) {
			s.Direct, s.ChunkSizeBytes, s.ChunkSizes = true, 1024, weights(1024, 1, 100, 1)
		}), "direct with chunks of 100 B"},
		{"sync 0", spec(func(s *bulkheadv1.ConsumerSpec) { s.Sync = bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES }), "sync after every 0 B"},
		{"sync bytes", spec(func(s *bulkheadv1.ConsumerSpec) { s.SyncBytes = 5 }), "sync after every 5 B, and the sync policy is SYNC_POLICY_NONE"},
		{"pattern", spec(func(s *bulkheadv1.ConsumerSpec) { s.Pattern = 9 }), "pattern 9: it is sequential, random or append"},
		{"verify", spec(func(s *bulkheadv1.ConsumerSpec) { s.Verify = 9 }), "verify 9: it is off"},
		{"data", spec(func(s *bulkheadv1.ConsumerSpec) { s.Data = &bulkheadv1.DataSpec{Kind: 9} }), "data 9: they are random"},
		{"data percent", spec(func(s *bulkheadv1.ConsumerSpec) {
			s.Data = &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_COMPRESSIBLE, Percent: 101}
		}), "data of 101 percent"},
		{"data percent of random", spec(func(s *bulkheadv1.ConsumerSpec) {
			s.Data = &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_RANDOM, Percent: 1}
		}), "data of 1 percent: only compressible and dedupable"},
		{"start delay", spec(func(s *bulkheadv1.ConsumerSpec) { s.StartDelayNano = -1 }), "start delay -1ns"},
		{"think time", spec(func(s *bulkheadv1.ConsumerSpec) { s.ThinkTimeNano = -1 }), "think time -1ns"},
		{"rate negative", spec(func(s *bulkheadv1.ConsumerSpec) { s.RateChunksPerSecond = -1 }), "rate of -1 chunks a second"},
		{"rate NaN", spec(func(s *bulkheadv1.ConsumerSpec) { s.RateChunksPerSecond = math.NaN() }), "rate of NaN chunks a second"},
		{"rate endless", spec(func(s *bulkheadv1.ConsumerSpec) { s.RateChunksPerSecond = math.Inf(1) }), "rate of +Inf chunks a second"},
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
