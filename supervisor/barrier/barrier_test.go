package barrier_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"bulkhead/supervisor/barrier"
	"bulkhead/supervisor/gather"
)

// model says, without the code under test, what is known of a client.
type model struct {
	there, out   bool
	ready, begun uint32
}

func (m model) waited(n uint32) bool { return !m.out && m.begun < n }
func (m model) isReady(n uint32) bool {
	return m.waited(n) && m.there && m.ready >= n
}

// step is something that happens in a run with two stages that wait: of client who, or that the time of
// a stage is over.
type step struct {
	who  int
	what int
}

const steps = 7 // of a client

// do lets a step happen, to the set and to the model. Two stages wait: x, the second, and y, the third.
func do(s *barrier.Set, of []model, h step) (over string) {
	session := uint32(h.who + 1)
	m := &of[h.who]
	switch h.what {
	case 0:
		s.Take(barrier.Came, session)
		m.there = true
	case 1:
		s.Take(barrier.Went, session)
		m.there = false
	case 2:
		s.Take(barrier.Out, session)
		m.out = true
	case 3:
		s.Ready(session, 2)
		m.ready = max(m.ready, 2)
	case 4:
		s.Ready(session, 3)
		m.ready = max(m.ready, 3)
	case 5:
		s.Begun(session, 2)
		m.begun = max(m.begun, 2)
	case 6:
		s.Begun(session, 3)
		m.begun = max(m.begun, 3)
	case 7:
		s.TimeOver("x")
		return "x"
	case 8:
		s.TimeOver("y")
		return "y"
	}
	return ""
}

// check lets steps happen to so many clients, and compares what is decided after each with this: a stage
// begins once, as soon as one is ready and all that are waited for are, or else when the time is
// over.
func check(t *testing.T, clients int, list []step, seen map[string]int) {
	t.Helper()
	s := barrier.New()
	of := make([]model, clients)
	for i := range of {
		s.Join(uint32(i+1), fmt.Sprint(i), []barrier.Stage{{Number: 2, Name: "x"}, {Number: 3, Name: "y"}})
	}
	decided := map[string]bool{}
	for i, h := range list {
		over := do(s, of, h)
		var want []barrier.Decision
		for n, name := range []string{"x", "y"} {
			number := uint32(n + 2)
			ready, waited := 0, 0
			for _, m := range of {
				if m.waited(number) {
					waited++
				}
				if m.isReady(number) {
					ready++
				}
			}
			if r, w := s.Counts(name); r != ready || w != waited {
				t.Fatalf("%v, step %d: stage %s has %d of %d; want %d of %d", list, i, name, r, w, ready, waited)
			}
			if who, missing := s.Clients(name); len(who) != ready || len(who)+len(missing) != waited {
				t.Fatalf("%v, step %d: stage %s has %v ready and %v missing; want %d of %d", list, i, name, who,
					missing, ready, waited)
			}
			switch {
			case decided[name]:
			case over == name:
				want, decided[name] = append(want, barrier.Decision{Stage: name, Short: true}), true
				seen["short"]++
			case ready > 0 && ready == waited:
				want, decided[name] = append(want, barrier.Decision{Stage: name}), true
				seen["complete"]++
			}
		}
		if got := s.Decisions(); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("%v, step %d: decided %v; want %v", list, i, got, want)
		}
	}
}

// TestEveryShortLife goes through all that can happen to one client and to two in a few steps.
func TestEveryShortLife(t *testing.T) {
	seen := map[string]int{}
	for clients, length := range map[int]int{1: 5, 2: 4} {
		var all []step
		for who := range clients {
			for what := range steps {
				all = append(all, step{who, what})
			}
		}
		all = append(all, step{0, 7}, step{0, 8})
		list := make([]step, 0, length)
		var grow func()
		grow = func() {
			if len(list) == length {
				check(t, clients, list, seen)
				return
			}
			for _, h := range all {
				list = append(list, h)
				grow()
				list = list[:len(list)-1]
			}
		}
		grow()
	}
	if seen["short"] < 1000 || seen["complete"] < 1000 {
		t.Errorf("decisions that came: %v; want many of each", seen)
	}
}

// TestInterleavings lets a few clients live long lives that are drawn.
func TestInterleavings(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(10_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		clients := 1 + r.IntN(6)
		var list []step
		for i := range clients { // as a rule they are connected
			list = append(list, step{i, 0})
		}
		for range 40 {
			what := r.IntN(steps)
			switch r.IntN(60) {
			case 0:
				what = 7
			case 1:
				what = 8
			default:
				if what == 2 && r.IntN(4) > 0 {
					what = 3
				}
			}
			list = append(list, step{r.IntN(clients), what})
		}
		check(t, clients, list, seen)
	}
	if seen["short"] < 1000 || seen["complete"] < 1000 {
		t.Errorf("decisions that came: %v; want many of each", seen)
	}
}

func TestWhoIsMissing(t *testing.T) {
	s := barrier.New()
	stages := []barrier.Stage{{Number: 2, Name: "peak"}}
	for session, name := range []string{1: "ready", 2: "behind", 3: "gone", 4: "cut off", 5: "out", 6: "ahead"} {
		if session == 0 {
			continue
		}
		s.Join(uint32(session), name, stages)
		s.Take(barrier.Came, uint32(session))
	}
	s.Ready(1, 2)
	s.Ready(3, 2)
	s.Take(barrier.Went, 3)
	s.Take(barrier.Went, 4)
	s.Take(barrier.Out, 5)
	s.Begun(6, 2)
	ready, missing := s.Clients("peak")
	want := []gather.Client{{Session: 2, Name: "behind", State: gather.NotReady},
		{Session: 4, Name: "cut off", State: gather.NotConnected}, {Session: 3, Name: "gone", State: gather.Gone}}
	if !reflect.DeepEqual(ready, []uint32{1}) || !reflect.DeepEqual(missing, want) {
		t.Errorf("ready %v, missing %+v; want [1] and %+v", ready, missing, want)
	}
}

// Loads of different clients may have the stage at different places, or not at all.
func TestStagesGoByTheirNames(t *testing.T) {
	s := barrier.New()
	s.Join(1, "a", []barrier.Stage{{Number: 2, Name: "peak"}})
	s.Join(2, "b", []barrier.Stage{{Number: 3, Name: "peak"}})
	s.Join(3, "c", nil)
	for session := range uint32(3) {
		s.Take(barrier.Came, session+1)
	}
	s.Ready(2, 3)
	if d := s.Decisions(); d != nil {
		t.Fatalf("decided %v before both were ready", d)
	}
	s.Ready(1, 2)
	if d := s.Decisions(); !reflect.DeepEqual(d, []barrier.Decision{{Stage: "peak"}}) {
		t.Fatalf("decided %v", d)
	}
}
