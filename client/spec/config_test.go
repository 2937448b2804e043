package spec

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestConfigOfSettings(t *testing.T) {
	cfg := Of(config.DefaultClient())
	cfg.Consumers = []workload.Consumer{{Path: "data", ChunkSize: 1, FileSize: 1,
		Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_NONE}}
	cfg.DeliverTimeout, cfg.LogProgress = 0, 0 // 0 is 0
	got, err := cfg.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if got.Supervisor.String() != "127.0.0.1:7420" || got.Name == "" || got.Runtime != 20*time.Second ||
		got.DeliverTimeout != 0 || got.LogProgress != 0 ||
		got.HeartbeatTimeout != time.Second || got.SpoolMemory != 4<<20 || got.Executable == "" || got.Logger == nil {
		t.Errorf("resolved: %+v", got)
	}
	if c := got.Consumers[0]; !strings.HasPrefix(c.Path, "/") {
		t.Errorf("consumer = %+v; want an absolute path", c)
	}
}

func TestConfigReportsAllProblemsAtOnce(t *testing.T) {
	const none = bulkheadv1.SyncPolicy_SYNC_POLICY_NONE
	good := workload.Consumer{Path: "/data", ChunkSize: 10, FileSize: 20, Sync: none}
	_, err := Config{
		Supervisor: value.Addresses{"nowhere"}, Name: strings.Repeat("n", 129), Runtime: -1,
		HeartbeatInterval: time.Second, HeartbeatTimeout: 2 * time.Second,
		WorkDir: "/" + strings.Repeat("w", 60),
		Labels:  map[string]string{strings.Repeat("k", 129): "", "rack": "\n"},
		Token:   strings.Repeat("t", 1025),
		Consumers: []workload.Consumer{good, {ChunkSize: 1, FileSize: 1, Sync: none}, {Path: "x", Sync: none},
			{Path: "x", ChunkSize: 2, FileSize: 1, Sync: none}, {Path: "x", ChunkSize: 1, FileSize: 1}},
	}.Resolve()
	if !errors.Is(err, ErrConfig) {
		t.Fatalf("error %v; want ErrConfig", err)
	}
	for _, want := range []string{
		`supervisor: "nowhere" is not an address; add the port`, "name: is 129 bytes long; use at most 128",
		"token: is 1025 bytes long; use at most 1024", "runtime: -1ns is not valid; a duration is 0 or more",
		"heartbeat.interval: 1s is less than heartbeat.timeout (2s)",
		`kkk…" is 129 bytes long; use at most 128`, `labels: label value "\n" holds a line break`,
		"work_dir: /www", "use a path of at most 49 bytes", "consumer 1: path: it is empty; give a folder",
		"consumer 2: chunk_size: 0B is not valid; use 1B to 1GiB",
		"consumer 3: file_size: 1B is less than chunk_size (2B)",
		"consumer 4: sync: unspecified is not valid",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "consumer 0") {
		t.Errorf("a good consumer is blamed:\n%v", err)
	}
}
