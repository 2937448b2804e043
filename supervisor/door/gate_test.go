package door

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// always returns a random source that gives the same number each time.
func always(v int) func(int) int { return func(int) int { return v } }

var (
	alpha = netip.MustParseAddr("192.0.2.1")
	beta  = netip.MustParseAddr("192.0.2.2")
)

// let enters a connection that must be let in.
func let(t *testing.T, g *Gate, now time.Time, source netip.Addr) *Ticket {
	t.Helper()
	tk, no := g.Enter(now, source)
	if no != nil {
		t.Fatalf("a connection of %s is refused: %s", source, no)
	}
	return tk
}

// wantRefused enters a connection that must be refused with a text.
func wantRefused(t *testing.T, g *Gate, now time.Time, source netip.Addr, text string) {
	t.Helper()
	_, no := g.Enter(now, source)
	if no == nil || no.String() != text {
		t.Fatalf("a connection of %s got %v; want %q", source, no, text)
	}
}

// The rule is sshd's: in whole percent, of the connections there are before this one.
func TestStartupsAreShed(t *testing.T) {
	for _, tt := range []struct {
		s       value.Startups
		n       int
		percent int
	}{
		{value.Startups{Start: 64, Rate: 30, Full: 256}, 0, 0},
		{value.Startups{Start: 64, Rate: 30, Full: 256}, 63, 0},
		{value.Startups{Start: 64, Rate: 30, Full: 256}, 64, 30},
		{value.Startups{Start: 64, Rate: 30, Full: 256}, 66, 30},
		{value.Startups{Start: 64, Rate: 30, Full: 256}, 67, 31},
		{value.Startups{Start: 64, Rate: 30, Full: 256}, 160, 65},
		{value.Startups{Start: 64, Rate: 30, Full: 256}, 255, 99},
		{value.Startups{Start: 64, Rate: 30, Full: 256}, 256, 100},
		{value.Startups{Start: 64, Rate: 30, Full: 256}, 1 << 20, 100},
		{value.Startups{Start: 10, Rate: 30, Full: 100}, 55, 65}, // sshd's default
		{value.Startups{Start: 10, Rate: 100, Full: 100}, 9, 0},
		{value.Startups{Start: 10, Rate: 100, Full: 100}, 10, 100},
		{value.Startups{Start: 5, Rate: 30, Full: 5}, 4, 0},
		{value.Startups{Start: 5, Rate: 30, Full: 5}, 5, 100},
	} {
		shed := 0
		for r := range 100 { // each number once
			if sheds(tt.s, tt.n, always(r)) {
				shed++
			}
		}
		if shed != tt.percent {
			t.Errorf("%v with %d starting sheds %d %%; want %d", tt.s, tt.n, shed, tt.percent)
		}
	}
}

func TestAConnectionStartsUntilItsHello(t *testing.T) {
	now := time.Now()
	g := NewGate(config.Overload{Startups: value.Startups{Start: 2, Rate: 50, Full: 3}}, always(49))
	const text = "too many connections have not said Hello; retry after 2s"
	a, b := let(t, g, now, alpha), let(t, g, now, alpha)
	wantRefused(t, g, now, alpha, text)
	a.Greeted()
	a.Greeted() // counts once
	c := let(t, g, now, alpha)
	wantRefused(t, g, now, alpha, text)
	b.Leave(now, false)
	b.Leave(now, false) // counts once
	d := let(t, g, now, alpha)
	wantRefused(t, g, now, alpha, text)
	for _, tk := range []*Ticket{a, c, d} {
		tk.Leave(now, false)
	}
	if g.starting != 0 || len(g.sources) != 0 || len(g.crashers) != 0 {
		t.Errorf("after everybody left: %d starting, sources %v, crashers %v", g.starting, g.sources, g.crashers)
	}
}

