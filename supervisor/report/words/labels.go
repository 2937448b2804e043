package words

import (
	"fmt"
	pathpkg "path"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// PathWritten returns the path a client was told to write to: without the folders that it makes
// there for itself and its consumers, which are named anew for each run.
func PathWritten(path string) string {
	above, last := pathpkg.Split(strings.TrimSuffix(path, "/"))
	if strings.HasPrefix(last, "consumer-") {
		own, name := pathpkg.Split(strings.TrimSuffix(above, "/"))
		if strings.HasPrefix(name, "bulkhead-") {
			return pathpkg.Clean(own)
		}
	}
	return path
}

// ProcessName returns how a report calls a process of a client.
func ProcessName(p *report.Process) string {
	if p.Kind == report.KindConsumer {
		return fmt.Sprintf("%s %d", p.Kind, p.Index)
	}
	return p.Kind
}

// Pid returns a process id, or a dash if it is not known.
func Pid(pid int32) string {
	if pid == 0 {
		return human.None
	}
	return fmt.Sprint(pid)
}

// Host returns what a machine is, in one line.
func Host(h *report.Host) string {
	parts := []string{human.OrDash(h.Name)}
	if h.OS != "" || h.Arch != "" {
		parts = append(parts, h.OS+"/"+h.Arch)
	}
	if h.Kernel != "" {
		parts = append(parts, "kernel "+h.Kernel)
	}
	if h.CPUs > 0 {
		parts = append(parts, Plural(uint64(h.CPUs), "CPU"))
	}
	if h.MemoryBytes > 0 {
		parts = append(parts, human.Size(h.MemoryBytes)+" memory")
	}
	return strings.Join(parts, ", ")
}
