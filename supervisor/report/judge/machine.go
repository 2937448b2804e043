package judge

import (
	"cmp"
	"fmt"
	"slices"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// Where a finding about a machine begins, beside what the report says of spells.
const (
	// throttledShare is the share of periods in which a limit stopped the client, among at least
	// throttledPeriods.
	throttledShare   = 0.1
	throttledPeriods = 20
	// pressureSome and pressureFull are shares of the sampled time in which some, and all, waited for
	// memory; pressureSampled is the least time, in nanoseconds.
	pressureSome    = 0.1
	pressureFull    = 0.05
	pressureSampled = int64(3e9)
	// lowShare is the share of a file system, or of its inodes, below which what is free is low.
	lowShare = 0.05
)

// observed is something on a machine that may be a finding: what it is, how bad, and who saw it.
type observed struct {
	client *report.Client
	worst  int64
	report.Finding
	// others are further clients that saw it.
	others []string
}

// machines finds what held the clients' machines up. Clients that share a machine see the same
// device, and it is one finding, of the client that saw the worst.
func machines(r *report.Report) []report.Finding {
	var list []report.Finding
	for _, of := range []func(*report.Client, func(thing string, worst int64, f report.Finding)){
		saturatedDevices, throttledWriteback, fullNetworks, throttledProcessors, memoryPressure, lowSpace} {
		seen := make(map[string]*observed)
		var order []*observed
		for i := range r.Clients {
			c := &r.Clients[i]
			if c.Machine == nil {
				continue
			}
			of(c, func(thing string, worst int64, f report.Finding) {
				key := machineOf(c) + " " + thing
				o := seen[key]
				switch {
				case o == nil:
					o = &observed{client: c, worst: worst, Finding: f}
					seen[key] = o
					order = append(order, o)
				case worst > o.worst:
					o.others = append(o.others, o.Client)
					o.client, o.worst, o.Finding = c, worst, f
				default:
					o.others = append(o.others, f.Client)
				}
			})
		}
		slices.SortStableFunc(order, func(a, b *observed) int { return cmp.Compare(b.worst, a.worst) })
		for _, o := range order {
			if len(o.others) > 0 {
				o.Evidence += "; seen by " + andMore(append([]string{o.Client}, o.others...))
			}
			list = append(list, o.Finding)
		}
	}
	return list
}

// machineOf names a client's machine: by its system, or else by its host.
func machineOf(c *report.Client) string {
	return cmp.Or(c.Machine.System, "host "+c.Host)
}

// ofShare returns a part of a whole in words.
func ofShare(part, whole int64) string {
	if whole <= 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(part)/float64(whole))
}

// spellThreshold says from when on a spell is a finding.
func spellThreshold(what string) string {
	return fmt.Sprintf("%s for %s or more without a break, or for at least half of the sampled time", what,
		human.Duration(report.OverNano))
}

func saturatedDevices(c *report.Client, see func(string, int64, report.Finding)) {
	for i := range c.Machine.Devices {
		d := &c.Machine.Devices[i]
		if !d.Over(d.SampledNano) {
			continue
		}
		f := about(c, report.FindingDevice)
		f.Text = fmt.Sprintf("device %s of %s was saturated: it had something to do for %s of %s", words.Device(d),
			words.MachineName(c), ofShare(d.BusyNano, d.SampledNano), human.Duration(d.SampledNano))
		f.Evidence = fmt.Sprintf("busy to %.0f %% or more for %s, %s at a time; %s", 100*report.DeviceBusy,
			human.Duration(d.OverNano), human.Duration(d.LongestOverNano), words.DeviceWork(d))
		if d.MeanQueue < 2 {
			f.Evidence += "; few requests at a time: a device that serves several at once could have done more"
		}
		f.Threshold = spellThreshold(fmt.Sprintf("busy to %.0f %%", 100*report.DeviceBusy))
		see(fmt.Sprintf("device %s", d.Name), d.OverNano, f)
	}
}

func throttledWriteback(c *report.Client, see func(string, int64, report.Finding)) {
	m := c.Machine.Memory
	if m == nil || !m.Over(m.SampledNano) {
		return
	}
	f := about(c, report.FindingWriteback)
	f.Text = fmt.Sprintf("writers on %s were slowed down to the speed of writeback: too much was dirty for %s of %s",
		words.MachineName(c), ofShare(m.OverNano, m.SampledNano), human.Duration(m.SampledNano))
	f.Evidence = fmt.Sprintf("up to %s dirty and %s being written back; the system writes back from %s on and "+
		"allows %s",
		human.Size(m.MaxDirtyBytes), human.Size(m.MaxWritebackBytes), human.Size(m.BackgroundLimitBytes),
		human.Size(m.DirtyLimitBytes))
	f.Threshold = spellThreshold("more dirty than half way between the two limits, from where on the kernel slows " +
		"writers down,")
	see("writeback", m.OverNano, f)
}

