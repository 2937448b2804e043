package machine

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"bulkhead/internal/pathname"
	"bulkhead/internal/plaintext"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// State is what the fold keeps of the machine of a client. The zero value has seen no sample.
type State struct {
	sum        report.Machine
	devices    map[string]*deviceState
	interfaces map[string]*interfaceState
	throttled  spell // of whoever writes, by what is dirty
	pressures  [3]report.Pressure
	nfs        map[string]*nfsState // by path
}

type deviceState struct {
	public                       report.Device
	readNano, writeNano, inQueue int64
	saturated                    spell
}

type interfaceState struct {
	public report.NetworkInterface
	full   spell
	usual  int64 // the longest interval
}

// nfsState adds up times of calls; those of the public one are means.
type nfsState struct {
	public report.NFS
	times  [3][3]int64 // of reads, writes and others: queued, under way, in all
}

// spell measures for how long something is over a threshold.
type spell struct{ over, longest, now int64 }

// add takes an interval in which it was over, or was not.
func (s *spell) add(nano int64, over bool) {
	if !over {
		s.now = 0
		return
	}
	s.over, s.now = report.PlusNano(s.over, nano), report.PlusNano(s.now, nano)
	s.longest = max(s.longest, s.now)
}

func (s *spell) public() report.Spell {
	return report.Spell{OverNano: s.over, LongestOverNano: s.longest}
}

// Add takes a sample, which is Sane.
func (t *State) Add(m *bulkheadv1.Machine) {
	t.sum.Samples++
	if m.GetSystem() != 0 {
		t.sum.System = fmt.Sprintf("%016x", m.GetSystem())
	}
	span := m.GetIntervalNano()
	for _, f := range m.GetFileSystems() {
		t.fileSystem(f, span)
	}
	for _, d := range m.GetDevices() {
		t.device(d, span)
	}
	t.memory(m.GetMemory(), span)
	for i, p := range []*bulkheadv1.Pressure{m.GetMemoryPressure(), m.GetIoPressure(), m.GetCpuPressure()} {
		if p != nil {
			sum := &t.pressures[i]
			sum.SampledNano = report.PlusNano(sum.SampledNano, span)
			sum.SomeNano = report.PlusNano(sum.SomeNano, min(p.GetSomeNano(), span))
			sum.FullNano = report.PlusNano(sum.FullNano, min(p.GetFullNano(), span))
		}
	}
	for _, l := range m.GetProcessorLimits() {
		t.limit(l)
	}
	for _, i := range m.GetInterfaces() {
		t.network(i, span)
	}
	for _, g := range m.GetGaps() {
		t.gap(g)
	}
}

// fileSystem takes what a sample says of one.
func (t *State) fileSystem(f *bulkheadv1.FileSystem, span int64) {
	path := plaintext.Line(pathname.Printable(pathname.Of(f)), plaintext.MaxText)
	i := slices.IndexFunc(t.sum.FileSystems, func(o report.FileSystem) bool { return o.Path == path })
	if i < 0 {
		if len(t.sum.FileSystems) == report.MaxMachineItems {
			t.sum.LeftOut++
			return
		}
		i = len(t.sum.FileSystems)
		t.sum.FileSystems = append(t.sum.FileSystems, report.FileSystem{Path: path})
	}
	sum := &t.sum.FileSystems[i]
	sum.Type, sum.Source = plaintext.Line(f.GetType(), plaintext.MaxName), plaintext.Line(f.GetSource(),
		plaintext.MaxName)
	sum.Consumers = f.GetConsumers()
	sum.Devices = make([]string, 0, len(f.GetDevices()))
	for _, d := range f.GetDevices()[:min(len(f.GetDevices()), report.MaxMachineItems)] {
		sum.Devices = append(sum.Devices, plaintext.Line(d.GetName(), plaintext.MaxName))
	}
	sum.LongestSilentNano = max(sum.LongestSilentNano, f.GetSilentNano())
	if s := f.GetSpace(); s != nil {
		if sum.SizeBytes == 0 || s.GetFreeBytes() < sum.LeastFreeBytes {
			sum.LeastFreeBytes = s.GetFreeBytes()
		}
		if sum.Inodes == 0 || s.GetFreeInodes() < sum.LeastFreeInodes {
			sum.LeastFreeInodes = s.GetFreeInodes()
		}
		sum.SizeBytes, sum.FreeBytes = s.GetSizeBytes(), s.GetFreeBytes()
		sum.Inodes, sum.FreeInodes = s.GetInodes(), s.GetFreeInodes()
	}
	if n := f.GetNfs(); n != nil {
		if t.nfs == nil {
			t.nfs = make(map[string]*nfsState)
		}
		if t.nfs[path] == nil {
			t.nfs[path] = new(nfsState)
		}
		t.nfs[path].add(n, span)
	}
}

