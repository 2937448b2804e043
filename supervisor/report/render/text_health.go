package render

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/table"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// heartbeats prints how each process of a client answered.
func (p *Page) heartbeats(c *report.Client, shown []*report.Process) {
	t := table.New("process", ">in time", ">late", ">missed", ">stalled", ">mean", ">max", ">longest stall",
		"missed because")
	for _, q := range shown {
		h := q.Heartbeats
		if h == nil {
			continue
		}
		stall := ""
		if h.MaxStalledNano > 0 {
			stall = human.Duration(h.MaxStalledNano)
		}
		t.Row(words.ProcessName(q), human.Count(h.Answered), human.Count(h.Late), human.Count(h.Missed),
			human.UnlessZero(h.Stalled),
			human.Duration(h.MeanNano), human.Duration(h.MaxNano), stall, reasons(h.MissedWhy))
	}
	p.section("heartbeats, "+words.Plural(c.Heartbeats.Rounds, "round"), t)
}

// reasons lists texts with how often each applied.
func reasons(list []report.Count) string {
	parts := make([]string, len(list))
	for i, c := range list {
		parts[i] = c.Text
		if c.Count > 1 {
			parts[i] += " ×" + human.Count(c.Count)
		}
	}
	return strings.Join(parts, "; ")
}

// usage prints the resources each process of a client used.
func (p *Page) usage(shown []*report.Process) {
	t := table.New("process", ">cpu mean", ">cpu max", ">peak memory", ">threads", ">fds", ">written", ">samples",
		">failed", "last failure")
	for _, q := range shown {
		u := q.Usage
		if u == nil {
			continue
		}
		name := words.ProcessName(q)
		if u.Samples == 0 {
			t.Row(name, human.None, human.None, human.None, human.None, human.None, human.None, "0",
				human.UnlessZero(u.Failed), u.LastFailure)
			continue
		}
		t.Row(name, fmt.Sprintf("%.1f%%", u.MeanCPUPercent), fmt.Sprintf("%.1f%%", u.MaxCPUPercent),
			human.Size(u.MaxResidentBytes), human.Count(uint64(u.MaxThreads)), human.Count(uint64(u.MaxFDs)),
			human.Size(u.WrittenBytes),
			human.Count(u.Samples), human.UnlessZero(u.Failed), u.LastFailure)
	}
	p.section("resource use, sampled by the monitor", t)
}
