package client

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/client/spec"
	"bulkhead/internal/testing/scripted"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestEachWriterHasAProcessor looks at what consumers of one writer and three readers and of five
// writers, and the monitor, were started with.
func TestEachWriterHasAProcessor(t *testing.T) {
	c := scripted.Start(t, scripted.Orderly)
	p := startProgram(t, c, 2, func(cfg *spec.Config) {
		cfg.Consumers[0].Readers = 3
		cfg.Consumers[0].Read = workload.Read{Size: 4096, Pattern: bulkheadv1.Pattern_PATTERN_RANDOM}
		cfg.Consumers[1].Concurrency = 5
	})
	want := map[string]int{"GOMAXPROCS=7": 1, "GOMAXPROCS=8": 1, "GOMAXPROCS=1": 1}
	var settings []string
	scripted.Eventually(t, "two consumers and a monitor", func() bool {
		settings = processors(p.cfg.WorkDir)
		return len(settings) == 3
	})
	got := make(map[string]int)
	for _, setting := range settings {
		got[setting]++
	}
	if !maps.Equal(got, want) {
		t.Errorf("the workers were started with %v, want %v", got, want)
	}
}

// processors returns how many processors of Go's each worker has whose sockets are below a
// folder.
func processors(folder string) (settings []string) {
	for _, pid := range scripted.LivingBelow(folder) {
		line, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		if err != nil || !strings.Contains(string(line), "\x00worker\x00") {
			continue
		}
		environment, err := os.ReadFile(filepath.Join("/proc", pid, "environ"))
		if err != nil {
			continue
		}
		for entry := range strings.SplitSeq(string(environment), "\x00") {
			if strings.HasPrefix(entry, "GOMAXPROCS=") {
				settings = append(settings, entry)
			}
		}
	}
	return settings
}
