package reserve

import (
	"os"
	"runtime/debug"
	"testing"
)

// With thousands of clients that say little there is a quarter of what is used as garbage, once
// that has been so for a while; with few clients, or many who say much, as much as the runtime
// likes.
func TestGarbageIsLittleWhereThereIsTime(t *testing.T) {
	after := func(percent int, used, collections uint64, looks int) int {
		for range looks {
			percent = garbageFor(percent, used, collections)
		}
		return percent
	}
	for _, tt := range []struct {
		name              string
		from              int
		used, collections uint64
		looks, want       int
	}{
		{"many clients that say little", mostGarbage, 200 << 20, 0, 60, leastGarbage},
		{"a collection now and then changes nothing", leastGarbage, 200 << 20, 1, 10, leastGarbage},
		{"many clients that begin to say much", leastGarbage, 200 << 20, 5, 2, mostGarbage},
		{"they say much all the time", mostGarbage, 200 << 20, 5, 60, mostGarbage},
		{"few clients", leastGarbage, 8 << 20, 0, 1, mostGarbage},
	} {
		if got := after(tt.from, tt.used, tt.collections, tt.looks); got != tt.want {
			t.Errorf("%s: %d; want %d", tt.name, got, tt.want)
		}
	}
}

// Memory is given back where there is time for it, much of it, and not all the time.
func TestMemoryIsGivenBackNowAndThen(t *testing.T) {
	for _, tt := range []struct {
		name    string
		g       *Garbage
		free    uint64
		returns bool
	}{
		{"much is free", &Garbage{percent: leastGarbage, since: looksToReturn}, 30 << 20, true},
		{"little is free", &Garbage{percent: leastGarbage, since: looksToReturn}, 20 << 20, false},
		{"it was just done", &Garbage{percent: leastGarbage, since: looksToReturn - 1}, 30 << 20, false},
		{"clients say much", &Garbage{percent: mostGarbage, since: looksToReturn}, 30 << 20, false},
	} {
		if got := tt.g.returns(200<<20, tt.free); got != tt.returns {
			t.Errorf("%s: %v; want %v", tt.name, got, tt.returns)
		}
	}
}

// Work that is waited for has as much garbage as the runtime likes, from its beginning to its end.
func TestGarbageIsPlentyWhileAReportIsWritten(t *testing.T) {
	if os.Getenv("GOGC") != "" {
		t.Skip("GOGC is set")
	}
	was := debug.SetGCPercent(leastGarbage)
	defer debug.SetGCPercent(was)
	want := func(want int, when string) {
		t.Helper()
		got := debug.SetGCPercent(-1)
		debug.SetGCPercent(got)
		if got != want {
			t.Errorf("%s: %d %%; want %d", when, got, want)
		}
	}
	g := NewGarbage()
	g.percent = leastGarbage
	first, second := g.Plenty(), g.Plenty()
	want(mostGarbage, "as two begin")
	first()
	g.set(60) // a look would make it mostGarbage, as little is in use here
	g.Look()
	want(60, "after a look, while one is at work")
	second()
	g.Look()
	want(mostGarbage, "after a look, when all is done")
}

// An operator's GOGC stays.
func TestGarbageOfAnOperatorStays(t *testing.T) {
	t.Setenv("GOGC", "80")
	if g := NewGarbage(); g != nil {
		t.Errorf("it is %+v", g)
	}
	NewGarbage().Look() // nothing happens
}