// In a crowd of connections that start, the next must speak first; who said Hello is
// none of them.
func TestConnectionsOfACrowdMustSpeak(t *testing.T) {
	now := time.Now()
	g := NewGate(config.Overload{Startups: value.Startups{Start: 100, Rate: 100, Full: 100}}, always(0))
	let(t, g, now, alpha).Greeted()
	for i := range crowd {
		if let(t, g, now, alpha).MustSpeak() {
			t.Fatalf("connection %d must speak", i)
		}
	}
	last := let(t, g, now, alpha)
	if !last.MustSpeak() {
		t.Error("a connection beyond the crowd need not speak")
	}
	if (*Ticket)(nil).MustSpeak() {
		t.Error("who has no ticket must speak")
	}
}

func TestConnectionsOfOneSourceAreLimited(t *testing.T) {
	now := time.Now()
	g := NewGate(config.Overload{Startups: value.Startups{Start: 100, Rate: 100, Full: 100}, MaxPerSource: 2},
		always(0))
	const text = "this address has max_per_source=2 connections already; retry after 5s"
	a := let(t, g, now, alpha)
	a.Greeted() // who said Hello counts too
	g.Adopt(netip.MustParseAddr("::ffff:192.0.2.1")).Greeted()
	wantRefused(t, g, now, alpha, text)
	let(t, g, now, beta)
	a.Leave(now, false)
	let(t, g, now, alpha)
	wantRefused(t, g, now, alpha, text)

	free := NewGate(config.Overload{Startups: value.Startups{Start: 100, Rate: 100, Full: 100}}, always(0))
	for range 100 {
		let(t, free, now, alpha)
	}
}

func TestSourcesThatCrashHandlersAreDelayed(t *testing.T) {
	now := time.Now()
	g := NewGate(config.Overload{Startups: value.Startups{Start: 100, Rate: 100, Full: 100}, CrashDelay: time.Second},
		always(0))
	for i, delay := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		let(t, g, now, alpha).Leave(now, true)
		wantRefused(t, g, now, alpha, fmt.Sprintf("connections from this address crashed handlers; retry after %s",
			time.Duration(delay)*time.Second))
		let(t, g, now, beta).Leave(now, false)
		last := now.Add(time.Duration(delay)*time.Second - time.Nanosecond)
		wantRefused(t, g, last, alpha, "connections from this address crashed handlers; retry after 1s")
		now = last.Add(time.Nanosecond)
		let(t, g, now, alpha).Leave(now, false)
		if c := g.crashers[alpha]; c == nil || c.crashes != i+1 {
			t.Fatalf("%+v is remembered after %d crashes", c, i+1)
		}
	}
	now = now.Add(crashMemory)
	let(t, g, now, alpha).Leave(now, false)
	if len(g.crashers) != 0 {
		t.Errorf("%d addresses are remembered too long", len(g.crashers))
	}
	// A crash of a connection that lasted longer than the memory is the first again.
	tk := let(t, g, now, alpha)
	let(t, g, now, alpha).Leave(now, true)
	now = now.Add(crashMemory)
	tk.Leave(now, true)
	wantRefused(t, g, now, alpha, "connections from this address crashed handlers; retry after 1s")
}

// Without a delay a crash keeps nobody out, not even who asked before it was known.
func TestNoCrashDelayKeepsNobodyOut(t *testing.T) {
	now := time.Now()
	g := NewGate(config.Overload{Startups: value.Startups{Start: 100, Rate: 100, Full: 100}}, always(0))
	for range 10 {
		let(t, g, now, alpha).Leave(now.Add(time.Millisecond), true)
	}
	let(t, g, now, alpha).Leave(now, false)
}

