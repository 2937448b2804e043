package report

import "fmt"

// Kinds of a Finding.
const (
	FindingCorruption  = "corruption"
	FindingClientBound = "client_bound"
	FindingStalled     = "stalled_storage"
	FindingStraggler   = "straggler"
	FindingClock       = "clock_offset"
	FindingRollover    = "rollover_penalty"
	FindingSteady      = "steady_state"
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
}

// Where a finding begins.
const (
	// boundCPU is how many processors a saturated consumer uses, boundShare in which
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
	// those without; both are at least rolloverSampled.
	rolloverRatio   = 2
	rolloverSampled = 5
	// steadyVariation is the highest coefficient of variation of a steady rate, over at
	// least steadyIntervals.
	steadyVariation = 0.1
	steadyIntervals = 10
)

// findings judges a report that is finished but for them; the most severe comes first.
func findings(r *Report) []Finding {
	list := []Finding{}
	list = append(list, corruption(r)...)
	list = append(list, steadyState(r)...)
	list = append(list, clientBound(r)...)
	list = append(list, stalledStorage(r)...)
	list = append(list, stragglers(r)...)
	list = append(list, rolloverPenalty(r)...)
	list = append(list, clockOffsets(r)...)
	for i := range list {
		list[i].Severity = severity(list[i].Kind)
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

// stalledStorage finds clients of which a worker said that its write was stuck.
func stalledStorage(r *Report) []Finding {
	var list []Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.Heartbeats.Stalled == 0 {
			continue
		}
		var worst *Process
		for k := range c.Processes {
			p := &c.Processes[k]
			if p.Heartbeats != nil && (worst == nil || p.Heartbeats.MaxStalledNano > worst.Heartbeats.MaxStalledNano) {
				worst = p
			}
		}
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

// clockOffsets finds clients whose clock is far from the supervisor's.
func clockOffsets(r *Report) []Finding {
	var list []Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.ClockOffsetNano <= clockOffset && c.ClockOffsetNano >= -clockOffset {
			continue
		}
		f := about(c, FindingClock)
		word, nano := "ahead of", c.ClockOffsetNano
		if nano < 0 {
			word, nano = "behind", -nano
		}
		f.Text = fmt.Sprintf("the clock of client %s is %s %s the supervisor's; the time axis is corrected by that", c.Label, human(nano), word)
		f.Evidence = "the clock it showed as it arrived, network delay included"
		f.Threshold = "more than " + human(clockOffset)
		list = append(list, f)
	}
	return list
}
