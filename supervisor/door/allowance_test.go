package door

import (
	"net/netip"
	"testing"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func gateOfReturns() *Gate {
	return NewGate(config.Overload{Startups: value.Startups{Start: 64, Rate: 30, Full: 256}, CrashDelay: time.Second},
		always(99))
}

// comeBack has a session's client connect again, and returns when it may go on; 0 for at once.
func comeBack(t *testing.T, g *Gate, now time.Time, own *Allowance, who *bulkheadv1.Identity) time.Duration {
	t.Helper()
	tk := let(t, g, now, alpha)
	defer tk.Leave(now, false)
	tk.Greeted()
	if no := tk.Returned(now, own, who); no != nil {
		return no.RetryAfter
	}
	return 0
}

// A client whose network breaks every few seconds is never asked to wait, nor one whose network breaks
// every second for a minute.
func TestFlappingNetworksDelayNobody(t *testing.T) {
	for every, times := range map[time.Duration]int{5 * time.Second: 1000, 2 * time.Second: 1000, time.Second: 60} {
		g, own, now := gateOfReturns(), &Allowance{}, time.Now()
		for i := range times {
			if wait := comeBack(t, g, now, own, nil); wait > 0 {
				t.Fatalf("every %s: it waits %s at time %d", every, wait, i+1)
			}
			now = now.Add(every)
		}
	}
}

// A client that comes back without a pause does so as often as it may at once, and then waits no
// longer than until it may again, however long it tries.
func TestASessionComesBackAsOftenAsItMay(t *testing.T) {
	g, own, now := gateOfReturns(), &Allowance{}, time.Now()
	came := 0
	for range 10_000 { // for 100 s
		switch wait := comeBack(t, g, now, own, nil); {
		case wait == 0:
			came++
		case wait > 2*time.Second:
			t.Fatalf("it waits %s", wait)
		}
		now = now.Add(10 * time.Millisecond)
	}
	if came < 81 || came > 83 { // 32 and one every 2 s
		t.Errorf("it came back %d times in 100 s; want 82", came)
	}
	if wait := comeBack(t, g, now, &Allowance{}, nil); wait > 0 {
		t.Errorf("another session of its address waits %s", wait)
	}
	still := now.Add(-time.Hour) // as of a clock that stepped
	if wait := comeBack(t, g, still, own, nil); wait == 0 {
		t.Error("a clock that steps back gives it more")
	}
}

// What ended by no doing of the client does not count, also where it comes back before that is known.
func TestWhatAClientDidNotCauseDoesNotCount(t *testing.T) {
	for _, late := range []bool{false, true} {
		g, own, now := gateOfReturns(), &Allowance{}, time.Now()
		who := &bulkheadv1.Identity{Kind: bulkheadv1.IdentityKind_IDENTITY_KIND_TOKEN, Name: "alpha"}
		var before *Ticket
		for i := range 10 * int(sessionReturns.burst) {
			tk := let(t, g, now, alpha)
			if no := tk.Returned(now, own, who); no != nil {
				t.Fatalf("late %v: at time %d: %s", late, i+1, no)
			}
			if before.Excused(now, own, who); !late {
				tk.Excused(now, own, who)
			} else {
				before = tk
			}
			tk.Leave(now, false)
		}
		if own.spent > 1 || g.returners.of[alpha].spent > 1 {
			t.Errorf("late %v: the session has used %g, the address %g", late, own.spent, g.returners.of[alpha].spent)
		}
	}
}

// Sessions of one identity share what is many times one's, whatever addresses they come from.
func TestAnIdentityHasItsShareOfReturns(t *testing.T) {
	g, now := gateOfReturns(), time.Now()
	who := &bulkheadv1.Identity{Kind: bulkheadv1.IdentityKind_IDENTITY_KIND_TOKEN, Name: "alpha"}
	for i := range int(crowdReturns.burst) {
		tk := &Ticket{gate: g, Source: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}
		if no := tk.Returned(now, &Allowance{}, who); no != nil {
			t.Fatalf("at time %d: %s", i+1, no)
		}
	}
	own := &Allowance{}
	tk := &Ticket{gate: g, Source: beta}
	no := tk.Returned(now, own, who)
	const why = "the clients of this identity come back too often; retry after 1s"
	if no == nil || no.String() != why || own.spent > 0 {
		t.Errorf("it is told %v, and has used %g; want %q, and nothing", no, own.spent, why)
	}
	other := &bulkheadv1.Identity{Kind: bulkheadv1.IdentityKind_IDENTITY_KIND_CERTIFICATE, Name: "alpha"}
	for _, is := range []*bulkheadv1.Identity{other, nil} {
		if no := tk.Returned(now, &Allowance{}, is); no != nil {
			t.Errorf("%v: %s", is, no)
		}
	}
}

// An address whose sessions together come back too often is refused at the door, where that costs no
// handler; one of them that is away for a while has its way in, and no other address is concerned.
func TestAnAddressHasItsShareOfReturns(t *testing.T) {
	g, now := gateOfReturns(), time.Now()
	for range int(crowdReturns.burst) {
		if wait := comeBack(t, g, now, &Allowance{}, nil); wait > 0 {
			t.Fatalf("a session waits %s", wait)
		}
	}
	const why = "the clients of this address come back too often; retry after 2s"
	wantRefused(t, g, now, alpha, why)
	let(t, g, now, beta)
	g.Expect(alpha, now)
	wantRefused(t, g, now, alpha, why)
	g.Expect(alpha, now.Add(-retryWaste))
	let(t, g, now, alpha)
	let(t, g, now.Add(time.Second), alpha)
}

// Without a crash delay nobody is kept out for coming back.
func TestNoCrashDelayLetsEverybodyComeBack(t *testing.T) {
	g, own, now := gateOfReturns(), &Allowance{}, time.Now()
	g.cfg.CrashDelay = 0
	for range 2 * int(sessionReturns.burst) {
		if wait := comeBack(t, g, now, own, nil); wait > 0 {
			t.Fatalf("it waits %s", wait)
		}
	}
}
