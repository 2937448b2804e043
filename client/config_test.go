package client

import (
	"errors"
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestConfigDefaults(t *testing.T) {
	got, err := Config{Consumers: []Consumer{{Path: "data", ChunkSize: 1, FileSize: 1}}}.resolve()
	if err != nil {
		t.Fatal(err)
	}
	if got.Supervisor != "127.0.0.1:7420" || got.Name == "" || got.Runtime != 20*time.Second ||
		got.HeartbeatTimeout != time.Second || got.SpoolMemory != 4<<20 || got.Executable == "" || got.Logger == nil {
		t.Errorf("defaults = %+v", got)
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
	}.resolve()
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
	id := clientID{0xab, 0xcd, 0xef, 0x01}
	for name, want := range map[string]string{
		"host-1.example": "bulkhead-host-1.example-abcdef01",
		"../../etc":      "bulkhead-.._.._etc-abcdef01",
		"a b\x00ü":       "bulkhead-a_b__-abcdef01",
	} {
		if got := folderName(name, id); got != want {
			t.Errorf("folderName(%q) = %q; want %q", name, got, want)
		}
	}
}

func TestExitCode(t *testing.T) {
	for verdict, want := range map[Verdict]int{VerdictComplete: 0, VerdictFailed: 1, VerdictUnworkable: 78, VerdictPartial: 3, VerdictInterrupted: 4, "": 1} {
		if got := (Result{Verdict: verdict}).ExitCode(); got != want {
			t.Errorf("%q: exit code %d; want %d", verdict, got, want)
		}
	}
}

func TestResultIsPartialForEachProblem(t *testing.T) {
	tests := []struct {
		name   string
		result Result
		want   string // empty for complete
	}{
		{"complete", Result{Delivered: true, Closed: true}, ""},
		{"aborted", Result{Closed: true, cut: 1}, "stopped at once"},
		{"without substance", Result{Closed: true, missing: []string{"consumer 0 wrote nothing"}}, "consumer 0 wrote nothing"},
		{"failed", Result{Closed: true, Reason: bulkheadv1.StopReason_STOP_REASON_FAILED, Detail: "no consumer is left"}, "no consumer is left"},
		{"crash", Result{Closed: true, CrashedWorkers: []string{"consumer 1 fell"}}, "consumer 1 fell"},
		{"write errors", Result{Closed: true, Errors: 3}, "3 operations"},
		{"corruption", Result{Closed: true, CorruptBlocks: 3, FirstCorruption: "where and what"}, "3 blocks did not read back as they were written, the first: where and what"},
		{"dropped", Result{Closed: true, Dropped: 4}, "4 messages"},
		{"undelivered", Result{Messages: 9, Undelivered: 5, SpoolPath: "/tmp/x/spool"}, "5 of 9 messages are not delivered (cause); they are kept in /tmp/x/spool"},
		{"undelivered and lost", Result{Messages: 9, Undelivered: 5}, "could not be kept"},
		{"not confirmed", Result{Delivered: true}, "did not confirm"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := test.result
			r.judge(errors.New("cause"))
			if test.want == "" {
				if r.Verdict != VerdictComplete || len(r.Problems) != 0 {
					t.Errorf("%s: %v; want complete", r.Verdict, r.Problems)
				}
			} else if r.Verdict != VerdictPartial || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], test.want) {
				t.Errorf("%s: %v; want partial, %q", r.Verdict, r.Problems, test.want)
			}
		})
	}
}

// What an operator cut short is told as such, with how far it came; what is missing as well
// wins, and does not hide it.
func TestInterruptedLoadSaysHowFarItCame(t *testing.T) {
	for reason, want := range map[bulkheadv1.StopReason]string{
		bulkheadv1.StopReason_STOP_REASON_INTERRUPTED: "interrupted after 6s of 20s: why",
		bulkheadv1.StopReason_STOP_REASON_HANGUP:      "interrupted, as its terminal or session ended, after 6s of 20s: why",
		bulkheadv1.StopReason_STOP_REASON_DRAINED:     "drained by an operator of the supervisor after 6s of 20s: why",
	} {
		r := Result{Closed: true, Reason: reason, Detail: "why", Reached: 6 * time.Second, Runtime: 20 * time.Second}
		r.judge(nil)
		if r.Verdict != VerdictInterrupted || r.Interruption != want || r.ExitCode() != 4 {
			t.Errorf("%v: %s, exit code %d: %q; want %q", reason, r.Verdict, r.ExitCode(), r.Interruption, want)
		}
		r.Dropped = 1
		r.judge(nil)
		if r.Verdict != VerdictPartial || r.Interruption != want {
			t.Errorf("%v, and something missing: %s: %q; want partial, %q", reason, r.Verdict, r.Interruption, want)
		}
	}
}