func (n *nfsState) add(a *bulkheadv1.NfsActivity, span int64) {
	p := &n.public
	p.SampledNano = report.PlusNano(p.SampledNano, span)
	p.ReadBytes, p.WrittenBytes = report.Plus(p.ReadBytes, a.GetReadBytes()), report.Plus(p.WrittenBytes,
		a.GetWrittenBytes())
	p.Reconnects = report.Plus(p.Reconnects, a.GetReconnects())
	for i, c := range []*bulkheadv1.NfsCalls{a.GetReads(), a.GetWrites(), a.GetOthers()} {
		sum := n.calls(i)
		sum.Calls = report.Plus(sum.Calls, c.GetCalls())
		sum.Retransmissions = report.Plus(sum.Retransmissions, c.GetRetransmissions())
		sum.Timeouts = report.Plus(sum.Timeouts, c.GetTimeouts())
		sum.Errors = report.Plus(sum.Errors, c.GetErrors())
		for k, nano := range []int64{c.GetQueuedNano(), c.GetRttNano(), c.GetTotalNano()} {
			n.times[i][k] = report.PlusNano(n.times[i][k], nano)
		}
	}
}

func (n *nfsState) calls(i int) *report.NFSCalls {
	return []*report.NFSCalls{&n.public.Reads, &n.public.Writes, &n.public.Others}[i]
}

// summary returns what a mount did, with the means of its calls.
func (n *nfsState) summary() *report.NFS {
	out := *n
	for i := range out.times {
		c := out.calls(i)
		c.QueuedNano, c.RTTNano = mean(out.times[i][0], c.Calls), mean(out.times[i][1], c.Calls)
		c.TotalNano = mean(out.times[i][2], c.Calls)
	}
	return &out.public
}

// mean returns a sum over so many; 0 over none.
func mean(sum int64, of uint64) int64 {
	if of == 0 {
		return 0
	}
	return int64(uint64(sum) / of)
}

// device takes what a sample says of one.
func (t *State) device(d *bulkheadv1.Device, span int64) {
	name := plaintext.Line(d.GetName(), plaintext.MaxName)
	s := t.devices[name]
	if t.devices == nil {
		t.devices = make(map[string]*deviceState)
	}
	if s == nil {
		if len(t.devices) == report.MaxMachineItems {
			t.sum.LeftOut++
			return
		}
		s = &deviceState{public: report.Device{Name: name, Title: plaintext.Line(d.GetTitle(), plaintext.MaxName),
			Kind: deviceKind(d.GetKind()), Below: d.GetBelow()}}
		t.devices[name] = s
		t.sum.Devices = append(t.sum.Devices, s.public)
	}
	a, p := d.GetActivity(), &s.public
	if a == nil || span == 0 {
		return
	}
	busy := min(a.GetBusyNano(), span)
	p.SampledNano, p.BusyNano = report.PlusNano(p.SampledNano, span), report.PlusNano(p.BusyNano, busy)
	p.Reads, p.Writes = report.Plus(p.Reads, a.GetReads()), report.Plus(p.Writes, a.GetWrites())
	p.ReadBytes, p.WrittenBytes = report.Plus(p.ReadBytes, a.GetReadBytes()), report.Plus(p.WrittenBytes,
		a.GetWrittenBytes())
	s.readNano = report.PlusNano(s.readNano, a.GetReadNano())
	s.writeNano = report.PlusNano(s.writeNano, a.GetWriteNano())
	s.inQueue = report.PlusNano(s.inQueue, a.GetQueuedNano())
	s.saturated.add(span, float64(busy) >= report.DeviceBusy*float64(span))
}

