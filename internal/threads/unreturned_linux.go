package threads

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bulkhead/internal/procfile"
)

// lookAgain is how long a wait in the kernel may last at least before it is looked at again.
const lookAgain = 10 * time.Millisecond

// Unreturned waits until every thread of this process that waits in the kernel, where no signal
// reaches it, has gone on from there, and returns how many have not when ctx is done. While there is
// one, no program can take this process's place: execve(2) waits for its threads to end.
func Unreturned(ctx context.Context) int {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	waits := waiting()
	for len(waits) > 0 {
		select {
		case <-again.C:
		case <-ctx.Done():
			return len(waits)
		}
		now := waiting()
		for thread, wait := range waits {
			if now[thread] != wait {
				delete(waits, thread)
			}
		}
	}
	return 0
}

// waiting returns the waits that threads are in, each by how often its thread had waited before.
func waiting() map[string]string {
	const folder = "/proc/self/task"
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	waits := make(map[string]string)
	for _, e := range entries {
		status, err := procfile.Read(filepath.Join(folder, e.Name(), "status"))
		if err == nil && strings.HasPrefix(line(status, "State:"), "D") {
			waits[e.Name()] = line(status, "voluntary_ctxt_switches:")
		}
	}
	return waits
}
