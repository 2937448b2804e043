package report

import (
	"cmp"
	"fmt"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// What became of a client's load (Client.Load).
const (
	// LoadWhole ended for a reason that its workload names.
	LoadWhole = "whole"
	// LoadInterrupted is whole but for what an operator cut off: at the client, or by a
	// drain.
	LoadInterrupted = "interrupted"
	// LoadFailed could not go on.
	LoadFailed = "failed"
	// LoadUnknown ended for no reason that this version knows.
	LoadUnknown = "unknown"
)

// endingOf is the name of a reason to stop, and what it makes of the load: each reason
// makes exactly one thing of it.
func endingOf(r bulkheadv1.StopReason) (reason, load string) {
	switch r {
	case bulkheadv1.StopReason_STOP_REASON_RUNTIME:
		return "runtime", LoadWhole
	case bulkheadv1.StopReason_STOP_REASON_STEADY:
		return "steady", LoadWhole
	case bulkheadv1.StopReason_STOP_REASON_TOTAL:
		return "total", LoadWhole
	case bulkheadv1.StopReason_STOP_REASON_RESERVE:
		return endedByReserve, LoadWhole
	case bulkheadv1.StopReason_STOP_REASON_INTERRUPTED:
		return "interrupted", LoadInterrupted
	case bulkheadv1.StopReason_STOP_REASON_HANGUP:
		return "hangup", LoadInterrupted
	case bulkheadv1.StopReason_STOP_REASON_DRAINED:
		return "drained", LoadInterrupted
	case bulkheadv1.StopReason_STOP_REASON_FAILED:
		return "failed", LoadFailed
	case bulkheadv1.StopReason_STOP_REASON_UNSPECIFIED:
		return unknownWord, LoadUnknown
	default:
		return unknownValue(r), LoadUnknown
	}
}

// endedByReserve is the reason of a load that ended in order before its time, because
// more would have taken what is kept in reserve.
const endedByReserve = "reserve"

// judgeLoad says where a client's load did not do what it should have, although the
// client lived to say so.
func (v *Verdict) judgeLoad(c *Client) {
	switch c.Load {
	case LoadFailed:
		v.partial("client %s: its load could not go on%s", c.Label, because(c.StopDetail))
	case LoadUnknown:
		v.partial("client %s: its load ended %s, for no reason that this version knows%s", c.Label, c.after(), because(c.StopDetail))
	}
	nameWorkers(v.partial, c, workerFailed)
	v.nameFailing(c)
}

// judgeInterruptions says what operators did that the run, or the load of a client, was
// cut short by.
func (v *Verdict) judgeInterruptions(r *Report) {
	drained := 0
	for i := range r.Clients {
		switch c := &r.Clients[i]; {
		case c.Load != LoadInterrupted:
		case c.StopReason == "drained":
			drained++
		default:
			v.interrupted("client %s: %s", c.Label, c.interruption())
		}
	}
	cut := drained > 0 || r.Run.End == EndInterrupted || len(v.Reasons) > 0
	why := because(cmp.Or(r.Run.DrainReason, r.Run.EndDetail))
	switch {
	case r.Run.DrainedAt == 0 && r.Run.End != EndInterrupted:
	case r.Run.DrainCause != DrainByOperator && r.Run.DrainCause != "":
		v.partial("the supervisor drained the run before its time%s", because(r.Run.DrainReason))
		if r.Run.End == EndInterrupted {
			v.interrupted("an operator did not wait for the end of the drain%s", because(r.Run.EndDetail))
		}
	case r.Run.End == EndInterrupted:
		v.interrupted("an operator drained the run before its time%s", why)
		v.interrupted("an operator did not wait for the end of the drain%s", because(r.Run.EndDetail))
	case cut:
		v.interrupted("an operator drained the run before its time%s", why)
	default:
		v.warn("an operator drained the run%s; it cut no load short", why)
	}
	named := 0
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.Load != LoadInterrupted || c.StopReason != "drained" {
			continue
		}
		if named == maxNamed && drained > maxNamed+1 {
			v.interrupted("the drain cut the loads of %s short, too", plural(uint64(drained-named), "more client"))
			return
		}
		named++
		v.interrupted("client %s: %s", c.Label, c.interruption())
	}
}

// interruption says how a load was cut short by an operator.
func (c *Client) interruption() string {
	if c.StopReason == "drained" {
		return "its load was cut short by the drain " + c.after()
	}
	words := "interrupted "
	if c.StopReason == "hangup" {
		words = "interrupted, as its terminal or session ended, "
	}
	return words + c.after() + because(c.StopDetail)
}

// after says after how long a load ended, and how long it should have taken.
func (c *Client) after() string {
	text := "after " + human(cmp.Or(c.RuntimeReachedNano, c.RuntimeNano))
	if of := c.Workload.RuntimeNano; of > 0 {
		text += " of " + human(of)
	}
	return text
}

// cutShort is how many clients' loads an operator cut short.
func (r *Report) cutShort() uint64 {
	var n uint64
	for i := range r.Clients {
		if r.Clients[i].Load == LoadInterrupted {
			n++
		}
	}
	return n
}

// shortfall says in one line what is wrong with a client, and of which kind it is: its
// outcome, or what became of its load. Both are "" for one that closed with a whole load.
func (r *Report) shortfall(c *Client) (kind, why string) {
	switch {
	case c.Outcome == OutcomeOpen:
		return c.Outcome, openCause(c, &r.Run)
	case c.Outcome != OutcomeClosed:
		return c.Outcome, endCause(c)
	case c.Load == LoadInterrupted:
		return c.Load, c.interruption()
	case c.Load == LoadFailed || c.Load == LoadUnknown:
		return c.Load, fmt.Sprintf("its load ended %s%s", c.after(), because(c.StopDetail))
	default:
		return "", ""
	}
}
