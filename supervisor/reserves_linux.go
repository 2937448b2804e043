package supervisor

import (
	"golang.org/x/sys/unix"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
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
