package faults_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// deed is one thing that chaos does.
type deed struct {
	// at is when, from the beginning.
	at   time.Duration
	kind *deedKind
	// who is the number of a client, scripted or real as the kind says; nothing to the
	// supervisor's deeds.
	who int
	// lasting is how long it lasts, if it has an end.
	lasting time.Duration
}

// String returns the deed as the schedule shows it.
func (d deed) String() string {
	s := fmt.Sprintf("%8s  %s", d.at.Round(time.Millisecond), d.kind.what)
	if d.kind.to != theSupervisor {
		s += fmt.Sprintf(" of %s", clientName(d.kind.to, d.who))
	}
	if d.lasting > 0 {
		s += fmt.Sprintf(" for %s", d.lasting)
	}
	return s
}

// whom a kind of deed is done to.
type whom int

const (
	aScripted whom = iota
	aReal
	theSupervisor
)

// How many clients chaos has of each.
const (
	chaosScripted = 36
	chaosReal     = 4
)

func clientName(to whom, who int) string {
	if to == aReal {
		return fmt.Sprintf("real-%d", who)
	}
	return fmt.Sprintf("scripted-%d", who)
}

// deedKind is a kind of deed.
type deedKind struct {
	what   string
	to     whom
	weight int // how likely it is among all
	lasts  bool
	// do does it to client who, and returns what ends it; nil if it could not be done.
	do func(c *chaos, who int) (undo func())
}

// schedule returns what chaos does with a seed in a time. It depends on nothing else.
func schedule(seed uint64, length time.Duration) []deed {
	random := rand.New(rand.NewPCG(seed, 0))
	total := 0
	for _, k := range deedKinds {
		total += k.weight
	}
	var out []deed
	for at := time.Duration(0); ; {
		at += time.Duration(50+random.IntN(300)) * time.Millisecond
		if at >= length {
			return out
		}
		d := deed{at: at}
		for pick := random.IntN(total); pick >= 0; pick -= d.kind.weight {
			d.kind = nextKind(d.kind)
		}
		d.who = random.IntN([]int{aScripted: chaosScripted, aReal: chaosReal, theSupervisor: 1}[d.kind.to])
		if d.kind.lasts {
			d.lasting = time.Duration(100+random.IntN(1900)) * time.Millisecond
		}
		out = append(out, d)
	}
}

// nextKind returns the kind behind k, the first for nil.
func nextKind(k *deedKind) *deedKind {
	return deedKinds[slices.Index(deedKinds, k)+1]
}

// A seed says everything: two schedules of it are the same, those of another differ,
// and a longer one begins like a shorter.
func TestScheduleDependsOnTheSeedAlone(t *testing.T) {
	text := func(seed uint64, length time.Duration) string { return fmt.Sprintln(schedule(seed, length)) }
	if first := text(7, time.Minute); first != text(7, time.Minute) {
		t.Error("two schedules of one seed differ")
	}
	if text(7, time.Minute) == text(8, time.Minute) {
		t.Error("two seeds have the same schedule")
	}
	short, long := schedule(7, 10*time.Second), schedule(7, time.Minute)
	if fmt.Sprintln(short) != fmt.Sprintln(long[:len(short)]) {
		t.Error("a longer schedule begins otherwise")
	}
	done := make(map[*deedKind]bool)
	for _, d := range schedule(7, 10*time.Minute) {
		done[d.kind] = true
	}
	if len(done) != len(deedKinds) {
		t.Errorf("ten minutes have %d of %d kinds of deeds", len(done), len(deedKinds))
	}
}
