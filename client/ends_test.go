package client

import (
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestRunEndsWhenAllIsWritten(t *testing.T) {
	r := startClient(t, startCollector(t, orderly), func(c *Config) {
		c.TotalBytes = 5 << 20
		c.ProgressInterval = time.Hour // the finished files alone tell it
	})
	result := r.end()
	stop := r.stop()
	if stop.GetReason() != bulkheadv1.StopReason_STOP_REASON_TOTAL || result.ExitCode() != 0 || result.Bytes < 5<<20 {
		t.Errorf("Run = %+v, stop %v; want an end by the total", result, stop)
	}
}

// TestNoChunkIsWrittenBeyondTheTotal has several consumers with several writers, whose files
// do not end where the total does. With sync, also the file that is cut there is synced.
func TestNoChunkIsWrittenBeyondTheTotal(t *testing.T) {
	const total, chunk = 5<<20 + 12345, 10_000
	r := startClient(t, startCollector(t, orderly), func(c *Config) {
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
	messages, _, _ := r.collector.snapshot()
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
		t.Errorf("the files have %d bytes, %d of them are partial; want the %d that were written, and the cut ones", files, partial, result.Bytes)
	}
}

func TestRunEndsWhenItsThroughputIsSteady(t *testing.T) {
	r := startClient(t, startCollector(t, orderly), func(c *Config) {
		c.Steady = Steady{Window: 10 * c.ProgressInterval, MaxVariation: 90}
		for i := range c.Consumers {
			c.Consumers[i].RateBytes = 4 << 20
		}
	})
	result := r.end()
	if stop := r.stop(); stop.GetReason() != bulkheadv1.StopReason_STOP_REASON_STEADY || !strings.Contains(stop.GetDetail(), "B/s, varying by ") || result.ExitCode() != 0 {
		t.Errorf("Run = %+v, stop %v; want a steady end", result, stop)
	}
}

// TestConsumersBeginOneAfterTheOther has a ramp after which the second consumer does not
// begin within the test.
func TestConsumersBeginOneAfterTheOther(t *testing.T) {
	r := startClient(t, startCollector(t, orderly), func(c *Config) {
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
	messages, _, _ := r.collector.snapshot()
	for _, m := range messages {
		if m.GetProcess().GetIndex() == 1 && m.GetProgress().GetBytes() > 0 {
			t.Errorf("consumer 1 has written already: %v", m)
		}
	}
}

// TestReserveEndsTheLoad has a disk that somebody else fills while the load runs.
func TestReserveEndsTheLoad(t *testing.T) {
	disk := smallDisk(t)
	r := startClient(t, startCollector(t, orderly), func(c *Config) {
		onDisk(disk, false)(c)
		c.Consumers[0].Reserve = Reserve{Bytes: 2 << 20}
	})
	r.consumerPid(0)
	fillUp(t, disk)
	result := r.end()
	if result.ExitCode() != 3 || !strings.Contains(result.Detail, "no consumer is left; the last, consumer 0: ") || !strings.Contains(result.Detail, "kept in reserve") {
		t.Errorf("Run = %+v; want an end because of the reserve", result)
	}
	if len(result.CrashedWorkers) != 1 || !strings.Contains(result.CrashedWorkers[0], "kept in reserve") {
		t.Errorf("crashed = %q; want the reserve named", result.CrashedWorkers)
	}
}
