package members

import (
	"fmt"
	"slices"
	"testing"
)

// beats has a supervisor hear itself so many times.
func beats(m *Members, n int) (changed bool) {
	for range n {
		changed = m.Hear(Beat{Supervisor: m.self}) || changed
	}
	return changed
}

func TestWhoIsSilentIsGone(t *testing.T) {
	m := New(1)
	if !m.Hear(Beat{Supervisor: 2, Open: 3}) || m.Hear(Beat{Supervisor: 2, Open: 4}) ||
		!m.Hear(Beat{Supervisor: 3, Open: 5}) {
		t.Error("it is no change that one comes, or it is one that it is heard again")
	}
	if m.Open() != 9 || !slices.Equal(m.Others(), []uint32{2, 3}) {
		t.Errorf("%v have %d sessions", m.Others(), m.Open())
	}
	if beats(m, Silent-1) {
		t.Error("one is gone too early")
	}
	m.Hear(Beat{Supervisor: 3, Open: 1})
	if !beats(m, 1) || !slices.Equal(m.Others(), []uint32{3}) || m.Open() != 1 {
		t.Errorf("%v are there, with %d sessions", m.Others(), m.Open())
	}
	if !m.Hear(Beat{Supervisor: 3, Leaving: true}) || m.Hear(Beat{Supervisor: 3, Leaving: true}) ||
		len(m.Others()) != 0 {
		t.Errorf("%v are there", m.Others())
	}
}

// A session has exactly one who takes it, of those who see the same; nobody takes it from one at work.
func TestOneTakesASession(t *testing.T) {
	const all = 5
	members := make([]*Members, all+1)
	for i := 1; i <= all; i++ {
		members[i] = New(uint32(i))
		for j := 1; j <= all; j++ {
			members[i].Hear(Beat{Supervisor: uint32(j)})
		}
	}
	if members[1].Takes([]byte("early"), 9) {
		t.Error("one takes a session before it can know who is there")
	}
	takes := make(map[int]int)
	for range Silent {
		for i := 1; i <= all; i++ {
			for j := 1; j <= all; j++ {
				members[i].Hear(Beat{Supervisor: uint32(j)})
			}
		}
	}
	for c := range 1000 {
		client := fmt.Appendf(nil, "client-%d", c)
		var who []int
		for i := 1; i <= all; i++ {
			if members[i].Takes(client, 9) {
				who = append(who, i)
			}
			if members[i].Takes(client, uint32(c%all+1)) {
				t.Fatalf("supervisor %d takes a session of %d, which is at work", i, c%all+1)
			}
		}
		if len(who) != 1 {
			t.Fatalf("%v take the session of client %d", who, c)
		}
		takes[who[0]]++
	}
	for i := 1; i <= all; i++ {
		if n := takes[i]; n < 100 || n > 300 {
			t.Errorf("supervisor %d takes %d of 1000 sessions", i, n)
		}
	}
}