func TestSourcesThatWasteHandlersAreKeptOut(t *testing.T) {
	g := NewGate(config.Overload{Startups: value.Startups{Start: 100, Rate: 100, Full: 100}, CrashDelay: time.Second},
		always(0))
	now := time.Now()
	waste := func(source netip.Addr) {
		t.Helper()
		tk := let(t, g, now, source)
		tk.Wasted(now)
		tk.Leave(now, false)
	}
	for range int(wasted.burst) {
		waste(alpha)
	}
	wantRefused(t, g, now, alpha, "connections from this address used up handlers for nothing; retry after 2s")
	waste(beta) // another is none the worse for it
	now = now.Add(time.Second)
	for range int(wasted.perSecond) {
		waste(alpha)
	}
	wantRefused(t, g, now, alpha, "connections from this address used up handlers for nothing; retry after 2s")
	for range 100 { // twice a second it may continue for ever
		now = now.Add(time.Duration(float64(time.Second) / wasted.perSecond))
		waste(alpha)
	}
	free := NewGate(config.Overload{Startups: value.Startups{Start: 100, Rate: 100, Full: 100}}, always(0))
	for range 2 * int(wasted.burst) {
		tk := let(t, free, now, alpha)
		tk.Wasted(now)
		tk.Leave(now, false)
	}
}

func TestWastersAreForgottenWhenThereAreTooMany(t *testing.T) {
	w, now := newAllowances[netip.Addr](wasted), time.Now()
	source := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range maxRemembered {
		w.take(now, source(i))
	}
	now = now.Add(time.Minute)
	w.take(now, alpha)
	if len(w.of) != 1 {
		t.Errorf("%d are remembered a minute after; want the newest", len(w.of))
	}
	for i := range 2 * maxRemembered {
		w.take(now, source(i))
	}
	if len(w.of) > maxRemembered {
		t.Errorf("%d are remembered; want at most %d", len(w.of), maxRemembered)
	}
}

func TestCrashersAreForgottenWhenThereAreTooMany(t *testing.T) {
	now := time.Now()
	g := NewGate(config.Overload{Startups: value.Startups{Start: 100, Rate: 100, Full: 100}, CrashDelay: time.Hour},
		always(0))
	source := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for i := range maxCrashers + 2 {
		let(t, g, now, source(i)).Leave(now, true)
		now = now.Add(time.Millisecond)
	}
	if len(g.crashers) != maxCrashers {
		t.Errorf("%d addresses are remembered; want %d", len(g.crashers), maxCrashers)
	}
	for i, remembered := range map[int]bool{0: false, 1: false, 2: true, maxCrashers + 1: true} {
		if _, no := g.Enter(now, source(i)); (no != nil) != remembered {
			t.Errorf("address %d got %v; want it remembered: %v", i, no, remembered)
		}
	}
}

// Whatever comes and goes, the counts are those of who is there.
func TestTheGateCountsWhoIsThere(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	g := NewGate(config.Overload{Startups: value.Startups{Start: 20, Rate: 30, Full: 60}, MaxPerSource: 25},
		random.IntN)
	now := time.Now()
	type conn struct {
		*Ticket
		greeted bool
	}
	var there []conn
	for range 20_000 {
		switch random.IntN(4) {
		case 0, 1:
			if tk, _ := g.Enter(now, netip.AddrFrom4([4]byte{10, 0, 0, byte(random.IntN(5))})); tk != nil {
				there = append(there, conn{Ticket: tk})
			}
		case 2:
			if len(there) > 0 {
				i := random.IntN(len(there))
				there[i].Ticket.Greeted()
				there[i].greeted = true
			}
		case 3:
			if len(there) > 0 {
				i := random.IntN(len(there))
				there[i].Leave(now, false)
				there = append(there[:i], there[i+1:]...)
			}
		}
		starting, sources := 0, make(map[netip.Addr]int)
		for _, c := range there {
			sources[c.Source]++
			if !c.greeted && !c.dropped { // one that made room is as good as gone
				starting++
			}
		}
		if g.starting != starting || len(g.sources) != len(sources) || starting > 60 {
			t.Fatalf("%d starting of %d addresses; want %d of %d", g.starting, len(g.sources), starting, len(sources))
		}
		for a, n := range sources {
			if g.sources[a] != n || n > 25 {
				t.Fatalf("%d connections of %s; want %d", g.sources[a], a, n)
			}
		}
	}
}
