package machine

import (
	"slices"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// Sane reports whether every number of a sample can be.
func Sane(m *bulkheadv1.Machine) bool {
	durations, amounts := []int64{m.GetIntervalNano()}, []uint64{}
	calls := func(c *bulkheadv1.NfsCalls) {
		durations = append(durations, c.GetQueuedNano(), c.GetRttNano(), c.GetTotalNano())
		amounts = append(amounts, c.GetCalls(), c.GetRetransmissions(), c.GetTimeouts(), c.GetErrors())
	}
	for _, f := range m.GetFileSystems() {
		s, n := f.GetSpace(), f.GetNfs()
		durations = append(durations, f.GetSilentNano())
		amounts = append(amounts, s.GetSizeBytes(), s.GetFreeBytes(), s.GetInodes(), s.GetFreeInodes(),
			n.GetReadBytes(), n.GetWrittenBytes(), n.GetReconnects())
		calls(n.GetReads())
		calls(n.GetWrites())
		calls(n.GetOthers())
	}
	for _, d := range m.GetDevices() {
		a := d.GetActivity()
		durations = append(durations, a.GetBusyNano(), a.GetReadNano(), a.GetWriteNano(), a.GetQueuedNano())
		amounts = append(amounts, a.GetReads(), a.GetWrites(), a.GetReadBytes(), a.GetWrittenBytes())
	}
	for _, p := range []*bulkheadv1.Pressure{m.GetMemoryPressure(), m.GetIoPressure(), m.GetCpuPressure()} {
		durations = append(durations, p.GetSomeNano(), p.GetFullNano())
	}
	for _, l := range m.GetProcessorLimits() {
		a := l.GetThrottling()
		durations = append(durations, l.GetQuotaNano(), l.GetPeriodNano(), a.GetThrottledNano())
		amounts = append(amounts, a.GetPeriods(), a.GetThrottledPeriods())
	}
	for _, i := range m.GetInterfaces() {
		a := i.GetActivity()
		amounts = append(amounts, i.GetBitsPerSecond(), a.GetReceivedBytes(), a.GetSentBytes(), a.GetReceivedPackets(),
			a.GetSentPackets(), a.GetErrors(), a.GetDropped())
	}
	mem := m.GetMemory()
	amounts = append(amounts, mem.GetTotalBytes(), mem.GetAvailableBytes(), mem.GetDirtyBytes(),
		mem.GetWritebackBytes(),
		mem.GetBackgroundLimitBytes(), mem.GetDirtyLimitBytes())
	return !slices.ContainsFunc(durations, func(d int64) bool { return d < 0 || d > report.MaxDuration }) &&
		!slices.ContainsFunc(amounts, func(n uint64) bool { return n > report.MaxAmount })
}
