package route

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func targets(addresses ...string) (all []Target) {
	for _, a := range addresses {
		all = append(all, Target{Address: a, Dial: a, Prove: a})
	}
	return all
}

func dials(list []Target) (out []string) {
	for _, t := range list {
		out = append(out, t.Dial)
	}
	return out
}

// Clients spread over the addresses, those of a lost one over the rest, and no other moves.
func TestClientsSpread(t *testing.T) {
	const clients = 6000
	dice := rand.New(rand.NewPCG(1, 2))
	three := targets("a:7420", "b:7420", "c:7420")
	first, second := make(map[string]int), make(map[string]int)
	for range clients {
		seed := make([]byte, 16)
		for i := range seed {
			seed[i] = byte(dice.Uint32())
		}
		r := New(seed, "")
		r.Begin(time.Time{}, three)
		all := dials(r.Left())
		first[all[0]]++
		r = New(seed, "")
		r.Begin(time.Time{}, three[1:])
		rest := dials(r.Left())
		want := slices.DeleteFunc(slices.Clone(all), func(d string) bool { return d == "a:7420" })
		if !slices.Equal(rest, want) {
			t.Fatalf("without a: %v; want %v", rest, want)
		}
		if all[0] == "a:7420" {
			second[rest[0]]++
		}
	}
	for _, at := range three {
		if n := first[at.Dial]; n < clients/3*9/10 || n > clients/3*11/10 {
			t.Errorf("%d of %d clients begin with %s", n, clients, at)
		}
	}
	if b, c := second["b:7420"], second["c:7420"]; b < (b+c)*4/10 || c < (b+c)*4/10 {
		t.Errorf("of those at a, %d go on to b and %d to c", b, c)
	}
}

// inOrder returns a seed by which targets come in the order that they have.
func inOrder(t *testing.T, all []Target) []byte {
	t.Helper()
	for n := range 10_000 {
		seed := fmt.Append(nil, n)
		r := New(seed, "")
		if r.Begin(time.Time{}, all); slices.Equal(dials(r.Left()), dials(all)) {
			return seed
		}
	}
	t.Fatal("no seed has this order")
	return nil
}

func TestWhatIsNext(t *testing.T) {
	now := time.Unix(1000, 0)
	all := targets("a:1", "b:1", "c:1")
	a, b, c := all[0], all[1], all[2]
	for _, tt := range []struct {
		name string
		do   func(r *Route)
		want string
	}{
		{"at first", func(*Route) {}, "[a:1 b:1 c:1]"},
		{"where it was, after a cut", func(r *Route) { r.Welcomed(b); r.Ended(now, b, Cut, 0) }, "[b:1 a:1 c:1]"},
		{"others first, where it was sent away", func(r *Route) { r.Welcomed(a); r.Ended(now, a, Away, 0) },
			"[b:1 c:1 a:1]"},
		{"where it was sent", func(r *Route) { r.Welcomed(a); r.Ended(now, a, Away, 0); r.Sent([]string{"c:1"}) },
			"[c:1 b:1 a:1]"},
		{"where it was sent, and then it was cut there", func(r *Route) {
			r.Ended(now, a, Away, 0)
			r.Sent([]string{"c:1"})
			r.Welcomed(c)
			r.Ended(now, c, Cut, 0)
		}, "[c:1 a:1 b:1]"},
		{"not who asked for more time", func(r *Route) { r.Ended(now, a, Failed, time.Minute); again(r, now, b, c) },
			"[b:1 c:1]"},
		{"who asked for time that has passed", func(r *Route) {
			r.Ended(now.Add(-time.Minute), a, Failed, time.Second)
			again(r, now, b, c)
		}, "[a:1 b:1 c:1]"},
		{"all, if all asked for more time", func(r *Route) {
			for _, one := range all {
				r.Ended(now, one, Failed, time.Minute)
			}
		}, "[a:1 b:1 c:1]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := New(inOrder(t, all), "")
			r.Begin(now, all)
			tt.do(r)
			r.Begin(now, all)
			if got := fmt.Sprint(dials(r.Left())); got != tt.want {
				t.Errorf("%s; want %s", got, tt.want)
			}
		})
	}
	r := New(inOrder(t, all), "c:1")
	if r.Begin(now, all); r.Left()[0].Dial != "c:1" {
		t.Errorf("it begins with %v; want what it was told", r.Left()[0])
	}
	if r.Welcomed(a); !r.Ended(now, a, Away, 0) {
		t.Error("nothing is left after it was sent away from one of three")
	}
	spare := targets("a:1", "b:1")
	spare[0].Spare = true
	r = New(inOrder(t, targets("a:1", "b:1")), "")
	if r.Begin(now, spare); r.Left()[0].Dial != "b:1" {
		t.Error("a spare one comes first")
	}
}

func again(r *Route, now time.Time, failed ...Target) {
	for _, one := range failed {
		r.Ended(now, one, Failed, 0)
	}
}

// How long a round waits is how long the one that asked for least does, and not at all if one did
// not ask.
func TestHowLongARoundWaits(t *testing.T) {
	now := time.Unix(1000, 0)
	all := targets("a:1", "b:1")
	for _, tt := range []struct{ a, b, want time.Duration }{
		{0, 0, 0}, {time.Second, 0, 0}, {2 * time.Second, time.Second, time.Second},
	} {
		r := New([]byte("x"), "")
		r.Begin(now, all)
		r.Ended(now, all[0], Failed, tt.a)
		r.Ended(now, all[1], Failed, tt.b)
		if got := r.Wait(now); got != tt.want {
			t.Errorf("after %v and %v it waits %v; want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

// Whatever happens in whatever order: a round tries each target at most once, and every one that did
// not ask for more time; it says that there is more exactly while there is; and it comes to an end.
func TestAnyCourse(t *testing.T) {
	for seed := range uint64(2000) {
		dice := rand.New(rand.NewPCG(seed, 1))
		var all []Target
		for i := range 1 + dice.IntN(5) {
			all = append(all, targets(fmt.Sprintf("h%d:1", i))...)
		}
		now := time.Unix(1000, 0)
		r := New(fmt.Append(nil, seed), "")
		for range 20 {
			r.Begin(now, all)
			tried := make(map[string]bool)
			rounds := len(r.Left())
			if rounds == 0 {
				t.Fatalf("seed %d: a round without targets", seed)
			}
			for len(r.Left()) > 0 {
				at := r.Left()[dice.IntN(min(2, len(r.Left())))]
				if tried[at.Dial] {
					t.Fatalf("seed %d: %s twice in a round", seed, at)
				}
				tried[at.Dial] = true
				after := time.Duration(dice.IntN(3)) * time.Second
				how := End(dice.IntN(4))
				if how == Cut || how == Away {
					r.Welcomed(at)
				}
				more := r.Ended(now, at, how, after)
				now = now.Add(time.Duration(dice.IntN(1000)) * time.Millisecond)
				if r.Wait(now) < 0 {
					t.Fatalf("seed %d: a negative wait", seed)
				}
				if how == Cut || how == Away {
					if len(r.Left()) > 0 || more != (how == Away && len(all) > 1) {
						t.Fatalf("seed %d: after %d %d are left, more is %v", seed, how, len(r.Left()), more)
					}
					break
				}
				if more != (len(r.Left()) > 0) {
					t.Fatalf("seed %d: more is %v with %d left", seed, more, len(r.Left()))
				}
			}
			if len(tried) > rounds {
				t.Fatalf("seed %d: %d tries in a round of %d", seed, len(tried), rounds)
			}
		}
	}
}
