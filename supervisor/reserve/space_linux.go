package reserve

import (
	"fmt"

	"golang.org/x/sys/unix"

	"bulkhead/internal/config/value"
	"bulkhead/internal/human"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// lastPart is what part of the most that a journal may have is left for the end of its run.
const lastPart = 8

// Space is the room that a run's journal has. The run is to end in order before it is used up.
type Space struct {
	// Folder is the journal's.
	Folder string
	// Most is the most bytes that the journal may have; 0 is no limit.
	Most int64
	// Keep is what is to be left of its file system.
	Keep value.Reserve
}

// Shortage is why a run is to end: its journal has little room left.
type Shortage struct {
	Cause bulkheadv1.DrainCause
	Why   string
	// Left is how many bytes the journal may still take until the run has ended.
	Left int64
}

// Reached reports whether a journal of size bytes has come to its last part.
func (s Space) Reached(size int64) bool { return s.Most > 0 && size >= s.Most-s.Most/lastPart }

// Look returns what there is too little of, for a journal of size bytes; nil if there is enough.
func (s Space) Look(size int64) *Shortage {
	if s.Reached(size) {
		return &Shortage{Cause: bulkheadv1.DrainCause_DRAIN_CAUSE_JOURNAL_SIZE, Left: max(s.Most-size, 0),
			Why: fmt.Sprintf("the journal has %s; journal.max_size is %s, and the last of it is for the end of the run",
				human.InMegabytes(uint64(size)), human.InMegabytes(uint64(s.Most)))}
	}
	var st unix.Statfs_t
	if unix.Statfs(s.Folder, &st) != nil {
		return nil // it does not say what it has
	}
	free, keep := st.Bavail*uint64(st.Frsize), s.keep(&st)
	if free >= keep {
		return nil
	}
	return &Shortage{Cause: bulkheadv1.DrainCause_DRAIN_CAUSE_DISK_LOW, Left: int64(free),
		Why: fmt.Sprintf("the file system of the supervisor's state directory has %s left; journal.min_free is %s",
			human.InMegabytes(free), human.InMegabytes(keep))}
}

// keep returns the bytes of a file system that are to be left.
func (s Space) keep(st *unix.Statfs_t) uint64 {
	size, part := uint64(s.Keep.Size), st.Blocks*uint64(st.Frsize)/100*uint64(s.Keep.Percent)
	switch {
	case s.Keep.Percent == 0:
		return size
	case size == 0:
		return part
	default:
		return min(size, part)
	}
}

// Status returns what status shows: of the file system, of which reserved bytes are kept back; lives
// says that the journal has given them back and lives on them. And of the journal of size bytes, if
// that has a limit. What does not say what it has is left out.
func (s Space) Status(size, reserved int64, lives bool) (out []*bulkheadv1.Reserve) {
	var st unix.Statfs_t
	if unix.Statfs(s.Folder, &st) == nil {
		disk := &bulkheadv1.Reserve{
			Kind: bulkheadv1.ReserveKind_RESERVE_KIND_DISK, LimitedBy: "the file system of the state directory",
			Limit: st.Blocks * uint64(st.Frsize), Left: st.Bavail * uint64(st.Frsize),
			Reserve: uint64(reserved) + s.keep(&st),
		}
		if lives || disk.Left < s.keep(&st) {
			disk.Reached, disk.TimesReached = true, 1
		}
		out = append(out, disk)
	}
	if s.Most > 0 {
		j := &bulkheadv1.Reserve{
			Kind: bulkheadv1.ReserveKind_RESERVE_KIND_JOURNAL, LimitedBy: "journal.max_size",
			Limit: uint64(s.Most), Left: uint64(max(s.Most-size, 0)), Reserve: uint64(s.Most / lastPart),
			Reached: s.Reached(size),
		}
		if j.Reached {
			j.TimesReached = 1
		}
		out = append(out, j)
	}
	return out
}
