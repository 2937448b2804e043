package report

import (
	"cmp"
	"fmt"
	"slices"
)

// Kinds of a Finding.
const (
	FindingCorruption  = "corruption"
	FindingClientBound = "client_bound"
	FindingStalled     = "stalled_storage"
	FindingStraggler   = "straggler"
	FindingClock       = "clock_offset"
	FindingClockStep   = "clock_step"
	FindingClockTimes  = "clock_times"
	FindingRollover    = "rollover_penalty"
	FindingSteady      = "steady_state"
	FindingNameTwice   = "name_twice"
	FindingUnexpected  = "unexpected_client"
	// FindingSilent is of a client that said nothing though its connection lived, and
	// FindingPaused of a supervisor that did not run.
	FindingSilent = "silent_client"
	FindingPaused = "supervisor_paused"
	// FindingContradiction is of what a client said that cannot be true together.
	FindingContradiction = "contradiction"
	// FindingLeftOut is of what a client said that cannot be true at all.
	FindingLeftOut = "left_out"
)

// Severities of a Finding.
const (
	// SeverityError is of what makes a run worthless for what it was to show.
	SeverityError = "error"
	// SeverityWarning is of what explains or spoils figures, and SeverityNote of what
	// describes them.
	SeverityWarning = "warning"
	SeverityNote    = "note"
)

// Finding is one judgement about what the numbers mean.
type Finding struct {
	// Kind is one of the Finding… constants.
	Kind string `json:"kind"`
	// Severity is one of the Severity… constants.
	Severity string `json:"severity"`
	// Session is 0 and Client "" for a finding about the run.
	Session uint32 `json:"session"`
	Client  string `json:"client"`
	// Text is the judgement in one line, Evidence what it is made from, and Threshold
	// where it begins.
	Text      string `json:"text"`
	Evidence  string `json:"evidence"`
	Threshold string `json:"threshold"`
	// Untold says that the finding is no judgement: the run does not tell. Those come last.
	// It is absent for all others.
	Untold bool `json:"untold,omitempty"`
}

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
	// steadyVariation is the highest coefficient of variation of a steady rate, over at
	// least steadyIntervals.
	steadyVariation = 0.1
	steadyIntervals = 10
)

// eachFirst is how many of a kind come before the rest of others: a hundred slow clients
// do not hide that one had its storage stalled.
const eachFirst = 2

// findings judges a report that is finished but for them: corruption first, and the worst of
// a kind before the rest of all kinds.
func findings(r *Report) []Finding {
	list := corruption(r)
	list = append(list, namesTwice(r)...)
	list = append(list, unexpected(r)...)
	list = append(list, supervisorPaused(r)...)
	list = append(list, leftOut(r)...)
	list = append(list, contradicting(r)...)
	list = append(list, silentClients(r)...)
	list = append(list, steadyState(r)...)
	list = append(list, clientBound(r)...)
	list = append(list, stalledStorage(r)...)
	list = append(list, stragglers(r)...)
	list = append(list, rolloverPenalty(r)...)
	list = append(list, clockOffsets(r)...)
	list = append(list, clockSteps(r)...)
	list = append(list, clockTimes(r)...)
	of := make(map[string]int)
	first, rest, untold := []Finding{}, []Finding{}, []Finding{}
	for _, f := range list {
		if f.Untold {
			untold = append(untold, f)
		} else if of[f.Kind]++; f.Kind == FindingCorruption || of[f.Kind] <= eachFirst {
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
	case FindingCorruption:
		return SeverityError
	case FindingSteady:
		return SeverityNote
	default:
		return SeverityWarning
	}
}

// about is a finding about a client.
func about(c *Client, kind string) Finding {
	return Finding{Kind: kind, Session: c.Session, Client: c.Label}
}

// stalledStorage finds clients of which a worker said that its write was stuck, the one
// with the longest stall first.
func stalledStorage(r *Report) []Finding {
	var list []Finding
	for _, c := range byFalling(r.Clients, func(c *Client) int64 { return longestStall(c).Heartbeats.MaxStalledNano }) {
		if c.Heartbeats.Stalled == 0 {
			continue
		}
		worst := longestStall(c)
		f := about(c, FindingStalled)
		f.Text = fmt.Sprintf("the storage of client %s stalled: %s of %s was stuck for %s", c.Label, "a system call", processName(worst),
			human(worst.Heartbeats.MaxStalledNano))
		f.Evidence = fmt.Sprintf("%s of %s said that a system call was stuck", count(c.Heartbeats.Stalled),
			plural(c.Heartbeats.Answered+c.Heartbeats.Late, "heartbeat answer"))
		f.Threshold = "one such answer"
		list = append(list, f)
	}
	return list
}

// longestStall is the process of a client that had it; one without heartbeats for none.
func longestStall(c *Client) *Process {
	var worst *Process
	for k := range c.Processes {
		if p := &c.Processes[k]; p.Heartbeats != nil && (worst == nil || p.Heartbeats.MaxStalledNano > worst.Heartbeats.MaxStalledNano) {
			worst = p
		}
	}
	if worst == nil {
		return &Process{Heartbeats: &Heartbeats{}}
	}
	return worst
}

// byFalling returns clients in falling order of something, and otherwise in theirs.
func byFalling(clients []Client, of func(*Client) int64) []*Client {
	list := make([]*Client, 0, len(clients))
	for i := range clients {
		list = append(list, &clients[i])
	}
	slices.SortStableFunc(list, func(a, b *Client) int { return cmp.Compare(of(b), of(a)) })
	return list
}
