package spec

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/config"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestConfigOfSettings(t *testing.T) {
	cfg := Of(config.DefaultClient())
	cfg.Consumers = []Consumer{{Path: "data", ChunkSize: 1, FileSize: 1}}
	cfg.DeliverTimeout, cfg.LogProgress = 0, 0 // 0 is 0
	got, err := cfg.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if got.Supervisor != "127.0.0.1:7420" || got.Name == "" || got.Runtime != 20*time.Second || got.DeliverTimeout != 0 || got.LogProgress != 0 ||
		got.HeartbeatTimeout != time.Second || got.SpoolMemory != 4<<20 || got.Executable == "" || got.Logger == nil {
		t.Errorf("resolved: %+v", got)
	}
	if c := got.Consumers[0]; !strings.HasPrefix(c.Path, "/") || c.Sync != bulkheadv1.SyncPolicy_SYNC_POLICY_NONE {
		t.Errorf("consumer = %+v; want an absolute path and no sync", c)
	}
}

func TestConfigReportsAllProblemsAtOnce(t *testing.T) {
	good := Consumer{Path: "/data", ChunkSize: 10, FileSize: 20}
	_, err := Config{
		Supervisor: "nowhere", Name: strings.Repeat("n", 129), Runtime: -1,
		HeartbeatInterval: time.Second, HeartbeatTimeout: 2 * time.Second,
		WorkDir:   "/" + strings.Repeat("w", 60),
		Labels:    map[string]string{strings.Repeat("k", 129): ""},
		Consumers: []Consumer{good, {ChunkSize: 1, FileSize: 1}, {Path: "x"}, {Path: "x", ChunkSize: 2, FileSize: 1}},
	}.Resolve()
	if !errors.Is(err, ErrConfig) {
		t.Fatalf("error %v; want ErrConfig", err)
	}
	for _, want := range []string{
		`supervisor: "nowhere" is not host:port`, "name: ", "runtime: -1ns is negative", "heartbeat.timeout: 2s is longer than heartbeat.interval (1s)",
		"labels: ", "work_dir: /www", "use a path of at most 49 bytes", "consumer 1: path: there is none", "consumer 2: chunk_size: is 0", "consumer 3: file_size: 1B is less than chunk_size (2B)",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "consumer 0") {
		t.Errorf("a good consumer is blamed:\n%v", err)
	}
}

func TestFolderNameIsOnePathElement(t *testing.T) {
	id := ClientID{0xab, 0xcd, 0xef, 0x01}
	for name, want := range map[string]string{
		"host-1.example": "bulkhead-host-1.example-abcdef01",
		"../../etc":      "bulkhead-.._.._etc-abcdef01",
		"a b\x00ü":       "bulkhead-a_b__-abcdef01",
	} {
		if got := FolderName(name, id); got != want {
			t.Errorf("folderName(%q) = %q; want %q", name, got, want)
		}
	}
}
