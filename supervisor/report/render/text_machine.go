package render

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/table"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// shownMachine is how many items of each kind of a machine the text shows.
const shownMachine = 8

// machine prints what the machine of a client did. What another client of the same machine has
// shown above is not shown again.
func (p *Page) machine(c *report.Client) {
	m := c.Machine
	if m == nil {
		return
	}
	if p.machines == nil {
		p.machines = make(map[string]string)
	}
	devices := table.New("device", "is", ">busy", ">≥95 %", ">queue", ">written MB/s", ">await", ">read MB/s", ">await")
	for i := range m.Devices[:min(len(m.Devices), shownMachine)] {
		if d := &m.Devices[i]; d.SampledNano > 0 && p.newDevice(c, d) {
			devices.Row(deviceRow(d)...)
		}
	}
	p.section("devices", devices)
	if len(devices.Rows) > 0 {
		p.elsewhere(len(m.Devices)-shownMachine, "devices")
	}
	if lines := machineLines(c); len(lines) > 0 {
		p.Line("")
		p.Line("%smachine", Indent)
		for _, line := range lines {
			for i, part := range human.Wrap(line, PageWidth-2*len(Indent)-2) {
				if i > 0 {
					part = "  " + part
				}
				p.Line("%s%s", Indent+Indent, part)
			}
		}
	}
}

// newDevice reports whether no client of the same machine has shown a device, and remembers it.
func (p *Page) newDevice(c *report.Client, d *report.Device) bool {
	system := c.Machine.System
	if system == "" {
		system = "host " + c.Host
	}
	key := system + " " + d.Name
	if p.machines[key] != "" {
		return false
	}
	p.machines[key] = c.Label
	return true
}

func deviceRow(d *report.Device) []string {
	is := d.Kind
	if d.Title != "" {
		is += " " + human.Abridge(d.Title, 24)
	}
	rate := func(bytes uint64) string { return human.Megabytes(report.PerSecond(bytes, d.SampledNano)) }
	await := func(nano int64, requests uint64) string {
		if requests == 0 {
			return human.None
		}
		return human.Duration(nano)
	}
	return []string{d.Name, is, fmt.Sprintf("%.0f %%", 100*float64(d.BusyNano)/float64(d.SampledNano)),
		human.Duration(d.OverNano), human.ThreeDigits(d.MeanQueue), rate(d.WrittenBytes),
		await(d.WriteAwaitNano, d.Writes), rate(d.ReadBytes), await(d.ReadAwaitNano, d.Reads)}
}

// machineLines returns the rest of what a client's machine did, a line for each thing.
func machineLines(c *report.Client) (lines []string) {
	m := c.Machine
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for i := range m.FileSystems[:min(len(m.FileSystems), shownMachine)] {
		say("%s", fileSystemLine(&m.FileSystems[i]))
	}
	if mem := m.Memory; mem != nil {
		say("memory: %s of %s available at least; up to %s dirty, of %s allowed; writers slowed down for %s",
			human.Size(mem.LeastAvailableBytes), human.Size(mem.TotalBytes), human.Size(mem.MaxDirtyBytes),
			human.Size(mem.DirtyLimitBytes), human.Duration(mem.OverNano))
	}
	var waits []string
	for _, p := range m.Pressures {
		waits = append(waits, fmt.Sprintf("%s %.1f %% (all %.1f %%)", p.Resource, percentOf(p.SomeNano, p.SampledNano),
			percentOf(p.FullNano, p.SampledNano)))
	}
	if len(waits) > 0 {
		say("somebody waited for: %s of the time", strings.Join(waits, ", "))
	}
	for _, l := range m.Limits[:min(len(m.Limits), shownMachine)] {
		say("processor limit of %s: %s of every %s, used up in %s of %s", human.OrDash(l.Group),
			human.Duration(l.QuotaNano), human.Duration(l.PeriodNano), human.Count(l.ThrottledPeriods),
			words.Plural(l.Periods, "period"))
	}
	for i := range m.Interfaces[:min(len(m.Interfaces), shownMachine)] {
		n := &m.Interfaces[i]
		speed := "without a speed"
		if n.BitsPerSecond > 0 {
			speed = "of " + human.Megabytes(n.BitsPerSecond/8) + " MB/s"
		}
		say("network %s to %s, %s: %s sent, %s received, up to %s MB/s one way", n.Name, words.LeadsTo(n), speed,
			human.Size(n.SentBytes), human.Size(n.ReceivedBytes), human.Megabytes(n.MaxPerSecond))
	}
	for i := range m.Gaps[:min(len(m.Gaps), shownMachine)] {
		say("not told: %s", words.MachineGap(&m.Gaps[i]))
	}
	return lines
}

func percentOf(part, whole int64) float64 { return 100 * float64(part) / float64(max(whole, 1)) }

func fileSystemLine(f *report.FileSystem) string {
	on := human.OrDash(f.Source)
	if len(f.Devices) > 0 {
		on += " on " + strings.Join(f.Devices[:min(len(f.Devices), shownMachine)], ", ")
	}
	text := fmt.Sprintf("%s: %s, %s", f.Path, human.OrDash(f.Type), on)
	if f.SizeBytes > 0 {
		text += fmt.Sprintf("; %s of %s free at least", human.Size(f.LeastFreeBytes), human.Size(f.SizeBytes))
	}
	if f.Inodes > 0 {
		text += fmt.Sprintf(", and %s of %s inodes", human.Count(f.LeastFreeInodes), human.Count(f.Inodes))
	}
	if f.LongestSilentNano > 0 {
		text += "; it did not answer for " + human.Duration(f.LongestSilentNano)
	}
	if n := f.NFS; n != nil {
		text += fmt.Sprintf("; NFS: %s at %s a call (%s on the way), %s at %s (%s), %s, %s",
			words.Plural(n.Writes.Calls, "write"), human.Duration(n.Writes.TotalNano), human.Duration(n.Writes.RTTNano),
			words.Plural(n.Reads.Calls, "read"), human.Duration(n.Reads.TotalNano), human.Duration(n.Reads.RTTNano),
			words.Plural(n.Writes.Retransmissions+n.Reads.Retransmissions+n.Others.Retransmissions, "retransmission"),
			words.Plural(n.Reconnects, "reconnect"))
	}
	return text
}
