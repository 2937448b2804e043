package reserve

import (
	"cmp"
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

// MemoryThereIs returns the memory of the machine in bytes, or what a control group lets this
// process and its handlers have of it. group is "" without one that has less.
func MemoryThereIs() (bytes uint64, group string) {
	bytes = math.MaxUint64
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		bytes = uint64(info.Totalram) * uint64(info.Unit)
	}
	if limit, of, limited := cgroup.Memory(); limited && limit < bytes {
		return limit, of
	}
	return bytes, ""
}

// InboxMemory returns the memory for inboxes where no setting says it: a sixteenth.
func InboxMemory(memory uint64) uint64 { return min(max(memory/16, inboxLeast), inboxMost) }

// BoundMemory makes the runtime collect garbage rather than let this process become the largest of
// its control group: the kernel ends whoever is, and counts a handler as larger by half of the
// limit (handler/oom_linux.go). An operator's GOMEMLIMIT stays. It returns how many bytes inboxes
// may take: what is set, but no more than the runtime may keep.
func BoundMemory(log *slog.Logger, inboxes uint64) uint64 {
	memory, group := MemoryThereIs()
	_, set := os.LookupEnv("GOMEMLIMIT")
	if group != "" && !set {
		debug.SetMemoryLimit(int64(memory / 8 * 3))
	}
	if most := memory / 4; group != "" && inboxes > most {
		log.Warn("overload.inbox_memory is more than a quarter of what the control group has; a quarter is used",
			"inbox_memory_bytes", inboxes, "limited_by", group)
		inboxes = most
	}
	log.Info("memory limit", "limit_bytes", memory, "limited_by", cmp.Or(group, "the machine"),
		"inboxes_bytes", inboxes)
	return inboxes
}