func deviceKind(k bulkheadv1.DeviceKind) string {
	switch k {
	case bulkheadv1.DeviceKind_DEVICE_KIND_DISK:
		return report.DeviceDisk
	case bulkheadv1.DeviceKind_DEVICE_KIND_MAPPING:
		return report.DeviceMapping
	case bulkheadv1.DeviceKind_DEVICE_KIND_ARRAY:
		return report.DeviceArray
	case bulkheadv1.DeviceKind_DEVICE_KIND_LOOP:
		return report.DeviceLoop
	case bulkheadv1.DeviceKind_DEVICE_KIND_MEMORY:
		return report.DeviceMemory
	case bulkheadv1.DeviceKind_DEVICE_KIND_UNSPECIFIED:
		return report.DeviceUnknown
	default:
		return fmt.Sprintf("%s (%d)", report.DeviceUnknown, k)
	}
}

// summary returns the device in its final form.
func (s *deviceState) summary() report.Device {
	p := s.public
	p.ReadAwaitNano, p.WriteAwaitNano = mean(s.readNano, p.Reads), mean(s.writeNano, p.Writes)
	if p.SampledNano > 0 {
		p.MeanQueue = math.Round(1000*float64(s.inQueue)/float64(p.SampledNano)) / 1000
	}
	p.Spell = s.saturated.public()
	return p
}

// memory takes what a sample says of it; nil says nothing. What it says counts for the interval
// that it ends.
func (t *State) memory(m *bulkheadv1.Memory, span int64) {
	if m == nil {
		return
	}
	sum := t.sum.Memory
	if sum == nil {
		sum = &report.Memory{LeastAvailableBytes: m.GetAvailableBytes()}
		t.sum.Memory = sum
	}
	sum.SampledNano = report.PlusNano(sum.SampledNano, span)
	sum.TotalBytes = m.GetTotalBytes()
	sum.LeastAvailableBytes = min(sum.LeastAvailableBytes, m.GetAvailableBytes())
	sum.MaxDirtyBytes = max(sum.MaxDirtyBytes, m.GetDirtyBytes())
	sum.MaxWritebackBytes = max(sum.MaxWritebackBytes, m.GetWritebackBytes())
	sum.BackgroundLimitBytes, sum.DirtyLimitBytes = m.GetBackgroundLimitBytes(), m.GetDirtyLimitBytes()
	middle := (m.GetBackgroundLimitBytes() + m.GetDirtyLimitBytes()) / 2
	t.throttled.add(span, m.GetDirtyLimitBytes() > 0 && m.GetDirtyBytes()+m.GetWritebackBytes() > middle)
}

// limit takes what a sample says of one.
func (t *State) limit(l *bulkheadv1.ProcessorLimit) {
	group := plaintext.Line(l.GetGroup(), plaintext.MaxText)
	i := slices.IndexFunc(t.sum.Limits, func(o report.ProcessorLimit) bool { return o.Group == group })
	if i < 0 {
		if len(t.sum.Limits) == report.MaxMachineItems {
			t.sum.LeftOut++
			return
		}
		i = len(t.sum.Limits)
		t.sum.Limits = append(t.sum.Limits, report.ProcessorLimit{Group: group})
	}
	sum, a := &t.sum.Limits[i], l.GetThrottling()
	sum.QuotaNano, sum.PeriodNano = l.GetQuotaNano(), l.GetPeriodNano()
	sum.Periods = report.Plus(sum.Periods, a.GetPeriods())
	sum.ThrottledPeriods = report.Plus(sum.ThrottledPeriods, min(a.GetThrottledPeriods(), a.GetPeriods()))
	sum.ThrottledNano = report.PlusNano(sum.ThrottledNano, a.GetThrottledNano())
}

