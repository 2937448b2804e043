package machine

import (
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// The last sample may follow the one before at once: what passed in so short a time is no rate.
func TestPeakOfAnInterface(t *testing.T) {
	s := new(State)
	for _, one := range []struct {
		span int64
		sent uint64
	}{{second, 80e6}, {second, 90e6}, {second / 1000, 5e6}, {second / 2, 50e6}} {
		s.Add(&bulkheadv1.Machine{IntervalNano: one.span, Interfaces: []*bulkheadv1.NetworkInterface{{Name: "eth0",
			BitsPerSecond: 1e9, Activity: &bulkheadv1.NetworkActivity{SentBytes: one.sent}}}})
	}
	if i := s.Summary().Interfaces[0]; i.MaxPerSecond != 100e6 || i.SentBytes != 225e6 {
		t.Errorf("interface %+v; want at most 100 MB/s", i)
	}
}
