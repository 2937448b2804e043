package report

import (
	"fmt"
	pathpkg "path"
	"slices"
	"strings"
)

// configurations returns what was configured, of both runs.
func configurations(a, b *Report) []Difference {
	var list []Difference
	add := func(name string, of func(*Report) string) {
		list = append(list, Difference{name, of(a), of(b)})
	}
	add("supervisor's version", func(r *Report) string { return r.Run.Version + " (" + r.Run.GoVersion + ")" })
	add("collecting machine", func(r *Report) string { return hostLine(&r.Run.Host) })
	add("expected clients", func(r *Report) string { return fmt.Sprint(r.Run.ExpectedClients) })
	add("expected names", func(r *Report) string { return nameSome(r.Run.ExpectedNames) })
	add("clients that came", func(r *Report) string { return fmt.Sprint(r.Run.JoinedClients) })
	add("journal sync", func(r *Report) string { return r.Run.JournalSync })
	add("session grace", func(r *Report) string { return human(r.Run.SessionGraceNano) })
	client := func(name string, of func(*Client) string) {
		add(name, func(r *Report) string {
			var values tally[string]
			values.limit = maxLabels
			for i := range r.Clients {
				values.add(of(&r.Clients[i]))
			}
			return tallied(&values)
		})
	}
	client("clients' hosts", func(c *Client) string { return c.Host })
	client("clients' versions", func(c *Client) string { return c.Version })
	client("consumers of a client", func(c *Client) string { return fmt.Sprint(len(c.Workload.Consumers)) })
	client("runtime", func(c *Client) string { return human(c.Workload.RuntimeNano) })
	client("ramp", func(c *Client) string { return human(c.Workload.RampNano) })
	client("ends at", func(c *Client) string { return unlessNothing(c.Workload.TotalBytes, configured) })
	client("ends when steady", func(c *Client) string { return c.Workload.StopWhen.words() })
	client("heartbeat interval", func(c *Client) string { return human(c.Workload.HeartbeatIntervalNano) })
	client("monitor interval", func(c *Client) string { return human(c.Workload.MonitorIntervalNano) })
	client("progress interval", func(c *Client) string { return human(c.Workload.ProgressIntervalNano) })
	for _, k := range knobs() {
		add(k.name, func(r *Report) string {
			var values tally[string]
			values.limit = maxLabels
			for i := range r.Clients {
				for j := range r.Clients[i].Workload.Consumers {
					values.add(k.of(&r.Clients[i].Workload.Consumers[j]))
				}
			}
			return tallied(&values)
		})
	}
	return list
}

// pathWritten is the path a client was told to write to: without the folders that it makes
// there for itself and its consumers, which are named anew for each run.
func pathWritten(path string) string {
	above, last := pathpkg.Split(strings.TrimSuffix(path, "/"))
	if strings.HasPrefix(last, "consumer-") {
		own, name := pathpkg.Split(strings.TrimSuffix(above, "/"))
		if strings.HasPrefix(name, "bulkhead-") {
			return pathpkg.Clean(own)
		}
	}
	return path
}

// tallied lists values, sorted, with how often each is there; one that all have is that
// alone, so that more clients of the same kind are no difference.
func tallied(values *tally[string]) string {
	if len(values.order) == 1 {
		return orDash(values.order[0])
	}
	names := slices.Sorted(slices.Values(values.order))
	for i, name := range names {
		if n := values.counts[name]; n > 1 {
			names[i] = fmt.Sprintf("%s ×%d", orDash(name), n)
		}
	}
	if values.leftOut > 0 {
		names = append(names, fmt.Sprintf("%d more", values.leftOut))
	}
	return strings.Join(names, ", ")
}
