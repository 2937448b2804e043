package client

import (
	"bulkhead/internal/substance"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// judgeable returns a load that has ended, as package substance judges it.
func (l *load) judgeable(why ending, long lasted) substance.Load {
	out := substance.Load{
		End: endOf(why.reason), Runtime: l.cfg.Runtime, Reached: long.reached,
		TotalBytes: l.cfg.TotalBytes, MonitorInterval: l.cfg.MonitorInterval,
	}
	if out.End == substance.Total && len(l.cfg.Stages) > 0 { // of a stage: it takes nothing from the others
		out.End = substance.Early
	}
	for i, one := range l.workers.consumers {
		c, did := l.cfg.Consumers[i], l.tally.consumer(uint32(i))
		did.Begin, did.ChunkBytes = max(l.cfg.Begin(i)-l.cfg.Warmup, 0), c.ChunkSize
		did.Verifies = c.Verify > bulkheadv1.VerifyMode_VERIFY_MODE_OFF
		did.Reads, did.Neighbours = c.Readers > 0, c.Read.Neighbours()
		did.Told = one.failed()
		out.Consumers = append(out.Consumers, did)
	}
	return out
}

// endOf sorts the reasons to end a load in order. What could not continue is told already, and
// judged like one that was cut short.
func endOf(reason bulkheadv1.StopReason) substance.End {
	switch reason {
	case bulkheadv1.StopReason_STOP_REASON_RUNTIME:
		return substance.Runtime
	case bulkheadv1.StopReason_STOP_REASON_TOTAL:
		return substance.Total
	case bulkheadv1.StopReason_STOP_REASON_STEADY, bulkheadv1.StopReason_STOP_REASON_RESERVE:
		return substance.Early
	default:
		return substance.Cut
	}
}

// failed reports whether a worker did not start, or not end in order, which is told as such.
func (w *worker) failed() bool {
	return w.child == nil || w.reason != "" || w.cut != "" ||
		w.exit().GetClass() != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN
}
