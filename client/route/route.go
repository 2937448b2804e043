package route

import (
	"cmp"
	"slices"
	"time"
)

// Route is the way of one client to its supervisor. One goroutine uses it; the clock is the
// caller's.
type Route struct {
	seed  []byte
	first string // an address to begin with; empty for none

	home string   // Dial of where the client was welcomed last; empty before
	shun bool     // home comes last
	to   []string // addresses to which the client was sent; they come first

	round   []Target // the targets of this round; nil when it is over
	known   int      // how many the newest round had
	jumps   int      // how often a round was left for a new address, since the client was welcomed
	left    []Target // those of it that were not tried yet, in order
	asked   map[string]time.Time
	waits   []time.Time // of the targets of this round that were tried: not before; zero for at any time
	strange int         // of these, how many are of another run
}

// End is how a try of a target ended.
type End uint8

const (
	// Failed is a target that could not be reached, or that did not serve.
	Failed End = iota
	// Stranger is a target of which the supervisor does not have the client's run.
	Stranger
	// Cut is a connection that was welcomed, and broke: another one there may be as good.
	Cut
	// Away is a connection that was welcomed, and whose supervisor sent the client away or fell
	// silent: another one there would be no better.
	Away
)

// New returns the route of a client with an order of its own, by its seed. It begins with the
// address first, if that is not empty.
func New(seed []byte, first string) *Route {
	return &Route{seed: slices.Clone(seed), first: first, asked: make(map[string]time.Time)}
}

// Begin begins a round with the targets that there are now. Those that asked for more time are left
// out while there are others.
func (r *Route) Begin(now time.Time, all []Target) {
	order := sorted(r.seed, all, r.rank)
	r.round, r.known, r.waits, r.strange, r.left = order, len(order), nil, 0, nil
	for dial, until := range r.asked {
		if !now.Before(until) || !slices.ContainsFunc(order, func(t Target) bool { return t.Dial == dial }) {
			delete(r.asked, dial)
		}
	}
	for _, t := range order {
		if until, busy := r.asked[t.Dial]; busy {
			r.waits = append(r.waits, until)
			continue
		}
		r.left = append(r.left, t)
	}
	if len(r.left) == 0 {
		r.left, r.waits = order, nil
	}
}

// rank returns which targets come before which: 0 is first.
func (r *Route) rank(t Target) int {
	switch sent := slices.ContainsFunc(r.to, t.Is); {
	case r.home != "" && t.Dial == r.home && r.shun:
		return 5
	case sent:
		return 0
	case r.home != "" && t.Dial == r.home:
		return 1
	case r.home == "" && t.Is(r.first):
		return 2
	case t.Learned:
		return 4
	default:
		return 3
	}
}

// Left returns the targets that this round has not tried, in order. It must not be changed.
func (r *Route) Left() []Target { return r.left }

// Alone reports whether there is no more than one target.
func (r *Route) Alone() bool { return r.known <= 1 }

// Lonely reports whether every target of this round was of another run.
func (r *Route) Lonely() bool { return r.strange >= r.known }

// Tried takes note of how a target failed that was asked for no more, and reports whether the round
// goes on.
func (r *Route) Tried(t Target, how End) (more bool) { return r.Ended(time.Time{}, t, how, 0) }

// Ended takes note of how a try ended, and that the target asked not to come again for a time, 0 for
// none. It reports whether another target can be tried at once.
func (r *Route) Ended(now time.Time, t Target, how End, after time.Duration) (more bool) {
	r.left = slices.DeleteFunc(slices.Clone(r.left), func(o Target) bool { return o.Dial == t.Dial })
	var until time.Time
	if after > 0 {
		until = now.Add(after)
		r.asked[t.Dial] = until
	}
	r.waits = append(r.waits, until)
	switch how {
	case Cut, Away:
		r.home, r.shun, r.to, r.left, r.round = t.Dial, how == Away, nil, nil, nil
		return how == Away && r.known > 1
	case Stranger:
		r.strange++
	}
	return len(r.left) > 0
}

// mostJumps is how often in a row a round is left for an address that it does not have.
const mostJumps = 3

// Sent takes note that the client was sent to other addresses, which come first now. It reports
// whether there is one to try at once: that this round has and has not tried, or that is new.
func (r *Route) Sent(to []string) bool {
	if len(to) == 0 {
		return false
	}
	sent := func(t Target) bool { return slices.ContainsFunc(to, t.Is) }
	known := slices.ContainsFunc(r.round, sent)
	switch {
	case r.round == nil: // it is over
		r.to = slices.Clone(to)
		return true
	case slices.ContainsFunc(r.left, sent):
		rank := func(t Target) int {
			if sent(t) {
				return 0
			}
			return 1
		}
		slices.SortStableFunc(r.left, func(a, b Target) int { return cmp.Compare(rank(a), rank(b)) })
		return true
	case known || r.jumps == mostJumps:
		return false
	}
	r.jumps++
	r.left, r.to = nil, slices.Clone(to)
	return true
}

// Welcomed takes note that the client was welcomed at a target.
func (r *Route) Welcomed(t Target) {
	r.home, r.shun, r.to, r.jumps = t.Dial, false, nil, 0
	delete(r.asked, t.Dial)
}

// Wait returns how long no target of this round wants to be tried again: 0 if one did not say.
func (r *Route) Wait(now time.Time) time.Duration {
	if len(r.waits) == 0 {
		return 0
	}
	least := slices.MinFunc(r.waits, time.Time.Compare)
	return max(0, least.Sub(now))
}
