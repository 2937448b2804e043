package supervisor

import (
	"path/filepath"

	"golang.org/x/sys/unix"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// reserves is what status shows of the things that a supervisor must not run out of.
func (s *Supervisor) reserves() []*bulkheadv1.Reserve {
	return append(s.threads.status(s.pool), descriptorStatus())
}

// descriptorStatus is about the descriptors of this process.
func descriptorStatus() *bulkheadv1.Reserve {
	limit := descriptorLimit()
	out := &bulkheadv1.Reserve{
		Kind: bulkheadv1.ReserveKind_RESERVE_KIND_DESCRIPTORS, LimitedBy: "RLIMIT_NOFILE",
		Limit: limit, Reserve: 2 * descriptorReserve(limit),
	}
	if fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
		unix.Close(fd)
		out.Left = limit - min(uint64(fd), limit)
	}
	out.Reached = out.Left <= out.Reserve
	return out
}

// diskStatus is about the file system of the run's journal; nothing if it does not say what
// it has.
func (r *run) diskStatus() []*bulkheadv1.Reserve {
	folder := filepath.Join(r.dir, journalFolder)
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return nil
	}
	out := &bulkheadv1.Reserve{
		Kind: bulkheadv1.ReserveKind_RESERVE_KIND_DISK, LimitedBy: "the file system of the state directory",
		Limit: st.Blocks * uint64(st.Frsize), Left: st.Bavail * uint64(st.Frsize), Reserve: uint64(journal.Reserved(folder)),
	}
	if r.livesOnReserve.Load() {
		out.Reached, out.TimesReached = true, 1
	}
	return []*bulkheadv1.Reserve{out}
}

// status is about the threads of this process and of its handlers; nothing if the system
// does not say how many there may be.
func (t *threadRoom) status(p *pool) []*bulkheadv1.Reserve {
	b, ok := t.count(countAgain)
	if !ok {
		return nil
	}
	return []*bulkheadv1.Reserve{{
		Kind: bulkheadv1.ReserveKind_RESERVE_KIND_THREADS, LimitedBy: b.Name,
		Limit: b.Most, Left: b.Left(), Reserve: threadReserve(b.Most), Reached: p.spare() < 1, TimesReached: t.refused.Load(),
	}}
}
