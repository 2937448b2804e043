package fold

import (
	"math"

	"bulkhead/internal/plaintext"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold/machine"
)

// processState is what the fold keeps of one process of a client.
type processState struct {
	key    processKey
	public report.Process // what needs no computing at the end
	lastAt report.Stamp   // time of its newest message

	writes    report.Writes
	window    window
	failing   failing
	latencies [report.PhaseCount]distribution
	content   content
	// progressed is the end of its last interval.
	progressed report.Stamp
	// stage is the newest that it is in, and told the newest that it said to begin; from 1.
	stage, told uint8
	// entered are those that it was in: bit 0 is the first.
	entered uint64

	rollovers                   report.Rollovers
	create, write, sync, closed distribution // of whole files

	heartbeats heartbeatState
	usage      usageState
}

func (p *processState) isConsumer() bool {
	return p.key.kind == bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER
}

// process returns the state of the process that named names, made new if it is
// the first time, or why the process cannot be. at is when the process showed that
// it was alive; 0 for a message that does not show it.
//
// A pid of 0 means the newest process of that kind and number, and a process
// first named without a pid gets the one it is named with later.
func (s *sessionState) process(named *bulkheadv1.Process, at report.Stamp) (*processState, report.Bad) {
	key := processKey{named.GetKind(), named.GetIndex()}
	kind := kindOf(key.kind)
	if kind == "" {
		return nil, report.BadProcess
	}
	pid := named.GetPid()
	if pid < 0 {
		return nil, report.BadNumber
	}
	list := s.processes[key]
	for i := len(list) - 1; i >= 0; i-- {
		p := list[i]
		if p.public.Pid == 0 && pid != 0 {
			p.public.Pid = pid
		}
		if p.public.Pid == pid || pid == 0 {
			p.lastAt = max(p.lastAt, at)
			return p, ""
		}
	}
	if s.count == report.MaxProcesses {
		return nil, report.BadCrowd
	}
	p := &processState{key: key, lastAt: at, public: report.Process{Kind: kind, Index: key.index, Pid: pid}}
	s.processes[key] = append(list, p)
	s.count++
	return p, ""
}

// consumer returns process for a message that only a consumer can send.
func (s *sessionState) consumer(named *bulkheadv1.Process, at report.Stamp) (*processState, report.Bad) {
	switch named.GetKind() {
	case bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER:
	case bulkheadv1.ProcessKind_PROCESS_KIND_UNSPECIFIED, bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT,
		bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR:
		return nil, report.BadProcess
	default:
		return nil, newFact // a kind of process that also writes
	}
	return s.process(named, at)
}

func kindOf(k bulkheadv1.ProcessKind) string {
	switch k {
	case bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT:
		return report.KindClient
	case bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER:
		return report.KindConsumer
	case bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR:
		return report.KindMonitor
	default:
		return unknownValue(k)
	}
}

func (p *processState) countRollover(r report.Rollover, room *room) {
	sum := &p.rollovers
	if sum.Files == 0 || r.SizeBytes < sum.SmallestBytes {
		sum.SmallestBytes = r.SizeBytes
	}
	sum.LargestBytes = max(sum.LargestBytes, r.SizeBytes)
	sum.Files++
	sum.Bytes = report.Plus(sum.Bytes, r.SizeBytes)
	if r.Partial {
		sum.Partial++
	}
	if r.Generation > 1 {
		sum.Recycled++
	}
	p.create.add(r.CreateNano, room)
	p.write.add(r.WriteNano, room)
	p.sync.add(r.SyncNano, room)
	p.closed.add(r.CloseNano, room)
}

// minCPUSpan is the shortest time between two samples that a processor share is
// computed over: /proc counts processor time in steps of 10 ms, so shorter spans
// give shares that never were.
const minCPUSpan = 200_000_000

// usageState is what the fold keeps of one process's samples.
type usageState struct {
	sum report.Usage
	// baseAt and baseCPU are the sample that the next share is computed from.
	baseAt  report.Stamp
	baseCPU int64
	// lastAt and lastCPU are the newest sample.
	lastAt  report.Stamp
	lastCPU int64
}

// span returns the time since the sample before m, and the processor time in it; for
// the first sample, since the process began. It is no time at all after a clock
// was set back.
func (u *usageState) span(m *bulkheadv1.Monitor, at report.Stamp) (from report.Stamp, cpu int64) {
	cpu = m.GetUserCpuNano() + m.GetSystemCpuNano()
	from, since := u.lastAt, cpu-u.lastCPU
	if from == 0 {
		from = max(at-report.Stamp(m.GetElapsedNano()), 1)
	}
	u.lastAt, u.lastCPU = at, cpu
	if from > at || since < 0 {
		return at, 0
	}
	return from, since
}

func (s *sessionState) foldMonitor(named *bulkheadv1.Process, m *bulkheadv1.Monitor, at report.Stamp) report.Bad {
	if !saneDurations(m.GetUserCpuNano(), m.GetSystemCpuNano(), m.GetElapsedNano()) ||
		!saneAmounts(m.GetResidentBytes(), m.GetWrittenBytes(), m.GetStorageBytes()) {
		return report.BadNumber
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

func (s *sessionState) foldMonitorError(named *bulkheadv1.Process, m *bulkheadv1.MonitorError) report.Bad {
	p, why := s.process(named, 0)
	if why != "" {
		return why
	}
	p.usage.sum.Failed++
	p.usage.sum.LastFailure = plaintext.Line(m.GetReason(), plaintext.MaxText)
	return ""
}

func (s *sessionState) foldMachine(named *bulkheadv1.Process, m *bulkheadv1.Machine, at report.Stamp) report.Bad {
	if !machine.Sane(m) || int64(at) <= m.GetIntervalNano() {
		return report.BadNumber
	}
	if _, why := s.process(named, at); why != "" {
		return why
	}
	if s.machine == nil {
		s.machine = new(machine.State)
	}
	s.machine.Add(m)
	s.line.machine(at-report.Stamp(m.GetIntervalNano()), at, s.recorded, m)
	return ""
}

func (u *usageState) sample(m *bulkheadv1.Monitor, at report.Stamp) {
	sum, cpu := &u.sum, m.GetUserCpuNano()+m.GetSystemCpuNano()
	switch span := report.Between(u.baseAt, at); {
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
func (u *usageState) summary() *report.Usage {
	if u.sum.Samples == 0 && u.sum.Failed == 0 {
		return nil
	}
	sum := u.sum
	// One sample has no pair, and a mean above every share seen is a maximum too.
	sum.MaxCPUPercent = max(sum.MaxCPUPercent, sum.MeanCPUPercent)
	return &sum
}

// percent returns part of whole in per cent, to one decimal; 0 for no whole.
func percent(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return math.Round(1000*float64(part)/float64(whole)) / 10
}
