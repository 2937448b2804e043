package machine

import (
	"fmt"
	"math"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

const second = int64(time.Second)

// device returns a second of one device.
func device(name string, busy int64) *bulkheadv1.Machine {
	return &bulkheadv1.Machine{IntervalNano: second, Devices: []*bulkheadv1.Device{{Name: name,
		Activity: &bulkheadv1.DeviceActivity{BusyNano: busy, Writes: 2, WriteNano: 6e6, WrittenBytes: 100,
			QueuedNano: 3 * second}}}}
}

// A break ends the longest spell, not the sum; a sample without figures counts for nothing.
func TestSpells(t *testing.T) {
	s := new(State)
	for i, busy := range []int64{second, second, 0, second, 2 * second, second, second / 2} {
		s.Add(device("sda", busy))
		if i == 4 {
			s.Add(&bulkheadv1.Machine{IntervalNano: second, Devices: []*bulkheadv1.Device{{Name: "sda"}}})
		}
	}
	d := s.Summary().Devices[0]
	if d.OverNano != 5*second || d.LongestOverNano != 3*second || d.SampledNano != 7*second ||
		d.BusyNano != 5*second+second/2 {
		t.Errorf("spells %+v", d)
	}
	if d.MeanQueue != 3 || d.WriteAwaitNano != 3e6 || d.ReadAwaitNano != 0 || d.WrittenBytes != 700 {
		t.Errorf("means %+v", d)
	}
}

// Whoever writes is slowed down from half way between the limits on.
func TestWritersSlowedDown(t *testing.T) {
	s := new(State)
	for _, dirty := range []uint64{100, 150, 151, 90, 200} {
		s.Add(&bulkheadv1.Machine{IntervalNano: second, Memory: &bulkheadv1.Memory{DirtyBytes: dirty,
			BackgroundLimitBytes: 100, DirtyLimitBytes: 200}})
	}
	s.Add(&bulkheadv1.Machine{IntervalNano: second, Memory: &bulkheadv1.Memory{DirtyBytes: 1000}}) // no limits told
	if m := s.Summary().Memory; m.OverNano != 2*second || m.MaxDirtyBytes != 1000 || m.SampledNano != 6*second {
		t.Errorf("memory %+v", m)
	}
}

// What is kept is bounded, whatever a client names, and the rest is counted.
func TestStateIsBounded(t *testing.T) {
	const many = 3 * report.MaxMachineItems
	s := new(State)
	for i := range many {
		name := fmt.Sprint(i)
		s.Add(&bulkheadv1.Machine{
			FileSystems:     []*bulkheadv1.FileSystem{{Path: name}},
			Devices:         []*bulkheadv1.Device{{Name: name}},
			Interfaces:      []*bulkheadv1.NetworkInterface{{Name: name}},
			ProcessorLimits: []*bulkheadv1.ProcessorLimit{{Group: name}},
			Gaps:            []*bulkheadv1.MachineGap{{About: name, Part: 99, Reason: 99}},
		})
	}
	m := s.Summary()
	for of, n := range map[string]int{"file systems": len(m.FileSystems), "devices": len(m.Devices),
		"interfaces": len(m.Interfaces), "limits": len(m.Limits), "gaps": len(m.Gaps)} {
		if n != report.MaxMachineItems {
			t.Errorf("%d %s are kept", n, of)
		}
	}
	if m.LeftOut != 5*(many-report.MaxMachineItems) || m.Gaps[0].Part != "unknown" {
		t.Errorf("%d left out, first gap %+v", m.LeftOut, m.Gaps[0])
	}
}

// A number that cannot be makes the whole sample unfit.
func TestSane(t *testing.T) {
	if !Sane(device("sda", second)) || !Sane(&bulkheadv1.Machine{}) {
		t.Error("a sample that can be is refused")
	}
	for name, m := range map[string]*bulkheadv1.Machine{
		"a negative interval": {IntervalNano: -1},
		"busy for ever":       device("sda", math.MaxInt64),
		"a vast memory":       {Memory: &bulkheadv1.Memory{TotalBytes: math.MaxUint64}},
		"a negative call": {FileSystems: []*bulkheadv1.FileSystem{{Nfs: &bulkheadv1.NfsActivity{
			Others: &bulkheadv1.NfsCalls{RttNano: -5}}}}},
		"a vast speed":      {Interfaces: []*bulkheadv1.NetworkInterface{{BitsPerSecond: math.MaxUint64}}},
		"a negative quota":  {ProcessorLimits: []*bulkheadv1.ProcessorLimit{{QuotaNano: -1}}},
		"negative pressure": {IoPressure: &bulkheadv1.Pressure{SomeNano: -1}},
	} {
		if Sane(m) {
			t.Errorf("%s is taken", name)
		}
	}
}
