package preflight

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"bulkhead/client/spec"
)

// roomOfMemory is how much memory this process and its children may take: what the machine has
// available, or less if a control group of it has a limit. What files have in the page cache
// is available. root is the root of the file system. What cannot be found out limits nothing.
func roomOfMemory(root string) memoryRoom {
	room := memoryRoom{math.MaxUint64, "this machine", math.MaxUint64}
	info := fields(filepath.Join(root, "proc/meminfo"))
	if available, ok := info["MemAvailable:"]; ok {
		room.bytes = spec.Mul(available, 1<<10)
		room.most = spec.Mul(max(available, spec.Add(info["MemTotal:"], info["SwapTotal:"])), 1<<10)
	}
	groups, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return room
	}
	for line := range strings.Lines(string(groups)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, found := strings.Cut(rest, ":")
		var kind groupFiles
		switch {
		case !found:
			continue
		case controllers == "":
			kind = unifiedGroup
		case containsWord(controllers, "memory"):
			kind = legacyGroup
		default:
			continue
		}
		// From the group up to the root: each of them may have a limit. In a container the
		// path may be that of the host's tree, of which only the root is here.
		for group = path.Clean("/" + group); ; group = path.Dir(group) {
			if left, ok := kind.left(filepath.Join(root, kind.mount, group)); ok && left < room.bytes {
				room = memoryRoom{left, fmt.Sprintf("its control group %s", group), min(room.most, left)}
			}
			if group == "/" {
				break
			}
		}
	}
	return room
}

// groupFiles are the files of a control group that are about memory.
type groupFiles struct {
	mount, limit, usage string
	cache               []string // keys of memory.stat, of what can be taken back from files
}

var (
	unifiedGroup = groupFiles{"sys/fs/cgroup", "memory.max", "memory.current", []string{"inactive_file", "active_file"}}
	legacyGroup  = groupFiles{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", []string{"total_inactive_file", "total_active_file"}}
)

// left is how much a group may still take; false if it has no limit.
func (g groupFiles) left(dir string) (uint64, bool) {
	limit, ok := number(filepath.Join(dir, g.limit)) // "max" is no number
	if !ok {
		return 0, false
	}
	used, ok := number(filepath.Join(dir, g.usage))
	if !ok {
		return 0, false
	}
	stat := fields(filepath.Join(dir, "memory.stat"))
	for _, key := range g.cache {
		used -= min(used, stat[key])
	}
	return limit - min(limit, used), true
}

// number is what a file has, if it is one.
func number(file string) (uint64, bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil
}

// fields are the numbers of a file whose lines begin with a word and a number.
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

func containsWord(list, word string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one == word {
			return true
		}
	}
	return false
}
