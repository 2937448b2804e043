package threads

import (
	"math"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// Threads that were made ahead are there, and are used again rather than made anew.
func TestAhead(t *testing.T) {
	const n = 40
	Ahead(n)
	had := Of(os.Getpid())
	if had < n {
		t.Errorf("the process has %d threads; want %d", had, n)
	}
	Ahead(n)
	if has := Of(os.Getpid()); has > had+2 { // the runtime may have made one of its own
		t.Errorf("the process has %d threads; had %d before as many were wanted again", has, had)
	}
}

func TestLimit(t *testing.T) {
	const most = 3
	l := NewLimit(most)
	var now, peak atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			l.Do(func() {
				n := now.Add(1)
				for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
				}
				now.Add(-1)
			})
		})
	}
	all.Wait()
	if p := peak.Load(); p < 1 || p > most {
		t.Errorf("%d were called at the same time; want at most %d", p, most)
	}
	called := false
	(*Limit)(nil).Do(func() { called = true })
	if !called {
		t.Error("a nil Limit does not call")
	}
}

func TestTightest(t *testing.T) {
	b, ok := NewRoom().Tightest()
	if !ok || b.Name == "" || b.Most == 0 || b.Used == 0 || b.Left() > b.Most {
		t.Errorf("got %+v, %t", b, ok)
	}
	n, ok := threadsOf(strconv.Itoa(os.Getuid()))
	if own := Of(os.Getpid()); !ok || own == 0 || n < own {
		t.Errorf("this user has %d threads, %t; this process alone %d", n, ok, own)
	}
	if over := (Bound{Most: 3, Used: 5}).Left(); over != 0 {
		t.Errorf("a limit that was passed leaves %d; want 0", over)
	}
}

// Of a bound of the whole machine a part is for others, on a small machine no more than a quarter.
func TestOthersKeepTheirPart(t *testing.T) {
	for _, tt := range []struct {
		bound        Bound
		others, free uint64
	}{
		{Bound{Most: 32768, Used: 768}, 0, 32000},
		{Bound{Most: 32768, Used: 768, Machine: true}, 2048, 29952},
		{Bound{Most: 4 << 20, Used: 4<<20 - 5, Machine: true}, 256 << 10, 0},
		{Bound{Most: 8192, Used: 7168, Machine: true}, 1024, 0},
		{Bound{Most: 8192, Used: 7167, Machine: true}, 1024, 1},
		{Bound{Most: 400, Used: 100, Machine: true}, 100, 200},
	} {
		if others, free := tt.bound.Others(), tt.bound.Free(); others != tt.others || free != tt.free {
			t.Errorf("of %+v others keep %d, and %d are free; want %d and %d", tt.bound, others, free, tt.others,
				tt.free)
		}
	}
}

// The threads of a user are counted only where they may be near the limit.
func TestUsedOf(t *testing.T) {
	for _, tt := range []struct {
		limit, all, want uint64
		counts           bool
	}{
		{1000, 499, 499, false},
		{1000, 500, 7, true},
		{1000, 5000, 7, true},
		{1000, math.MaxUint64, 7, true}, // the machine does not say
	} {
		counted := false
		got, ok := usedOf(tt.limit, tt.all, func() (uint64, bool) { counted = true; return 7, true })
		if got != tt.want || !ok || counted != tt.counts {
			t.Errorf("usedOf(%d, %d) = %d, %t, counted: %t; want %d, counted: %t", tt.limit, tt.all, got, ok, counted,
				tt.want, tt.counts)
		}
	}
}
