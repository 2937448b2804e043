package door

import (
	"net/netip"
	"testing"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
)

// unknownAddress returns an address of its own for each number.
func unknownAddress(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)})
}

// crowdedGate returns one whose places are all taken by connections of an address each, so that
// none makes room for another.
func crowdedGate(t *testing.T, now time.Time) *Gate {
	t.Helper()
	g := NewGate(config.Overload{Startups: value.Startups{Start: 40, Rate: 100, Full: 40}, CrashDelay: time.Second},
		always(0))
	for i := range 40 {
		let(t, g, now, unknownAddress(i)).Unmuted() // they have spoken, and say no Hello
	}
	return g
}

// A client of a session that is away is let in from an address that nobody knows although the
// door is closed by others, as long as a session is away; it has a short time, and takes no
// place of those who start.
func TestALaneForClientsThatAreAway(t *testing.T) {
	now := time.Now()
	g := crowdedGate(t, now)
	wantRefused(t, g, now, alpha, "too many connections have not said Hello; retry after 2s")
	g.Expect(beta, now)
	tk := let(t, g, now, alpha)
	if !tk.MustSpeak() || !tk.OnlyReturns() || tk.Patience(5*time.Second) != lanePatience ||
		tk.Patience(time.Second) != time.Second {
		t.Errorf("the ticket is %+v; want one that must speak, in a short time, for a client that returns", tk)
	}
	if g.starting != 40 || g.lane != 1 {
		t.Errorf("%d start, %d are in the lane; want 40 and 1", g.starting, g.lane)
	}
	tk.Unmuted()
	tk.Greeted()
	if g.lane != 0 {
		t.Errorf("%d are in the lane after a Hello", g.lane)
	}
	for range 4 {
		g.blame(now, alpha)
	}
	if _, no := g.Enter(now, alpha); no == nil {
		t.Error("an address that crashed handlers passes by the lane")
	}
	g.ExpectNot(beta, now)
	wantRefused(t, g, now, unknownAddress(999), "too many connections have not said Hello; retry after 2s")
}

// The lane is not closed by silence: of the address that has most in it the oldest goes, and
// nobody beside the lane.
func TestSilenceDoesNotCloseTheLane(t *testing.T) {
	now := time.Now()
	g := crowdedGate(t, now)
	g.Expect(beta, now)
	first := let(t, g, now, alpha)
	first.Mute(func() { t.Error("the only one of its address was dropped") })
	var gone []int
	for i := range 100 {
		now = now.Add(time.Millisecond)
		tk := let(t, g, now, unknownAddress(1000))
		tk.Mute(func() { gone = append(gone, i) })
	}
	if len(gone) != 100-(laneMost-1) || gone[0] != 0 {
		t.Errorf("%d made room, the first of them %v; want %d, the oldest first", len(gone), gone[:1], 100-(laneMost-1))
	}
	if g.lane != laneMost || g.starting != 40 {
		t.Errorf("%d are in the lane, %d start; want %d and 40", g.lane, g.starting, laneMost)
	}
}
