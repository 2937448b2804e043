package report

import (
	"math"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// minCPUSpan is the shortest time between two samples that a processor share is
// computed over: /proc counts processor time in steps of 10 ms, so shorter spans
// give shares that never were.
const minCPUSpan = 200_000_000

// usageState is what the fold keeps of one process's samples.
type usageState struct {
	sum Usage
	// baseAt and baseCPU are the sample that the next share is computed from.
	baseAt  Stamp
	baseCPU int64
	// lastAt and lastCPU are the newest sample.
	lastAt  Stamp
	lastCPU int64
}

// span returns the time since the sample before m, and the processor time in it; for
// the first sample, since the process began. It is no time at all after a clock
// was set back.
func (u *usageState) span(m *bulkheadv1.Monitor, at Stamp) (from Stamp, cpu int64) {
	cpu = m.GetUserCpuNano() + m.GetSystemCpuNano()
	from, since := u.lastAt, cpu-u.lastCPU
	if from == 0 {
		from = max(at-Stamp(m.GetElapsedNano()), 1)
	}
	u.lastAt, u.lastCPU = at, cpu
	if from > at || since < 0 {
		return at, 0
	}
	return from, since
}

func (s *sessionState) foldMonitor(named *bulkheadv1.Process, m *bulkheadv1.Monitor, at Stamp) string {
	if !saneDurations(m.GetUserCpuNano(), m.GetSystemCpuNano(), m.GetElapsedNano()) ||
		!saneAmounts(m.GetResidentBytes(), m.GetWrittenBytes(), m.GetStorageBytes()) {
		return badNumber
	}
	p, why := s.process(named, at)
	if why != "" {
		return why
	}
	from, cpu := p.usage.span(m, at)
	s.line.sample(p.key, from, at, s.recorded, cpu, m.GetResidentBytes())
	p.usage.sample(m, at)
	return ""
}

func (s *sessionState) foldMonitorError(named *bulkheadv1.Process, m *bulkheadv1.MonitorError) string {
	p, why := s.process(named, 0)
	if why != "" {
		return why
	}
	p.usage.sum.Failed++
	p.usage.sum.LastFailure = clean(m.GetReason(), maxText)
	return ""
}

func (u *usageState) sample(m *bulkheadv1.Monitor, at Stamp) {
	sum, cpu := &u.sum, m.GetUserCpuNano()+m.GetSystemCpuNano()
	switch span := between(u.baseAt, at); {
	case u.baseAt == 0 || at < u.baseAt: // the first, or after a clock was set back
		u.baseAt, u.baseCPU = at, cpu
	case span >= minCPUSpan:
		sum.MaxCPUPercent = max(sum.MaxCPUPercent, percent(cpu-u.baseCPU, span))
		u.baseAt, u.baseCPU = at, cpu
	}
	sum.Samples++
	sum.UserCPUNano, sum.SystemCPUNano = m.GetUserCpuNano(), m.GetSystemCpuNano()
	sum.MeanCPUPercent = percent(cpu, m.GetElapsedNano())
	sum.MaxResidentBytes = max(sum.MaxResidentBytes, m.GetResidentBytes())
	sum.MaxThreads = max(sum.MaxThreads, m.GetThreads())
	sum.MaxFDs = max(sum.MaxFDs, m.GetFds())
	sum.WrittenBytes = max(sum.WrittenBytes, m.GetWrittenBytes())
	sum.StorageBytes = max(sum.StorageBytes, m.GetStorageBytes())
}

// summary returns the usage in its final form, or nil if there was no sample and
// no failed one.
func (u *usageState) summary() *Usage {
	if u.sum.Samples == 0 && u.sum.Failed == 0 {
		return nil
	}
	sum := u.sum
	// One sample has no pair, and a mean above every share seen is a maximum too.
	sum.MaxCPUPercent = max(sum.MaxCPUPercent, sum.MeanCPUPercent)
	return &sum
}

// percent is part of whole in per cent, to one decimal; 0 for no whole.
func percent(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return math.Round(1000*float64(part)/float64(whole)) / 10
}
