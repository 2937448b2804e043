// Package cgroup finds the control groups of this process, in either version of the
// hierarchy, and reads their limits. It changes nothing.
package cgroup

import (
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bulkhead/internal/procfile"
)

// Group is a control group, as a folder that can be read.
type Group struct {
	Folder string
	// Path is the name by which the kernel knows it, as in /proc/self/cgroup; that of what
	// is mounted if its own cannot be seen.
	Path string
	// Unified says that it is of cgroup v2, whose files have other names in places.
	Unified bool
}

// Of returns the groups that bound this process by the named controller ("pids",
// "memory"): its own first, then those above it, as far as they can be seen. There are
// none where the controller is not mounted.
func Of(controller string) []Group { return OfRoot("/", controller) }

// OfRoot does what Of does, with /proc and the mounts below the folder root.
func OfRoot(root, controller string) []Group {
	own, err := procfile.Read(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return nil
	}
	mounts, err := procfile.Read(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return nil
	}
	groups := find(controller, string(own), string(mounts))
	for i := range groups {
		groups[i].Folder = filepath.Join(root, groups[i].Folder)
	}
	return groups
}

// find does what Of does, from the content of /proc/self/cgroup and /proc/self/mountinfo (proc(5),
// cgroups(7)).
func find(controller, own, mounts string) []Group {
	path, unified := place(controller, own)
	if path == "" {
		return nil
	}
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		f, fs := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(fs) < 3 {
			continue
		}
		switch {
		case unified && fs[0] == "cgroup2":
		case !unified && fs[0] == "cgroup" && slices.Contains(strings.Split(fs[2], ","), controller):
		default:
			continue
		}
		root, at := f[3], f[4]
		below, err := filepath.Rel(root, path)
		if err != nil || below == ".." || strings.HasPrefix(below, "../") {
			below = "." // mounted from elsewhere: the mount itself is the nearest that can be seen
		}
		var groups []Group
		for {
			groups = append(groups, Group{filepath.Join(at, below), filepath.Join(root, below), unified})
			if below == "." {
				return groups
			}
			below = filepath.Dir(below)
		}
	}
	return nil
}

// place returns the path of the process in the hierarchy that has the controller: that of
// version 1 if there is one, else the unified one. It is empty if there is neither.
func place(controller, own string) (path string, unified bool) {
	for line := range strings.Lines(own) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) != 3:
		case f[0] == "0" && f[1] == "":
			if path == "" {
				path, unified = f[2], true
			}
		case slices.Contains(strings.Split(f[1], ","), controller):
			return f[2], false
		}
	}
	return path, unified
}

// Number reads a file of the group that holds one number. It is false where there is no
// such file, as in a root group, and where it says "max".
func (g Group) Number(file string) (uint64, bool) {
	data, err := procfile.Read(filepath.Join(g.Folder, file))
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil
}

// Memory returns the least limit of memory in bytes that a group of this process has, and the
// folder of that group; false if none has one.
func Memory() (limit uint64, folder string, limited bool) {
	limit = math.MaxUint64
	for _, g := range Of("memory") {
		file := "memory.limit_in_bytes"
		if g.Unified {
			file = "memory.max"
		}
		// Without a limit version 1 says 2^63 less a page.
		if n, ok := g.Number(file); ok && n < limit && n < math.MaxInt64>>1 {
			limit, folder, limited = n, g.Folder, true
		}
	}
	return limit, folder, limited
}
