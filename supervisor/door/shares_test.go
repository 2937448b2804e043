package door

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
)

// An address whose connections begin and never say Hello – not even silent ones, that make room –
// leaves places to others, whatever chance says: to one, and to many that do the same.
func TestOneAddressDoesNotTakeAllPlaces(t *testing.T) {
	const full = 256
	g := NewGate(config.Overload{Startups: value.Startups{Start: 64, Rate: 30, Full: full}}, always(0))
	now := time.Now()
	source := func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", i)) }
	flood := func(from netip.Addr) (taken int) {
		for range 4 * full {
			tk, no := g.Enter(now, from)
			if no != nil {
				continue
			}
			if tk.MustSpeak() {
				if tk.Unmuted(); tk.Crowds() { // it has spoken
					tk.Leave(now, false)
					continue
				}
			}
			taken++
		}
		return taken
	}
	all := 0
	for i := range 4 {
		all += flood(source(i))
		honest, no := g.Enter(now, beta)
		if no != nil {
			t.Fatalf("with %d connections of %d addresses, one of another is refused: %s", all, i+1, no)
		}
		if honest.MustSpeak() {
			if honest.Unmuted(); honest.Crowds() {
				t.Errorf("with %d connections of %d addresses, one of another gets no handler", all, i+1)
			}
		}
		honest.Leave(now, false)
	}
	if all >= full || all < 64 {
		t.Errorf("%d connections took places; there are %d", all, full)
	}
}

// Connections of sessions that bring nothing are counted for their address. It is kept out then, and
// so are its sessions that have just gone; one that is away for longer has its way in.
func TestAddressesThatComeForNothingAreKeptOut(t *testing.T) {
	g := NewGate(config.Overload{Startups: value.Startups{Start: 64, Rate: 30, Full: 256}, CrashDelay: time.Second},
		always(99))
	now := time.Now()
	for range int(idle.burst) {
		tk := let(t, g, now, alpha)
		tk.Greeted()
		tk.Idled(now)
		tk.Leave(now, false)
	}
	const why = "connections from this address came again and again, and brought nothing; retry after 2s"
	wantRefused(t, g, now, alpha, why)
	g.Expect(alpha, now)
	wantRefused(t, g, now.Add(time.Millisecond), alpha, why)
	let(t, g, now, beta)
	if away := now.Add(retryWaste); let(t, g, away, alpha) == nil {
		t.Error("the address is kept out for good")
	}
	g.ExpectNot(alpha, now)
	for range int(idle.burst) { // as before, of an address whose session is away all that time
		tk := let(t, g, now.Add(time.Hour), alpha)
		tk.Idled(now.Add(time.Hour))
		tk.Leave(now, false)
	}
	g.Expect(alpha, now.Add(time.Hour-retryWaste))
	let(t, g, now.Add(time.Hour), alpha)
}
