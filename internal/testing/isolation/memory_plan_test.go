package isolation_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
)

// TestMemoryIsAsPlanned writes with real consumers: the most memory that each ever had is no more
// than the plan says, and the plan no more than twice that.
func TestMemoryIsAsPlanned(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	for name, flags := range map[string][]string{
		"many writers, small chunks": {"--concurrency", "256", "--chunk-size", "4KiB", "--file-size", "4KiB"},
		"dedupable": {"--concurrency", "256", "--chunk-size", "4KiB", "--file-size", "64KiB",
			"--data", "dedupable:50"},
		"large chunks": {"--concurrency", "4", "--chunk-size", "16MiB", "--file-size", "16MiB"},
		"one writer":   {"--chunk-size", "1MiB", "--file-size", "8MiB"},
		"many consumers": {"--consumers", "6", "--concurrency", "2", "--chunk-size", "64KiB",
			"--file-size", "256KiB"},
		"verified at the end": {"--concurrency", "8", "--chunk-size", "4KiB", "--file-size", "4KiB", "--verify",
			"at-end", "--keep-files", "5000"},
		"verified at rollover": {"--concurrency", "16", "--chunk-size", "128KiB", "--file-size", "1MiB",
			"--verify", "at-rollover"},
		"past the page cache, synced": {"--concurrency", "64", "--chunk-size", "16KiB", "--file-size", "64KiB",
			"--direct", "--sync", "chunk"},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := start(t), shortFolder(t, "sized")
			flags := append([]string{"--runtime", "1h", "--reserve", "0", "--consumers", "1", "--sync", "none"},
				flags...)
			var plan struct {
				All       uint64 `json:"memory_bytes"`
				Consumers []struct {
					Most uint64 `json:"memory_bytes"`
				} `json:"consumers"`
			}
			planned := append([]string{"client", "--supervisor", s.Addr, "--path", dir, "--dry-run", "--json"},
				flags...)
			expect.NoError(t, json.Unmarshal(output(t, 0, planned...), &plan))
			c, err := harness.StartClient(bin, dir, s.Addr, "sized", flags...)
			expect.NoError(t, err)
			t.Cleanup(c.Kill)
			var pids []int
			expect.Eventually(t, func() error {
				if pids, err = c.Workers("consumer"); err != nil {
					return err
				}
				for _, pid := range pids {
					if bytes, err := passedToWrite(pid); err != nil || bytes < 4<<20 {
						return fmt.Errorf("consumer %d has written %d B: %w", pid, bytes, err)
					}
				}
				if len(pids) != len(plan.Consumers) {
					return fmt.Errorf("%d consumers of %d", len(pids), len(plan.Consumers))
				}
				return nil
			})
			var together uint64
			for i, pid := range pids {
				most, peak := plan.Consumers[i].Most, peakMemory(t, pid)
				private, err := harness.PrivateMemory(pid)
				expect.NoError(t, err)
				together += private
				t.Logf("consumer %d: %.2f of the plan of %d MiB", i, float64(peak)/float64(most), most>>20)
				if peak > most || most > 2*peak {
					t.Errorf("consumer %d had %d B of memory; the plan is %d B", i, peak, most)
				}
			}
			if together > plan.All {
				t.Errorf("the consumers have %d B together, and the plan is %d B", together, plan.All)
			}
			c.Kill()
		})
	}
}

// passedToWrite returns what a process has passed to write(2), in bytes (/proc/PID/io, wchar).
func passedToWrite(pid int) (bytes uint64, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(data), "wchar:")
	_, err = fmt.Sscan(rest, &bytes)
	return bytes, err
}
