package compare

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/tally"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// configurations returns what was configured, of both runs.
func configurations(a, b *report.Report) []Difference {
	var list []Difference
	add := func(name string, of func(*report.Report) string) {
		list = append(list, Difference{name, of(a), of(b)})
	}
	add("supervisor's version", func(r *report.Report) string { return r.Run.Version + " (" + r.Run.GoVersion + ")" })
	add("collecting machine", func(r *report.Report) string { return words.Host(&r.Run.Host) })
	add("expected clients", func(r *report.Report) string { return fmt.Sprint(r.Run.ExpectedClients) })
	add("expected names", func(r *report.Report) string { return words.NameSome(r.Run.ExpectedNames) })
	add("clients that came", func(r *report.Report) string { return fmt.Sprint(r.Run.JoinedClients) })
	add("journal sync", func(r *report.Report) string { return r.Run.JournalSync })
	add("sandbox", func(r *report.Report) string { return human.OrDash(words.Sandbox(r.Run.Sandbox)) })
	add("session grace", func(r *report.Report) string { return human.Duration(r.Run.SessionGraceNano) })
	client := func(name string, of func(*report.Client) string) {
		add(name, func(r *report.Report) string {
			var values tally.Tally[string]
			values.Limit = report.MaxLabels
			for i := range r.Clients {
				values.Add(of(&r.Clients[i]))
			}
			return tallied(&values)
		})
	}
	client("clients' hosts", func(c *report.Client) string { return c.Host })
	client("clients' versions", func(c *report.Client) string { return c.Version })
	client("consumers of a client", func(c *report.Client) string { return fmt.Sprint(c.Workload.Declared()) })
	client("runtime", func(c *report.Client) string { return human.Duration(c.Workload.RuntimeNano) })
	client("ramp", func(c *report.Client) string { return human.Duration(c.Workload.RampNano) })
	client("warm-up", func(c *report.Client) string { return human.Duration(c.Workload.WarmupNano) })
	client("stages", scheduleOf)
	client("ends at", func(c *report.Client) string { return unlessNothing(c.Workload.TotalBytes, human.Configured) })
	client("ends when steady", func(c *report.Client) string { return words.SteadyOf(c.Workload.StopWhen) })
	client("heartbeat interval",
		func(c *report.Client) string { return human.Duration(c.Workload.HeartbeatIntervalNano) })
	client("monitor interval", func(c *report.Client) string { return human.Duration(c.Workload.MonitorIntervalNano) })
	client("progress interval",
		func(c *report.Client) string { return human.Duration(c.Workload.ProgressIntervalNano) })
	for _, k := range knobs() {
		add(k.name, func(r *report.Report) string {
			var values tally.Tally[string]
			values.Limit = report.MaxLabels
			for i := range r.Clients {
				for j := range r.Clients[i].Workload.Consumers {
					values.Add(k.of(&r.Clients[i].Workload.Consumers[j]))
				}
			}
			return tallied(&values)
		})
	}
	return list
}

// tallied lists values, sorted, with how often each occurs; one that all have is that
// alone, so that more clients of the same kind are no difference.
func tallied(values *tally.Tally[string]) string {
	if len(values.Order) == 1 {
		return human.OrDash(values.Order[0])
	}
	names := slices.Sorted(slices.Values(values.Order))
	for i, name := range names {
		if n := values.Counts[name]; n > 1 {
			names[i] = fmt.Sprintf("%s ×%d", human.OrDash(name), n)
		}
	}
	if values.LeftOut > 0 {
		names = append(names, fmt.Sprintf("%d more", values.LeftOut))
	}
	return strings.Join(names, ", ")
}
