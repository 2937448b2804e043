package story

import (
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Machines returns a run in which two clients share a machine whose disk has all that it can do, and
// a third one is on NFS, behind a full network, in a container with a limit of processor time. It is
// the second of five runs of a job.
func Machines(t testing.TB) []*bulkheadv1.Record {
	s := New(t, 3)
	s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_JobStarted{JobStarted: &bulkheadv1.JobStarted{
		Name: "nightly", Number: 2, Of: 5,
		Text: "job: nightly\nclients:\n- on: all\n  load: {path: /mnt/under-test}\nrepeat: 5\n",
		Clients: []*bulkheadv1.JobClient{{Agent: "alpha", Client: "alpha"}, {Agent: "bravo", Client: "bravo"},
			{Agent: "charlie", Client: "charlie"}},
	}}})
	var actors []*Actor
	for i, name := range []string{"alpha", "bravo", "charlie"} {
		n := uint32(i + 1)
		a := s.At(time.Duration(n)*90*time.Millisecond).Arrive(name, n, uint64(n), int32(4710+n), 0)
		a.Start()
		actors = append(actors, a)
	}
	for n := 1; n <= 20; n++ {
		Work(n, n, actors...)
		for _, a := range actors {
			a.At(time.Duration(n)*time.Second + time.Duration(a.Session)*30*time.Millisecond)
			if a.Session < 3 {
				a.Machine(a.shared(n))
			} else {
				a.Machine(a.remote(n))
			}
		}
	}
	Leave(20100*time.Millisecond, map[uint32]uint64{1: 1, 2: 2, 3: 3}, actors...)
	s.At(22300*time.Millisecond).Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records
}

// Machine says a sample of the client's machine.
func (a *Actor) Machine(m *bulkheadv1.Machine) {
	a.Say(&bulkheadv1.Message{Process: a.Process(KindMonitor, 0), Fact: &bulkheadv1.Message_Machine{Machine: m}})
}

// shared returns second n of a machine whose disk is saturated from the fifth on; the first sample
// has no differences.
func (a *Actor) shared(n int) *bulkheadv1.Machine {
	const second = int64(time.Second)
	m := &bulkheadv1.Machine{System: 0x1db0_07ed_5eed_0001,
		FileSystems: []*bulkheadv1.FileSystem{{Path: "/mnt/data", Type: "xfs", Source: "/dev/mapper/vg0-data",
			Consumers: 2,
			Devices:   []*bulkheadv1.DeviceName{{Name: "dm-0"}, {Name: "nvme0n1"}},
			Space: &bulkheadv1.Space{SizeBytes: 1_000_000_000_000, FreeBytes: uint64(60-n) * 1_000_000_000,
				Inodes: 500_000_000, FreeInodes: 499_000_000}}},
		Devices: []*bulkheadv1.Device{
			{Name: "dm-0", Title: "vg0-data", Major: 253, Kind: bulkheadv1.DeviceKind_DEVICE_KIND_MAPPING},
			{Name: "nvme0n1", Title: "Samsung SSD 990 PRO 1TB", Major: 259, Below: true,
				Kind: bulkheadv1.DeviceKind_DEVICE_KIND_DISK},
		},
		Memory: &bulkheadv1.Memory{TotalBytes: 33_000_000_000, AvailableBytes: 20_000_000_000,
			DirtyBytes: uint64(min(n, 10)) * 500_000_000, WritebackBytes: 200_000_000,
			BackgroundLimitBytes: 2_000_000_000, DirtyLimitBytes: 6_000_000_000},
		Interfaces: []*bulkheadv1.NetworkInterface{{Name: "enp3s0", ToSupervisor: true, BitsPerSecond: 10_000_000_000}},
	}
	if n == 1 {
		m.Gaps = []*bulkheadv1.MachineGap{{Part: bulkheadv1.MachinePart_MACHINE_PART_PRESSURE,
			Reason: bulkheadv1.MachineGapReason_MACHINE_GAP_REASON_NOT_SHOWN, About: "/proc/pressure/memory"}}
		return m
	}
	m.IntervalNano = second
	busy := second * 4 / 10
	if n >= 5 {
		busy = second
	}
	for _, d := range m.GetDevices() {
		d.Activity = &bulkheadv1.DeviceActivity{BusyNano: busy, Writes: 800, WrittenBytes: 400 * Mib, Reads: 10,
			ReadBytes: Mib, WriteNano: 800 * 12_000_000, ReadNano: 10 * 400_000, QueuedNano: 9_600_000_000}
	}
	m.Interfaces[0].Activity = &bulkheadv1.NetworkActivity{ReceivedBytes: 4000, SentBytes: 90_000,
		ReceivedPackets: 40, SentPackets: 90}
	return m
}

// remote returns second n of a container on NFS.
func (a *Actor) remote(n int) *bulkheadv1.Machine {
	const second = int64(time.Second)
	m := &bulkheadv1.Machine{System: 0x2db0_07ed_5eed_0002,
		FileSystems: []*bulkheadv1.FileSystem{{Path: "/mnt/nfs", Type: "nfs4", Source: "filer:/export", Consumers: 2,
			Space: &bulkheadv1.Space{SizeBytes: 8_000_000_000_000, FreeBytes: 5_000_000_000_000}}},
		Memory: &bulkheadv1.Memory{TotalBytes: 8_000_000_000, AvailableBytes: 300_000_000, DirtyBytes: 90_000_000,
			BackgroundLimitBytes: 700_000_000, DirtyLimitBytes: 1_500_000_000},
		ProcessorLimits: []*bulkheadv1.ProcessorLimit{{Group: "/kubepods/pod7", QuotaNano: second / 20,
			PeriodNano: second / 10}},
		Interfaces: []*bulkheadv1.NetworkInterface{{Name: "bond0", ToSupervisor: true, ToStorage: true,
			BitsPerSecond: 1_000_000_000}},
	}
	if n == 1 {
		m.Gaps = []*bulkheadv1.MachineGap{{Part: bulkheadv1.MachinePart_MACHINE_PART_DEVICE,
			Reason: bulkheadv1.MachineGapReason_MACHINE_GAP_REASON_NONE, About: "/mnt/nfs"}}
		return m
	}
	m.IntervalNano = second
	m.FileSystems[0].Nfs = &bulkheadv1.NfsActivity{WrittenBytes: 110 * Mib,
		Writes: &bulkheadv1.NfsCalls{Calls: 110, Retransmissions: uint64(n / 20), QueuedNano: second,
			RttNano:   second / 2,
			TotalNano: second * 2},
		Reads: &bulkheadv1.NfsCalls{}, Others: &bulkheadv1.NfsCalls{Calls: 4, RttNano: second / 500,
			TotalNano: second / 400}}
	m.MemoryPressure = &bulkheadv1.Pressure{SomeNano: second / 4, FullNano: second / 10}
	m.IoPressure = &bulkheadv1.Pressure{SomeNano: second / 2}
	m.CpuPressure = &bulkheadv1.Pressure{SomeNano: second / 3}
	m.ProcessorLimits[0].Throttling = &bulkheadv1.ProcessorThrottling{Periods: 10, ThrottledPeriods: 4,
		ThrottledNano: second / 5}
	m.Interfaces[0].Activity = &bulkheadv1.NetworkActivity{ReceivedBytes: 2_000_000, SentBytes: 118_000_000,
		ReceivedPackets: 9000, SentPackets: 80_000, Dropped: 1}
	return m
}
