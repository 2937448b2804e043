package preflight

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bulkhead/internal/cgroup"
	"bulkhead/internal/saturated"
)

// roomOfMemory returns how much memory this process and its children may take: what the machine
// has available, or less if a control group of it has a limit. What files have in the page cache
// is available. root is the root of the file system. What cannot be found out limits nothing.
func roomOfMemory(root string) memoryRoom {
	room := memoryRoom{math.MaxUint64, "this machine", math.MaxUint64}
	info := fields(filepath.Join(root, "proc/meminfo"))
	if available, ok := info["MemAvailable:"]; ok {
		room.bytes = saturated.Mul(available, 1<<10)
		room.most = saturated.Mul(max(available, saturated.Add(info["MemTotal:"], info["SwapTotal:"])), 1<<10)
	}
	for _, g := range cgroup.OfRoot(root, "memory") {
		if left, ok := leftOf(g); ok && left < room.bytes {
			room = memoryRoom{left, "its control group " + g.Path, min(room.most, left)}
		}
	}
	return room
}

// leftOf returns how much memory a group may still take, not counting what can be taken back
// from files; false if it has no limit.
func leftOf(g cgroup.Group) (uint64, bool) {
	limit, usage, cache := "memory.limit_in_bytes", "memory.usage_in_bytes", []string{"total_inactive_file",
		"total_active_file"}
	if g.Unified {
		limit, usage, cache = "memory.max", "memory.current", []string{"inactive_file", "active_file"}
	}
	most, ok := g.Number(limit)
	if !ok {
		return 0, false
	}
	used, ok := g.Number(usage)
	if !ok {
		return 0, false
	}
	stat := fields(filepath.Join(g.Folder, "memory.stat"))
	for _, key := range cache {
		used -= min(used, stat[key])
	}
	return most - min(most, used), true
}

// fields returns the numbers of a file whose lines begin with a word and a number.
func fields(file string) map[string]uint64 {
	found := make(map[string]uint64)
	data, err := os.ReadFile(file)
	if err != nil {
		return found
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		if n, err := strconv.ParseUint(words[1], 10, 64); err == nil {
			found[words[0]] = n
		}
	}
	return found
}
