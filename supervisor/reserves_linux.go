package supervisor

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"bulkhead/internal/exitstatus"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/pool"
	"bulkhead/supervisor/reserve"
	"bulkhead/supervisor/rundir"
)

// reserves is what status shows of the things that a supervisor must not run out of.
func (s *Supervisor) reserves() []*bulkheadv1.Reserve {
	return append(threadStatus(s.threads, s.pool), descriptorStatus())
}

// descriptorStatus is about the descriptors of this process.
func descriptorStatus() *bulkheadv1.Reserve {
	limit := reserve.DescriptorLimit()
	out := &bulkheadv1.Reserve{
		Kind: bulkheadv1.ReserveKind_RESERVE_KIND_DESCRIPTORS, LimitedBy: "RLIMIT_NOFILE",
		Limit: limit, Reserve: 2 * reserve.DescriptorReserve(limit),
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
	folder := filepath.Join(r.dir, rundir.JournalFolder)
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

// threadStatus is about the threads of this process and of its handlers; nothing if the system
// does not say how many there may be.
func threadStatus(t *reserve.Threads, p *pool.Pool) []*bulkheadv1.Reserve {
	b, ok := t.Count(reserve.CountAgain)
	if !ok {
		return nil
	}
	return []*bulkheadv1.Reserve{{
		Kind: bulkheadv1.ReserveKind_RESERVE_KIND_THREADS, LimitedBy: b.Name,
		Limit: b.Most, Left: b.Left(), Reserve: reserve.ThreadReserve(b.Most), Reached: p.Spare() < 1, TimesReached: t.Refused.Load(),
	}}
}

// checkDescriptors refuses a limit that has no room for the clients that are expected, with
// their handlers. Go's runtime has raised the soft limit to the hard one.
func (c Config) checkDescriptors(limit uint64) error {
	room, want := reserve.RoomFor(limit), reserve.LimitFor(uint64(c.Clients.Count+c.Handler.Pool))
	switch {
	case room < 1:
		return fmt.Errorf("%w: the limit of open files is %d, which leaves none for clients; raise it to %d (ulimit -Hn, LimitNOFILE=)", exitstatus.ErrConfig, limit, want)
	case room < uint64(c.Clients.Count):
		return fmt.Errorf("%w: %d clients need %d open files, and the limit is %d, which has room for %d; raise it (ulimit -Hn, LimitNOFILE=), or expect fewer clients", exitstatus.ErrConfig, c.Clients.Count, want, limit, room)
	}
	return nil
}
