package report

import (
	"cmp"
	"time"

	"bulkhead/internal/substance"
)

// judgeSubstance says what is missing of a load that ended in order, and what is worth a
// word of it. One that could not go on says so itself, and a load of which one session has
// the beginning and another the end, here or in another run, is left to what is said of
// these.
func (v *Verdict) judgeSubstance(c *Client, parted bool) {
	if c.Load != LoadWhole && c.Load != LoadInterrupted || c.Outcome != OutcomeClosed || c.Resent || parted || c.beginningMissing() || len(c.Workload.Consumers) == 0 {
		return
	}
	missing, notes := substance.Judge(c.judgeable())
	for _, line := range missing {
		v.partial("client %s: %s", c.Label, line)
	}
	for _, line := range notes {
		v.warn("client %s: %s", c.Label, line)
	}
}

// judgeable is the load of a client that has ended, as package substance judges it.
func (c *Client) judgeable() substance.Load {
	w := &c.Workload
	l := substance.Load{
		End: substance.Cut, Runtime: time.Duration(w.RuntimeNano),
		Reached:    time.Duration(c.RuntimeReachedNano),
		TotalBytes: w.TotalBytes, MonitorInterval: time.Duration(w.MonitorIntervalNano),
	}
	if c.Load == LoadWhole { // one that was cut short may never have begun
		l.Reached = time.Duration(cmp.Or(c.RuntimeReachedNano, c.RuntimeNano))
	}
	switch {
	case c.Load != LoadWhole:
	case c.StopReason == "runtime":
		l.End = substance.Runtime
	case c.StopReason == "total":
		l.End = substance.Total
	default:
		l.End = substance.Early
	}
	did := make(map[uint32]*substance.Consumer)
	for i, spec := range w.Consumers {
		l.Consumers = append(l.Consumers, substance.Consumer{
			Index: spec.Index, Begin: time.Duration(spec.StartDelayNano) + time.Duration(float64(w.RampNano)*float64(i)/float64(len(w.Consumers))),
			ChunkBytes: spec.ChunkSizeBytes, Verifies: spec.verifies(),
		})
	}
	for i := range l.Consumers {
		did[l.Consumers[i].Index] = &l.Consumers[i]
	}
	for i := range c.Processes {
		p := &c.Processes[i]
		one := did[p.Index]
		if p.Kind != KindConsumer || one == nil {
			continue
		}
		one.Told = one.Told || p.FailingSince != 0 || p.Exit != nil && p.Exit.Class != ExitClean
		if p.Writes != nil {
			one.Bytes, one.Chunks = plus(one.Bytes, p.Writes.Bytes), plus(one.Chunks, p.Writes.Chunks)
			one.Files, one.Partial = plus(one.Files, p.Writes.Files), plus(one.Partial, p.Writes.PartialFiles)
			one.VerifiedBytes = plus(one.VerifiedBytes, p.Writes.VerifiedBytes)
			if c.RuntimeReachedNano > 0 { // else nobody knows when its end began
				one.Writing += time.Duration(p.Writes.WritingNano)
			}
		}
		if p.Usage != nil {
			one.Samples = plus(one.Samples, p.Usage.Samples)
		}
	}
	return l
}

// verifies says whether what a consumer wrote was to be read back.
func (c *Consumer) verifies() bool { return c.Verify != "" && c.Verify != "off" }
