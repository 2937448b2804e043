package report

import (
	"fmt"

	"bulkhead/internal/remainder"
)

// part says whose rest a session is that was delivered later.
type part struct {
	of *sessionState
	// gapless says that it begins where the other session ends.
	gapless bool
	// missing is the last of the messages that are missing between, if that can be told;
	// else 0.
	missing uint64
}

// maxMissing is how many missing messages are looked for in all: finding out how many
// there are takes a hash for each.
const maxMissing = 1 << 18

// parts finds the sessions that are the rest of another. The id of such a session is
// derived from where it begins; one whose id tells nothing is the rest of the client's
// first session, with messages missing between.
func (f *Folder) parts() map[*sessionState]part {
	byID := make(map[string]*sessionState)
	first := make(map[remainder.Client]*sessionState)
	for _, s := range f.order {
		// Two that came at nearly the same time may be journaled the other way around.
		if of := first[who(s)]; of == nil || s.client.Session < of.client.Session {
			first[who(s)] = s
		}
		if s.client.Resent {
			byID[s.clientID] = s
		}
	}
	found := make(map[*sessionState]part)
	for _, s := range f.order {
		if !s.client.Resent {
			continue
		}
		if of := first[who(s)]; of != s {
			found[s] = part{of: of}
		}
	}
	if len(byID) == 0 {
		return found
	}
	for _, s := range f.order {
		id := remainder.ID([]byte(s.clientID), f.run.ID, s.client.LastSeq)
		if next := byID[string(id[:])]; next != nil && next != s {
			found[next] = part{of: s, gapless: true}
		}
	}
	budget := maxMissing
	for _, s := range f.order {
		if p, is := found[s]; is && !p.gapless {
			p.missing = f.missingBefore(s, p.of, &budget)
			found[s] = p
		}
	}
	return found
}

// missingBefore returns after which message of another session one begins by its id; 0 if
// the id does not tell within budget hashes.
func (f *Folder) missingBefore(s, of *sessionState, budget *int) uint64 {
	for after := of.client.LastSeq + 1; *budget > 0; after++ {
		*budget--
		if id := remainder.ID([]byte(of.clientID), f.run.ID, after); string(id[:]) == s.clientID {
			return after
		}
	}
	return 0
}

// isEmpty says whether a session is of a client that was not there itself, and of which
// nothing was delivered in it.
func (s *sessionState) isEmpty() bool { return s.client.Resent && s.client.LastSeq == 0 }

// judgeResent says what is missing of a client whose messages were delivered later.
// rest is the session that has what it lacks, or nil.
func (v *Verdict) judgeResent(c, rest *Client) {
	if !c.Resent || c.Outcome != OutcomeClosed {
		return // it has a reason of its own
	}
	switch {
	case rest != nil && rest.ContinuesGapless:
	case rest != nil:
		v.partial("client %s: %s of it %s not in this run; what follows was delivered later by resend, as %s",
			c.Label, rangeOf(c.LastSeq+1, rest.MissingUntil), beVerb(c.LastSeq+1, rest.MissingUntil), rest.Label)
	case c.LastSeq == 0:
		v.partial("client %s: none of its messages was delivered by resend", c.Label)
	case c.StopReason == "":
		v.partial("client %s: the last of its messages are missing: what was delivered by resend has no Stop message", c.Label)
	}
}

// rangeOf is the messages from … to in words; to is 0 if it is not known.
func rangeOf(from, to uint64) string {
	switch {
	case to == 0:
		return "messages from " + count(from) + " on"
	case from == to:
		return "message " + count(from)
	default:
		return "messages " + count(from) + " to " + count(to)
	}
}

func beVerb(from, to uint64) string {
	if from == to {
		return "is"
	}
	return "are"
}

// who says which client a session is of, if one of two is a later delivery.
func who(s *sessionState) remainder.Client {
	return remainder.Client{Name: s.client.Name, Host: s.client.Host, Pid: s.client.Pid}
}

// restsOf returns the sessions that are the rest of another, by the other's number.
func restsOf(clients []Client) map[uint32]*Client {
	rests := make(map[uint32]*Client)
	for i := range clients {
		if c := &clients[i]; c.Continues != 0 && (rests[c.Continues] == nil || c.ContinuesGapless) {
			rests[c.Continues] = c
		}
	}
	return rests
}

// restWords say what a session has of the rest of another; "" for no session.
func restWords(rest *Client) string {
	switch {
	case rest == nil:
		return ""
	case !rest.ContinuesGapless && rest.MissingUntil > 0:
		return fmt.Sprintf("more of it was delivered later by resend, as %s, but messages up to %s are missing between", rest.Label, count(rest.MissingUntil))
	case !rest.ContinuesGapless:
		return fmt.Sprintf("more of it was delivered later by resend, as %s, but messages are missing between", rest.Label)
	case rest.Outcome == OutcomeClosed && rest.StopReason != "":
		return fmt.Sprintf("its rest was delivered later by resend, as %s", rest.Label)
	default:
		return fmt.Sprintf("a part of its rest was delivered later by resend, as %s", rest.Label)
	}
}
