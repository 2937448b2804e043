package client

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/client/preflight"
	"bulkhead/client/spec"
	"bulkhead/internal/config/value"
	"bulkhead/internal/testing/scripted"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestRunEndsWhenAllIsWritten(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) {
		c.TotalBytes = 5 << 20
		c.ProgressInterval = time.Hour // the finished files alone tell it
	})
	result := r.end()
	stop := r.stop()
	if stop.GetReason() != bulkheadv1.StopReason_STOP_REASON_TOTAL || result.ExitCode() != 0 || result.Bytes < 5<<20 {
		t.Errorf("Run = %+v, stop %v; want an end by the total", result, stop)
	}
}

// TestNoChunkIsWrittenBeyondTheTotal runs several consumers with several writers, whose files do
// not end where the total does. With sync, also the file that is cut there is synced.
func TestNoChunkIsWrittenBeyondTheTotal(t *testing.T) {
	const total, chunk = 5<<20 + 12345, 10_000
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) {
		c.TotalBytes = total
		for i := range c.Consumers {
			c.Consumers[i].ChunkSize, c.Consumers[i].FileSize = chunk, 1<<20
			c.Consumers[i].Concurrency = 3
			c.Consumers[i].Sync = bulkheadv1.SyncPolicy_SYNC_POLICY_FILE
		}
	})
	result := r.end()
	if reason := r.stop().GetReason(); reason != bulkheadv1.StopReason_STOP_REASON_TOTAL || result.ExitCode() != 0 {
		t.Errorf("Run = %+v, stopped for %v; want an end by the total", result, reason)
	}
	if result.Bytes < total || result.Bytes >= total+chunk {
		t.Errorf("%d bytes were written; want %d, and less than a chunk of %d more", result.Bytes, total, chunk)
	}
	files, partial := uint64(0), 0
	messages, _, _ := r.collector.Snapshot()
	for _, m := range messages {
		f := m.GetRollover()
		if f == nil {
			continue
		}
		files += f.GetSizeBytes()
		if f.GetPartial() {
			partial++
		}
		if f.GetSyncNano() == 0 {
			t.Errorf("not synced: %v", f)
		}
	}
	if files != result.Bytes || partial == 0 {
		t.Errorf("the files have %d bytes, %d of them are partial; want the %d that were written, and the cut ones",
			files, partial, result.Bytes)
	}
}

func TestRunEndsWhenItsThroughputIsSteady(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) {
		c.Steady = spec.Steady{Window: 10 * c.ProgressInterval, MaxVariation: 90}
		for i := range c.Consumers {
			c.Consumers[i].RateBytes = 4 << 20
		}
	})
	result := r.end()
	if stop := r.stop(); stop.GetReason() != bulkheadv1.StopReason_STOP_REASON_STEADY ||
		!strings.Contains(stop.GetDetail(), "B/s, varying by ") || result.ExitCode() != 0 {
		t.Errorf("Run = %+v, stop %v; want a steady end", result, stop)
	}
}

// TestConsumersBeginOneAfterTheOther sets a ramp after which the second consumer does not begin
// within the test.
func TestConsumersBeginOneAfterTheOther(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) {
		c.Runtime, c.Ramp = 4*time.Hour, 4*time.Hour
		c.Consumers[0].StopOnError = true
	})
	r.consumerPid(0)
	for index, want := range []int64{0, int64(2 * time.Hour)} {
		m := r.until("the consumer's Start", func(m *bulkheadv1.Message) bool {
			return m.GetStart().GetConsumer() != nil && m.GetProcess().GetIndex() == uint32(index)
		})
		spec := m.GetStart().GetConsumer()
		if spec.GetStartDelayNano() != want || spec.GetStopOnError() != (index == 0) {
			t.Errorf("consumer %d: spec %v; want a delay of %d", index, spec, want)
		}
	}
	messages, _, _ := r.collector.Snapshot()
	for _, m := range messages {
		if m.GetProcess().GetIndex() == 1 && m.GetProgress().GetBytes() > 0 {
			t.Errorf("consumer 1 has written already: %v", m)
		}
	}
}

