package report

import (
	"math"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// processState is what the fold keeps of one process of a client.
type processState struct {
	key    processKey
	public Process // what needs no computing at the end
	lastAt Stamp   // time of its newest message

	writes    Writes
	window    window
	failing   failing
	latencies [phases]distribution
	content   content
	// progressed is the end of its last interval.
	progressed Stamp

	rollovers                   Rollovers
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
func (s *sessionState) process(named *bulkheadv1.Process, at Stamp) (*processState, string) {
	key := processKey{named.GetKind(), named.GetIndex()}
	kind := kindOf(key.kind)
	if kind == "" {
		return nil, badProcess
	}
	pid := named.GetPid()
	if pid < 0 {
		return nil, badNumber
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
	if s.count == maxProcesses {
		return nil, badCrowd
	}
	p := &processState{key: key, lastAt: at, public: Process{Kind: kind, Index: key.index, Pid: pid}}
	s.processes[key] = append(list, p)
	s.count++
	return p, ""
}

// consumer is process for a message that only a consumer can send.
func (s *sessionState) consumer(named *bulkheadv1.Process, at Stamp) (*processState, string) {
	switch named.GetKind() {
	case bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER:
	case bulkheadv1.ProcessKind_PROCESS_KIND_UNSPECIFIED, bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT, bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR:
		return nil, badProcess
	default:
		return nil, newFact // a kind of process that also writes
	}
	return s.process(named, at)
}

func kindOf(k bulkheadv1.ProcessKind) string {
	switch k {
	case bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT:
		return KindClient
	case bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER:
		return KindConsumer
	case bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR:
		return KindMonitor
	default:
		return unknownValue(k)
	}
}

func (p *processState) countRollover(r Rollover, room *room) {
	sum := &p.rollovers
	if sum.Files == 0 || r.SizeBytes < sum.SmallestBytes {
		sum.SmallestBytes = r.SizeBytes
	}
	sum.LargestBytes = max(sum.LargestBytes, r.SizeBytes)
	sum.Files++
	sum.Bytes = plus(sum.Bytes, r.SizeBytes)
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

// plus adds two amounts; the sum stays at the top of its range.
func plus(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
