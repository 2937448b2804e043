package scripted

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Eventually polls for an event.
func Eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(PatienceInTests); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if happened() {
			return
		}
	}
	t.Fatalf("waited %s for %s", PatienceInTests, what)
}

// LivingBelow lists the processes that have a folder's name in their environment.
func LivingBelow(folder string) []string {
	var pids []string
	environments, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environments {
		data, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(data), folder+"/") {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}
