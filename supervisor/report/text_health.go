package report

import (
	"fmt"
	"strings"
)

// heartbeats prints how each process of a client answered.
func (p *page) heartbeats(c *Client, shown []*Process) {
	t := newTable("process", ">in time", ">late", ">missed", ">stalled", ">mean", ">max", ">longest stall", "missed because")
	for _, q := range shown {
		h := q.Heartbeats
		if h == nil {
			continue
		}
		stall := ""
		if h.MaxStalledNano > 0 {
			stall = human(h.MaxStalledNano)
		}
		t.row(processName(q), count(h.Answered), count(h.Late), count(h.Missed), unlessZero(h.Stalled),
			human(h.MeanNano), human(h.MaxNano), stall, reasons(h.MissedWhy))
	}
	p.section("heartbeats, "+plural(c.Heartbeats.Rounds, "round"), t)
}

// reasons lists texts with how often each applied.
func reasons(list []Count) string {
	parts := make([]string, len(list))
	for i, c := range list {
		parts[i] = c.Text
		if c.Count > 1 {
			parts[i] += " ×" + count(c.Count)
		}
	}
	return strings.Join(parts, "; ")
}

// usage prints the resources each process of a client used.
func (p *page) usage(shown []*Process) {
	t := newTable("process", ">cpu mean", ">cpu max", ">peak memory", ">threads", ">fds", ">written", ">samples", ">failed", "last failure")
	for _, q := range shown {
		u := q.Usage
		if u == nil {
			continue
		}
		name := processName(q)
		if u.Samples == 0 {
			t.row(name, none, none, none, none, none, none, "0", unlessZero(u.Failed), u.LastFailure)
			continue
		}
		t.row(name, fmt.Sprintf("%.1f%%", u.MeanCPUPercent), fmt.Sprintf("%.1f%%", u.MaxCPUPercent),
			size(u.MaxResidentBytes), count(uint64(u.MaxThreads)), count(uint64(u.MaxFDs)), size(u.WrittenBytes),
			count(u.Samples), unlessZero(u.Failed), u.LastFailure)
	}
	p.section("resource use, sampled by the monitor", t)
}
