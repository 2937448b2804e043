package consumer

import (
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
