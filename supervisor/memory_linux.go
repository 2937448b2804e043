package supervisor

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"bulkhead/internal/cgroup"
)

const (
	// inboxLeast and inboxMost bound the memory for inboxes where no setting does.
	inboxLeast = 16 << 20
	inboxMost  = 1 << 30
)

// memoryThereIs is the memory of the machine in bytes, or what a control group lets this
// process and its handlers have of it, and which.
func memoryThereIs() (bytes uint64, limitedBy string) {
	bytes, limitedBy = math.MaxUint64, "the machine"
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		bytes = uint64(info.Totalram) * uint64(info.Unit)
	}
	if limit, group, limited := cgroup.Memory(); limited && limit < bytes {
		bytes, limitedBy = limit, group
	}
	return bytes, limitedBy
}

// inboxMemory is the memory for inboxes where no setting says it: a sixteenth.
func inboxMemory(memory uint64) uint64 { return min(max(memory/16, inboxLeast), inboxMost) }

// boundMemory has the runtime collect garbage rather than let this process become the
// largest of its control group: the kernel ends whoever is, and counts a handler as
// larger by half of the limit (handler/oom_linux.go). An operator's GOMEMLIMIT stays.
func boundMemory(log *slog.Logger, inboxes uint64) {
	memory, limitedBy := memoryThereIs()
	_, set := os.LookupEnv("GOMEMLIMIT")
	if limitedBy != "the machine" && !set {
		debug.SetMemoryLimit(int64(memory / 8 * 3))
	}
	log.Info("memory that there may be", "limit_bytes", memory, "limited_by", limitedBy, "inboxes_bytes", inboxes)
}
