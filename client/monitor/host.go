package monitor

import (
	"net/netip"
	"time"

	"bulkhead/client/machine"
	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// host is the machine that the consumers run on, to be sampled from one goroutine.
type host struct {
	sampler *machine.Sampler
	self    *bulkheadv1.Process
}

// newHost returns the host of a task; nil if it is not to be sampled.
func newHost(self *bulkheadv1.Process, task *bulkheadv1.MonitorTask) *host {
	if len(task.GetPaths()) == 0 {
		return nil
	}
	target := machine.Target{Local: address(task.GetLocalAddress()), Supervisor: address(task.GetSupervisorAddress())}
	for _, path := range task.GetPaths() {
		target.Paths = append(target.Paths, string(path))
	}
	return &host{machine.New(target, machine.Options{}), self}
}

// message samples the host.
func (h *host) message() *bulkheadv1.Message {
	sample := h.sampler.Sample()
	now := time.Now()
	return &bulkheadv1.Message{TimeUnixNano: now.UnixNano(), ElapsedNano: boottime.At(now), Process: h.self,
		Fact: &bulkheadv1.Message_Machine{Machine: sample}}
}

// address reads an address; the zero value is not known.
func address(text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a
}
