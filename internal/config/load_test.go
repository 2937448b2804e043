package config

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/config/value"
)

// write puts text into a file named config.yaml and returns its path.
func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// refusal returns the lines of an error with the folder of the file cut off.
func refusal(t testing.TB, file string, err error) string {
	t.Helper()
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("error = %v; want Problems", err)
	}
	return strings.ReplaceAll(err.Error(), filepath.Dir(file)+"/", "")
}

func TestPrecedence(t *testing.T) {
	file := write(t, "clients: 2\nlinger: 3s\nhandler:\n  pool: 5\n")
	env := []string{"BULKHEAD_LINGER=9s", "BULKHEAD_LINGER=4s", "BULKHEAD_HANDLER_POOL=6", "BULKHEAD_UNKNOWN=x",
		"PATH=/bin"}
	flags := []Override{{Key: "handler.pool", Value: "9", Origin: "--pool"},
		{Key: "handler.pool", Value: "7", Origin: "--pool"}}

	got, err := LoadSupervisor(file, env, flags)
	if err != nil {
		t.Fatal(err)
	}
	want, err := LoadSupervisor("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want.Clients.Count = 2        // the file, over the default 1
	want.Linger = 4 * time.Second // the environment's last, over the file's 3s
	want.Handler.Pool = 7         // the last flag, over environment, file and default
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDefaults(t *testing.T) {
	s, err := LoadSupervisor("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Log != (Log{Level: slog.LevelInfo, Format: "text", ProgressInterval: 5 * time.Second}) ||
		s.Session.MaxFrame != value.MiB || s.Journal.Sync != JournalSyncBatch {
		t.Errorf("supervisor = %+v", s)
	}
	for _, empty := range []string{"", "# nothing\n", "---\n", "heartbeat:\nlabels:\nconsumers:\n", "\ufeff\n", "{}"} {
		got, err := LoadClient(write(t, empty), nil, nil)
		if err != nil {
			t.Fatalf("%q: %v", empty, err)
		}
		want, err := LoadClient("", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", empty, diff)
		}
	}
}

func TestConsumersAreFilledFromTheDefaults(t *testing.T) {
	file := write(t, `
consumer_count: 4
chunk_size: 2MiB
path: /data
consumers:
  - {chunk_size: 64KiB, file_size: 1MiB, keep_files: 0}
  - {}
  - path: /other
    sync: none
    on_error: stop
`)
	flags := []Override{{Key: "chunk_size", Value: "4MiB", Origin: "--chunk-size"}}
	c, err := LoadClient(file, nil, flags)
	if err != nil {
		t.Fatal(err)
	}
	defaults, err := LoadClient("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain := defaults.Consumer
	plain.ChunkSize, plain.Path = value.ChunkSize{{Size: 4 * value.MiB, Weight: 1}}, "/data"
	first, other := plain, plain
	first.ChunkSize, first.KeepFiles = value.ChunkSize{{Size: 64 * value.KiB, Weight: 1}}, 0
	first.FileSize = value.FileSize{Min: value.MiB, Max: value.MiB}
	other.Path, other.Sync, other.OnError = "/other", value.FileSync{Policy: value.SyncNone}, OnErrorStop
	want := []Consumer{first, plain, other, plain}
	if diff := cmp.Diff(want, c.Consumers()); diff != "" {
		t.Error(diff)
	}
}

func TestRelatedValuesMayBeEqual(t *testing.T) {
	file := write(t, `
heartbeat: {interval: 1s, timeout: 1s}
spool: {memory: 8MiB, max_size: 8MiB}
chunk_size: 3MiB
file_size: 3MiB
consumers: [{}, {chunk_size: 5kB, file_size: 5kB}]
`)
	if _, err := LoadClient(file, nil, nil); err != nil {
		t.Error(err)
	}
}

func TestLabels(t *testing.T) {
	file := write(t, "labels: {rack: a3, empty: \"\", \"disk type\": nvme, n: 7}\n")
	c, err := LoadClient(file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"rack": "a3", "empty": "", "disk type": "nvme", "n": "7"},
		c.Labels); diff != "" {
		t.Error(diff)
	}
	c, err = LoadClient(file, []string{"BULKHEAD_LABELS=a=1,b=x=y,c="}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "x=y", "c": ""}, c.Labels); diff != "" {
		t.Error(diff)
	}
	c, err = LoadClient(file, []string{"BULKHEAD_LABELS="}, nil)
	if err != nil || c.Labels != nil {
		t.Errorf("labels = %v, %v; want none", c.Labels, err)
	}
}

// TestAllProblemsAtOnce puts something wrong into every source.
func TestAllProblemsAtOnce(t *testing.T) {
	file := write(t, `runtime: 20
heartbeat:
  intervall: 1s
  timeout: 5s
consumer_count: 1
consumers:
  - chunk_size: 10X
  - sync: always
file_size: 3kB
`)
	env := []string{"BULKHEAD_SYNC=maybe", "BULKHEAD_KEEP=yes"}
	flags := []Override{{Key: "log.level", Value: "loud", Origin: "--log-level"},
		{Key: "spool.memory", Value: "1GiB", Origin: "--spool-memory"}}
	_, err := LoadClient(file, env, flags)
	want := `config.yaml:1: runtime: "20" has no unit; use 20s
config.yaml:3: heartbeat.intervall: unknown key; did you mean interval? valid here: interval, timeout
config.yaml:4: heartbeat.timeout: 5s is more than heartbeat.interval, which is 2s (default); use at most 2s
config.yaml:6: consumers: has 2 entries, but consumer_count is 1 (line 5); raise consumer_count, or remove entries
config.yaml:7: consumers[0].chunk_size: "10X" is not a size; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB
config.yaml:8: consumers[1].sync: "always" is not valid; use none, file, chunk, dsync or a size, as in 16MiB
BULKHEAD_SYNC: sync: "maybe" is not valid; use none, file, chunk, dsync or a size, as in 16MiB
BULKHEAD_KEEP: keep: "yes" is neither true nor false; use true
--log-level: log.level: "loud" is not valid; use debug, info, warn or error
--spool-memory: spool.memory: 1GiB is more than spool.max_size, which is 256MiB (default); use at most 256MiB`
	if diff := cmp.Diff(want, refusal(t, file, err)); diff != "" {
		t.Error(diff)
	}
}

func TestManyProblemsAreCut(t *testing.T) {
	var text strings.Builder
	for i := range maxProblems + 7 {
		text.WriteString("unknown" + strconv.Itoa(i) + ": 1\n")
	}
	file := write(t, text.String())
	_, err := LoadSupervisor(file, nil, nil)
	lines := strings.Split(refusal(t, file, err), "\n")
	if len(lines) != maxProblems+1 || lines[maxProblems] != "config.yaml:100: 7 more problems are not shown" {
		t.Errorf("%d lines, the last: %s", len(lines), lines[len(lines)-1])
	}
}

func TestTokenIsNeverRepeated(t *testing.T) {
	secret := strings.Repeat("s3cret", 200)
	for _, text := range []string{"token: " + secret, "token: \"s3cret\\n\"", "token: [s3cret]", "token: !s3 s3cret"} {
		_, err := LoadClient(write(t, text), []string{"BULKHEAD_TOKEN=" + secret},
			[]Override{{Key: "token", Value: secret, Origin: "--token"}})
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%.20s…: error = %v", text, err)
		}
	}
}

func TestOverload(t *testing.T) {
	file := write(t, "overload: {startups: 1:100:65536, max_per_source: 7, max_clients: 50, crash_delay: 0s, "+
		"journal_share: 7}")
	s, err := LoadSupervisor(file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Overload{Startups: value.Startups{Start: 1, Rate: 100, Full: 65_536}, MaxPerSource: 7, MaxClients: 50,
		JournalShare: 7}
	if diff := cmp.Diff(want, s.Overload); diff != "" {
		t.Error(diff)
	}
}
