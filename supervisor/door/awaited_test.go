package door

import (
	"testing"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
)

// Who waits for a client lets it in, however its address is penalized for what else comes
// from there: but not before the first crash delay is over, and not others.
func TestAnAwaitedClientHasAWayIn(t *testing.T) {
	now := time.Now()
	g := NewGate(config.Overload{Startups: value.Startups{Start: 100, Rate: 100, Full: 100}, MaxPerSource: 50,
		CrashDelay: time.Second}, always(0))
	for range 5 { // noise
		g.blame(now, alpha)
		g.blame(now, beta)
	}
	for range int(wasted.burst) {
		g.wasters.take(now, alpha)
	}
	since := now
	g.Expect(alpha, since)
	if _, no := g.Enter(now, alpha); no == nil {
		t.Error("a client that crashed its own handler came back at once")
	}
	now = now.Add(g.cfg.CrashDelay)
	tk := let(t, g, now, alpha)
	if !tk.MustSpeak() {
		t.Error("a connection that is let in for an awaited client gets a handler without a word")
	}
	if _, no := g.Enter(now, beta); no == nil {
		t.Error("another address came in too")
	}
	g.ExpectNot(alpha, since)
	if _, no := g.Enter(now, alpha); no == nil {
		t.Error("the address comes in although nobody of it is awaited")
	}
	if len(g.awaited) != 0 {
		t.Errorf("%v is still awaited", g.awaited)
	}
}

// The way in of an awaited client is not closed by others of its address that say nothing:
// the oldest of them goes, for as many as come.
func TestSilenceDoesNotCloseTheWayIn(t *testing.T) {
	now := time.Now()
	g := NewGate(config.Overload{Startups: value.Startups{Start: 1, Rate: 100, Full: 1}, MaxPerSource: 1}, always(0))
	let(t, g, now, alpha).Greeted() // MaxPerSource is reached
	g.Expect(alpha, now)
	dropped := 0
	for range 3 * returnsMost {
		tk := let(t, g, now, alpha)
		tk.Mute(func() { dropped++ })
	}
	if want := 2 * returnsMost; dropped != want {
		t.Errorf("%d silent connections made room; want %d", dropped, want)
	}
	if g.returns[alpha] != returnsMost || g.starting != returnsMost {
		t.Errorf("%d returns, %d starting; want %d", g.returns[alpha], g.starting, returnsMost)
	}
}

// Silent connections of one address take no room from those of others: theirs go first, the
// oldest of them. Who has no more than others takes none from them.
func TestSilentConnectionsMakeRoom(t *testing.T) {
	now := time.Now()
	g := NewGate(config.Overload{Startups: value.Startups{Start: 40, Rate: 100, Full: 40}}, always(0))
	var gone []int
	for i := range 40 {
		tk := let(t, g, now, alpha)
		if tk.MustSpeak() {
			tk.Mute(func() { gone = append(gone, i) })
		}
	}
	honest := let(t, g, now, beta)
	if len(gone) != 1 || gone[0] != crowd {
		t.Errorf("%v made room; want the oldest silent one, %d", gone, crowd)
	}
	honest.Mute(func() { t.Error("the only one of its address was dropped") })
	for range 30 { // a flood, that only crowds itself out
		let(t, g, now, alpha).Mute(func() {})
	}
	honest.Unmuted()
	honest.Greeted()
}

// A connection that has spoken, or has left, is no longer dropped; one that does not wait
// yet is, and learns of it when it does.
func TestOnlySilentConnectionsAreDropped(t *testing.T) {
	now := time.Now()
	g := NewGate(config.Overload{Startups: value.Startups{Start: crowd + 2, Rate: 100, Full: crowd + 2}}, always(0))
	for range crowd {
		let(t, g, now, beta)
	}
	spoken, left := let(t, g, now, alpha), let(t, g, now, alpha)
	for _, tk := range []*Ticket{spoken, left} {
		tk.Mute(func() { t.Error("dropped") })
	}
	spoken.Unmuted()
	left.Leave(now, false)
	early := let(t, g, now, alpha) // in the room of the one that left
	let(t, g, now, alpha)          // in that of early
	dropped := false
	early.Mute(func() { dropped = true })
	if !dropped {
		t.Error("a connection that made room before it waited does not learn of it")
	}
	if len(g.silent) != 1 || len(g.silent[alpha]) != 1 {
		t.Errorf("silent: %v; want the last one", g.silent)
	}
}

// Of the connections of an address that has a session away as many come first, and one more;
// those of others never do, and a place is free again when its connection has said Hello or
// is gone.
func TestWhoComesFirst(t *testing.T) {
	g := NewGate(config.Overload{Startups: value.Startups{Start: 100, Rate: 100, Full: 100}}, always(0))
	now := time.Now()
	if let(t, g, now, alpha).ComesFirst() {
		t.Error("a connection comes first although nobody is away")
	}
	g.Expect(alpha, now)
	first, second, third := let(t, g, now, alpha), let(t, g, now, alpha), let(t, g, now, alpha)
	for range 2 { // it stays so
		if !first.ComesFirst() || !second.ComesFirst() || third.ComesFirst() {
			t.Error("want two connections that come first, and no third")
		}
	}
	if let(t, g, now, beta).ComesFirst() {
		t.Error("a connection of another address comes first")
	}
	first.Greeted()
	second.Leave(now, false)
	if fourth := let(t, g, now, alpha); !third.ComesFirst() || !fourth.ComesFirst() {
		t.Error("places that became free are not given again")
	}
	g.ExpectNot(alpha, now)
	if let(t, g, now, alpha).ComesFirst() {
		t.Error("a connection comes first although nobody is away")
	}
}