// TestReserveEndsTheLoad fills the disk while the load runs: with bytes, or with files. Several
// consumers come to the reserve, and the load has one end.
func TestReserveEndsTheLoad(t *testing.T) {
	for _, test := range []struct {
		name string
		kept func(*workload.Consumer)
		fill func(t *testing.T, disk string)
		says string
	}{
		{"bytes", func(c *workload.Consumer) { c.Reserve = workload.Reserve{Bytes: 4 << 20} }, func(t *testing.T,
			disk string) {
			if err := os.WriteFile(filepath.Join(disk, "foreign"), make([]byte, 13<<20), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "the reserve of 4MiB on "},
		{"inodes", func(c *workload.Consumer) { c.ReserveInodes = workload.InodeReserve{Count: 50} },
			func(t *testing.T, disk string) {
				for i := range 160 {
					if err := os.WriteFile(filepath.Join(disk, fmt.Sprint("foreign-", i)), nil, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}, "the reserve of 50 inodes on "},
	} {
		t.Run(test.name, func(t *testing.T) {
			disk := scripted.Tmpfs(t, "size=16m,nr_inodes=200")
			r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) {
				onDisk(disk, false, false, true)(c)
				for i := range c.Consumers {
					test.kept(&c.Consumers[i])
				}
			})
			for i := range uint32(3) {
				r.consumerPid(i)
			}
			test.fill(t, disk)
			result := r.end()
			says := test.says + disk + " was reached ("
			if result.ExitCode() != 0 || result.Errors != 0 || len(result.Problems)+len(result.CrashedWorkers) != 0 {
				t.Errorf("Run = %+v; want an end in order", result)
			}
			if len(result.Notes) == 0 || !strings.Contains(result.Notes[0], says) {
				t.Errorf("notes = %q; want %q", result.Notes, says)
			}
			stop := r.stop()
			if stop.GetReason() != bulkheadv1.StopReason_STOP_REASON_RESERVE ||
				!strings.HasPrefix(stop.GetDetail(), says) {
				t.Errorf("stop = %v; want the reserve, %q", stop, says)
			}
			ended := 0
			for _, exit := range stop.GetExits() {
				if exit.GetClass() != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN {
					t.Errorf("exit %v; want one in order", exit)
				}
				if exit.GetEndedWork() == bulkheadv1.StopReason_STOP_REASON_RESERVE &&
					strings.HasPrefix(exit.GetCause(), says) {
					ended++
				}
			}
			if ended == 0 {
				t.Errorf("exits = %v; want the consumer that came to the reserve", stop.GetExits())
			}
			if log := r.log.String(); strings.Count(log, "load ended: "+says) != 1 ||
				strings.Count(log, "reserve of") != 1 || strings.Contains(log, "level=ERROR") {
				t.Errorf("the log does not say it once:\n%s", log)
			}
		})
	}
}

// TestInodesAreCheckedBeforehand uses file systems with more and with fewer inodes than files.
func TestInodesAreCheckedBeforehand(t *testing.T) {
	for _, test := range []struct {
		inodes int
		want   string
	}{{64, ""}, {40, "consumers 0 and 1 together: may have 24 files at once in "}} {
		disk := scripted.Tmpfs(t, fmt.Sprintf("size=16m,nr_inodes=%d", test.inodes))
		configure := func(c *spec.Config) {
			onDisk(disk, false, false)(c)
			for i := range c.Consumers {
				c.Consumers[i].FileSize, c.Consumers[i].KeepFiles, c.Consumers[i].ReserveInodes = 64<<10, 10,
					workload.InodeReserve{Count: 30, Percent: 50}
			}
		}
		cfg := scripted.Config()
		cfg.Supervisor, cfg.Runtime, cfg.WorkDir = value.Addresses{"localhost:1"}, time.Hour, t.TempDir()
		configure(&cfg)
		plan, err := preflight.MakePlan(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(plan.Problems, "\n"); (got == "") != (test.want == "") {
			t.Errorf("%d inodes: planned with %q; want %q", test.inodes, got, test.want)
		}
		if one := plan.Consumers[0]; one.FilesAtOnce != 12 || one.FreeInodes == nil ||
			*one.FreeInodes != uint64(test.inodes-1) || one.ReserveInodes != min(30, uint64(test.inodes/2)) {
			t.Errorf("%d inodes: planned %+v", test.inodes, one)
		}
		r := startClient(t, scripted.Start(t, scripted.Orderly), configure)
		if test.want == "" {
			r.consumerPid(0)
			r.consumerPid(1)
			r.signals <- syscall.SIGINT
		}
		r.end()
		if got := fmt.Sprint(r.err); (r.err == nil) != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%d inodes: Run = %v; want %q", test.inodes, r.err, test.want)
		}
	}
}
