package words

import (
	"cmp"
	"time"

	"bulkhead/internal/substance"
	"bulkhead/supervisor/report"
)

// Judgeable returns the load of a client that has ended, as package substance judges it.
func Judgeable(c *report.Client) substance.Load {
	w := &c.Workload
	l := substance.Load{
		End: substance.Cut, Runtime: time.Duration(w.RuntimeNano),
		Reached:    time.Duration(c.RuntimeReachedNano),
		TotalBytes: w.TotalBytes, MonitorInterval: time.Duration(w.MonitorIntervalNano),
	}
	if c.Load == report.LoadWhole { // one that was cut short may never have begun
		l.Reached = time.Duration(cmp.Or(c.RuntimeReachedNano, c.RuntimeNano))
	}
	switch {
	case c.Load != report.LoadWhole:
	case c.StopReason == report.StopRuntime:
		l.End = substance.Runtime
	case c.StopReason == report.StopTotal && c.Stages == 0: // of a stage, it takes nothing from the others
		l.End = substance.Total
	default:
		l.End = substance.Early
	}
	did := make(map[uint32]*substance.Consumer)
	for i, spec := range w.Consumers {
		l.Consumers = append(l.Consumers, substance.Consumer{
			Index: spec.Index, Begin: max(0, time.Duration(spec.StartDelayNano-w.WarmupNano)+
				time.Duration(float64(w.RampNano)*float64(i)/float64(w.Declared()))),
			ChunkBytes: spec.ChunkSizeBytes, Verifies: verifies(&spec), Reads: spec.Read != nil,
			Neighbours: spec.Read != nil && spec.Read.Of == report.ReadOfNeighbour,
		})
	}
	for i := range l.Consumers {
		did[l.Consumers[i].Index] = &l.Consumers[i]
	}
	for i := range c.Processes {
		p := &c.Processes[i]
		one := did[p.Index]
		if p.Kind != report.KindConsumer || one == nil {
			continue
		}
		one.Told = one.Told || p.FailingSince != 0 || p.Exit != nil && p.Exit.Class != report.ExitClean
		if p.Writes != nil {
			one.Bytes, one.Chunks = report.Plus(one.Bytes, p.Writes.Bytes), report.Plus(one.Chunks, p.Writes.Chunks)
			one.Files, one.Partial = report.Plus(one.Files, p.Writes.Files), report.Plus(one.Partial,
				p.Writes.PartialFiles)
			one.VerifiedBytes = report.Plus(one.VerifiedBytes, p.Writes.VerifiedBytes)
			if p.Writes.Reads != nil {
				one.ReadBytes = report.Plus(one.ReadBytes, p.Writes.Reads.Bytes)
				one.Met = one.Met || p.Writes.Reads.Neighbours > 0
			}
			if c.RuntimeReachedNano > 0 { // else nobody knows when its end began
				one.Writing += time.Duration(p.Writes.WritingNano)
			}
		}
		if p.Usage != nil {
			one.Samples = report.Plus(one.Samples, p.Usage.Samples)
		}
	}
	return l
}

// verifies reports whether what a consumer wrote was to be read back.
func verifies(c *report.Consumer) bool { return c.Verify != "" && c.Verify != report.VerifyOff }