// network takes what a sample says of an interface.
func (t *State) network(i *bulkheadv1.NetworkInterface, span int64) {
	name := plaintext.Line(i.GetName(), plaintext.MaxName)
	s := t.interfaces[name]
	if t.interfaces == nil {
		t.interfaces = make(map[string]*interfaceState)
	}
	if s == nil {
		if len(t.interfaces) == report.MaxMachineItems {
			t.sum.LeftOut++
			return
		}
		s = &interfaceState{public: report.NetworkInterface{Name: name}}
		t.interfaces[name] = s
		t.sum.Interfaces = append(t.sum.Interfaces, s.public)
	}
	p, a := &s.public, i.GetActivity()
	p.ToSupervisor, p.ToStorage = p.ToSupervisor || i.GetToSupervisor(), p.ToStorage || i.GetToStorage()
	p.Loopback, p.BitsPerSecond = i.GetLoopback(), i.GetBitsPerSecond()
	if a == nil || span == 0 {
		return
	}
	p.SampledNano = report.PlusNano(p.SampledNano, span)
	p.ReceivedBytes = report.Plus(p.ReceivedBytes, a.GetReceivedBytes())
	p.SentBytes = report.Plus(p.SentBytes, a.GetSentBytes())
	p.Errors, p.Dropped = report.Plus(p.Errors, a.GetErrors()), report.Plus(p.Dropped, a.GetDropped())
	rate := report.PerSecond(max(a.GetReceivedBytes(), a.GetSentBytes()), span)
	s.usual = max(s.usual, span)
	if span >= s.usual/2 { // what passes in a moment, as before the last sample, is no rate
		p.MaxPerSecond = max(p.MaxPerSecond, rate)
	}
	speed := float64(i.GetBitsPerSecond())
	s.full.add(span, speed > 0 && 8*float64(rate) >= report.NetworkFull*speed)
}

// gap takes something that a sample does not tell.
func (t *State) gap(g *bulkheadv1.MachineGap) {
	out := report.MachineGap{Part: gapName(g.GetPart().String(), "MACHINE_PART_"),
		Reason: gapName(g.GetReason().String(), "MACHINE_GAP_REASON_"),
		About:  plaintext.Line(g.GetAbout(), plaintext.MaxText)}
	for i := range t.sum.Gaps {
		if o := &t.sum.Gaps[i]; o.Part == out.Part && o.Reason == out.Reason && o.About == out.About {
			o.Count++
			return
		}
	}
	if len(t.sum.Gaps) == report.MaxMachineGaps {
		t.sum.LeftOut++
		return
	}
	out.Count = 1
	t.sum.Gaps = append(t.sum.Gaps, out)
}

// gapName returns a value of an enum as the report says it; one that is not known is its number.
func gapName(name, prefix string) string {
	short, known := strings.CutPrefix(name, prefix)
	if !known || short == "UNSPECIFIED" {
		return "unknown"
	}
	return strings.ToLower(short)
}

// Summary returns the machine in its final form; nil if it was never sampled.
func (t *State) Summary() *report.Machine {
	if t == nil {
		return nil
	}
	m := t.sum
	m.FileSystems = append([]report.FileSystem{}, m.FileSystems...)
	for i := range m.FileSystems {
		f := &m.FileSystems[i]
		f.Devices = slices.Clone(f.Devices)
		if n := t.nfs[f.Path]; n != nil {
			f.NFS = n.summary()
		}
	}
	m.Devices = make([]report.Device, len(t.sum.Devices))
	for i, d := range t.sum.Devices {
		m.Devices[i] = t.devices[d.Name].summary()
	}
	m.Interfaces = make([]report.NetworkInterface, len(t.sum.Interfaces))
	for i, d := range t.sum.Interfaces {
		s := t.interfaces[d.Name]
		m.Interfaces[i] = s.public
		m.Interfaces[i].Spell = s.full.public()
	}
	if t.sum.Memory != nil {
		memory := *t.sum.Memory
		memory.Spell = t.throttled.public()
		m.Memory = &memory
	}
	m.Pressures = []report.Pressure{}
	for i, resource := range []string{report.PressureMemory, report.PressureIO, report.PressureCPU} {
		if p := t.pressures[i]; p.SampledNano > 0 {
			p.Resource = resource
			m.Pressures = append(m.Pressures, p)
		}
	}
	m.Limits = append([]report.ProcessorLimit{}, m.Limits...)
	m.Gaps = append([]report.MachineGap{}, m.Gaps...)
	return &m
}