func fullNetworks(c *report.Client, see func(string, int64, report.Finding)) {
	for i := range c.Machine.Interfaces {
		n := &c.Machine.Interfaces[i]
		if n.BitsPerSecond == 0 || !n.Over(n.SampledNano) {
			continue
		}
		f := about(c, report.FindingNetwork)
		f.Text = fmt.Sprintf("network interface %s of %s, which leads to %s, was full for %s of %s", n.Name,
			words.MachineName(c), words.LeadsTo(n), ofShare(n.OverNano, n.SampledNano), human.Duration(n.SampledNano))
		f.Evidence = fmt.Sprintf("up to %s MB/s one way, and its speed is %s MB/s", human.Megabytes(n.MaxPerSecond),
			human.Megabytes(n.BitsPerSecond/8))
		f.Threshold = spellThreshold(fmt.Sprintf("%.0f %% of its speed, one way,", 100*report.NetworkFull))
		see("interface "+n.Name, n.OverNano, f)
	}
}

func throttledProcessors(c *report.Client, see func(string, int64, report.Finding)) {
	for i := range c.Machine.Limits {
		l := &c.Machine.Limits[i]
		if l.Periods < throttledPeriods || float64(l.ThrottledPeriods) < throttledShare*float64(l.Periods) {
			continue
		}
		f := about(c, report.FindingThrottled)
		f.Text = fmt.Sprintf("the control group %s of client %s was throttled: its processor time was used up in %s "+
			"of the periods", human.OrDash(l.Group), c.Label, ofShare(int64(l.ThrottledPeriods), int64(l.Periods)))
		f.Evidence = fmt.Sprintf("%s of %s, stopped for %s on all processors together; it may use %s of every %s",
			human.Count(l.ThrottledPeriods), words.Plural(l.Periods, "period"), human.Duration(l.ThrottledNano),
			human.Duration(l.QuotaNano), human.Duration(l.PeriodNano))
		f.Threshold = fmt.Sprintf("in %.0f %% of at least %d periods", 100*throttledShare, throttledPeriods)
		see("group "+l.Group+" "+c.Label, int64(l.ThrottledPeriods), f) // groups are named anew in each container
	}
}

func memoryPressure(c *report.Client, see func(string, int64, report.Finding)) {
	for _, p := range c.Machine.Pressures {
		some, full := float64(p.SomeNano), float64(p.FullNano)
		if p.Resource != report.PressureMemory || p.SampledNano < pressureSampled ||
			some < pressureSome*float64(p.SampledNano) && full < pressureFull*float64(p.SampledNano) {
			continue
		}
		f := about(c, report.FindingMemory)
		f.Text = fmt.Sprintf("%s was short of memory: somebody waited for it for %s of %s", words.MachineName(c),
			ofShare(p.SomeNano, p.SampledNano), human.Duration(p.SampledNano))
		f.Evidence = "everybody waited for " + human.Duration(p.FullNano)
		if m := c.Machine.Memory; m != nil {
			f.Evidence += fmt.Sprintf("; %s of %s available at least", human.Size(m.LeastAvailableBytes),
				human.Size(m.TotalBytes))
		}
		f.Threshold = fmt.Sprintf("some waited for %.0f %% of the sampled time, or all for %.0f %%", 100*pressureSome,
			100*pressureFull)
		see("memory", p.SomeNano, f)
	}
}

func lowSpace(c *report.Client, see func(string, int64, report.Finding)) {
	for i := range c.Machine.FileSystems {
		s := &c.Machine.FileSystems[i]
		low := func(unit string, least, size uint64, text func(uint64) string) {
			if size == 0 || float64(least) >= lowShare*float64(size) {
				return
			}
			share := 100 * float64(least) / float64(size)
			f := about(c, report.FindingSpace)
			f.Text = fmt.Sprintf("%s of the file system at %s of %s were nearly used up: %.1f %% were free at least",
				unit, s.Path, words.MachineName(c), share)
			f.Evidence = fmt.Sprintf("%s of %s free; type %s on %s", text(least), text(size), human.OrDash(s.Type),
				human.OrDash(s.Source))
			f.Threshold = fmt.Sprintf("less than %.0f %% free", 100*lowShare)
			see(unit+" "+s.Source+" "+s.Type+" "+fmt.Sprint(size), int64(1000*(100-share)), f)
		}
		low("bytes", s.LeastFreeBytes, s.SizeBytes, human.Size)
		low("inodes", s.LeastFreeInodes, s.Inodes, human.Count)
	}
}
