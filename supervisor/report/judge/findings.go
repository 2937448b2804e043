package judge

import (
	"cmp"
	"fmt"
	"slices"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// Where a finding begins.
const (
	// boundCPU is how many processors a saturated consumer uses for each of its writers, boundShare in which
	// share of its sampled intervals, of which there are at least boundSampled.
	boundCPU     = 0.95
	boundShare   = 0.5
	boundSampled = 3
	// stragglerRate is the share of the median rate below which a client is a
	// straggler, among at least stragglerPeers clients with the same workload.
	stragglerRate  = 0.7
	stragglerPeers = 3
	// stragglerSpread is how far apart, as a share of the time of writing, the first
	// and the last of such clients may be done.
	stragglerSpread = 0.1
	// clockOffset is the most that two clocks may differ without a word, in nanoseconds.
	clockOffset = int64(100e6)
	// rolloverRatio is how many times as high p99 is in intervals with rollovers as in
	// those without, for a warning; both are at least rolloverSampled.
	rolloverRatio   = 2
	rolloverSampled = 5
	// SteadyVariation is the highest coefficient of variation of a steady rate, over at
	// least steadyIntervals.
	SteadyVariation = 0.1
	steadyIntervals = 10
)

// eachFirst is how many of a kind come before the rest of others: a hundred slow clients
// do not hide that one had its storage stalled.
const eachFirst = 2

// Findings judges a report that is finished but for them: corruption first, and the worst of
// a kind before the rest of all kinds.
func Findings(r *report.Report) []report.Finding {
	list := append(corruption(r), readErrors(r)...)
	list = append(list, alone(r)...)
	list = append(list, namesTwice(r)...)
	list = append(list, unexpected(r)...)
	list = append(list, gathered(r)...)
	list = append(list, apartMost(r)...)
	list = append(list, fleetRate(r)...)
	list = append(list, stagesApart(r)...)
	list = append(list, supervisorPaused(r)...)
	list = append(list, journalUnavailable(r)...)
	list = append(list, unlocked(r)...)
	list = append(list, leftOut(r)...)
	list = append(list, contradicting(r)...)
	list = append(list, silentClients(r)...)
	list = append(list, certificateExpires(r)...)
	list = append(list, plainText(r)...)
	list = append(list, mixedVersions(r)...)
	list = append(list, SteadyState(r)...)
	list = append(list, clientBound(r)...)
	list = append(list, stalledStorage(r)...)
	list = append(list, breaches(r)...)
	list = append(list, machines(r)...)
	list = append(list, stragglers(r)...)
	list = append(list, rolloverPenalty(r)...)
	list = append(list, clockOffsets(r)...)
	list = append(list, clockSteps(r)...)
	list = append(list, clockTimes(r)...)
	of := make(map[string]int)
	first, rest, untold := []report.Finding{}, []report.Finding{}, []report.Finding{}
	for _, f := range list {
		if f.Untold {
			untold = append(untold, f)
		} else if of[f.Kind]++; f.Kind == report.FindingCorruption || of[f.Kind] <= eachFirst {
			first = append(first, f)
		} else {
			rest = append(rest, f)
		}
	}
	list = append(append(first, rest...), untold...)
	for i := range list {
		if list[i].Severity == "" {
			list[i].Severity = severity(list[i].Kind)
		}
	}
	return list
}

func severity(kind string) string {
	switch kind {
	case report.FindingCorruption:
		return report.SeverityError
	case report.FindingSteady:
		return report.SeverityNote
	default:
		return report.SeverityWarning
	}
}

// about returns a finding about a client.
func about(c *report.Client, kind string) report.Finding {
	return report.Finding{Kind: kind, Session: c.Session, Client: c.Label}
}

// stalledStorage finds clients of which a worker said that its write was stuck, the one
// with the longest stall first.
func stalledStorage(r *report.Report) []report.Finding {
	var list []report.Finding
	for _, c := range byFalling(r.Clients,
		func(c *report.Client) int64 { return longestStall(c).Heartbeats.MaxStalledNano }) {
		if c.Heartbeats.Stalled == 0 {
			continue
		}
		worst := longestStall(c)
		f := about(c, report.FindingStalled)
		f.Text = fmt.Sprintf("the storage of client %s stalled: %s of %s was stuck for %s", c.Label, "a system call",
			words.ProcessName(worst),
			human.Duration(worst.Heartbeats.MaxStalledNano))
		f.Evidence = fmt.Sprintf("%s of %s said that a system call was stuck", human.Count(c.Heartbeats.Stalled),
			words.Plural(c.Heartbeats.Answered+c.Heartbeats.Late, "heartbeat answer"))
		f.Threshold = "one such answer"
		list = append(list, f)
	}
	return list
}

// longestStall returns the process of a client with the longest stall; one without heartbeats if
// none stalled.
func longestStall(c *report.Client) *report.Process {
	var worst *report.Process
	for k := range c.Processes {
		if p := &c.Processes[k]; p.Heartbeats != nil &&
			(worst == nil || p.Heartbeats.MaxStalledNano > worst.Heartbeats.MaxStalledNano) {
			worst = p
		}
	}
	if worst == nil {
		return &report.Process{Heartbeats: &report.Heartbeats{}}
	}
	return worst
}

// byFalling returns clients in falling order of something, and otherwise in theirs.
func byFalling(clients []report.Client, of func(*report.Client) int64) []*report.Client {
	list := make([]*report.Client, 0, len(clients))
	for i := range clients {
		list = append(list, &clients[i])
	}
	slices.SortStableFunc(list, func(a, b *report.Client) int { return cmp.Compare(of(b), of(a)) })
	return list
}
