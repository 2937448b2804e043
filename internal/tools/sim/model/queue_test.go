package model

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestTheAgendaIsInOrder checks that events happen in the order of their times, and those of the same time
// in the order in which they were planned.
func TestTheAgendaIsInOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var a agenda
	now := time.Duration(0)
	var last event
	for i := range 100_000 {
		if a.size == 0 || random.IntN(5) > 1 && i < 60_000 {
			a.add(now+time.Duration(random.IntN(50))<<random.IntN(36), 0, int32(i), 0)
			continue
		}
		e := a.next()
		if e.before(&last) {
			t.Fatalf("%+v happens after %+v", e, last)
		}
		last, now = e, e.at
	}
}

// near checks a figure with the one that theory has, within a part of it.
func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within*want {
		t.Errorf("%s: %.4g; want %.4g within %.0f %%", what, got, want, 100*within)
	}
}

// waits returns how long work that comes by chance waits for one of some cores on average, and how busy
// they were.
func waits(n int, each, apart time.Duration, work func(*rand.Rand) float64) (mean, busy float64) {
	random := rand.New(rand.NewPCG(3, 4))
	c := newCores(n)
	now, sum := time.Duration(0), time.Duration(0)
	const jobs = 400_000
	for range jobs {
		now += time.Duration(random.ExpFloat64() * float64(apart))
		took := time.Duration(work(random) * float64(each))
		sum += c.take(now, took) - now - took
	}
	return float64(sum) / jobs, float64(c.used) / float64(now) / float64(n)
}

// TestCoresAreQueues checks cores with the closed forms of queues.
func TestCoresAreQueues(t *testing.T) {
	exponential := (*rand.Rand).ExpFloat64
	constant := func(*rand.Rand) float64 { return 1 }
	const each = ms
	for _, load := range []float64{0.3, 0.5, 0.8} {
		apart := time.Duration(float64(each) / load)
		mean, busy := waits(1, each, apart, exponential)
		near(t, "M/M/1 wait", mean, load/(1-load)*float64(each), 0.05)
		near(t, "M/M/1 use", busy, load, 0.02)
		mean, _ = waits(1, each, apart, constant)
		near(t, "M/D/1 wait", mean, load/(1-load)/2*float64(each), 0.05)
		mean, busy = waits(4, each, apart/4, exponential)
		near(t, "M/M/4 wait", mean, erlangC(4, load)/(4*(1-load))*float64(each), 0.08)
		near(t, "M/M/4 use", busy, load, 0.02)
		_, busy = waits(4, each, apart/4, constant)
		near(t, "M/D/4 use", busy, load, 0.02)
	}
}

// erlangC returns the probability that one who comes waits for one of c servers.
func erlangC(c int, load float64) float64 {
	a := load * float64(c)
	sum, term := 0.0, 1.0
	for k := range c {
		if k > 0 {
			term *= a / float64(k)
		}
		sum += term
	}
	top := term * a / float64(c) / (1 - load)
	return top / (sum + top)
}

// TestLittlesLaw checks that sessions that append all the time are as many as appends a second times how
// long one takes, for a file and for an engine.
func TestLittlesLaw(t *testing.T) {
	for _, file := range []bool{false, true} {
		for _, sessions := range []int{1, 16, 200} {
			p := Default()
			p.Lab()
			p.File, p.Supervisors = file, 1
			got := Appends(p, sessions, 1<<10, 1)
			near(t, "sessions", got.PerSecond*got.Mean.Seconds(), float64(sessions), 0.02)
		}
	}
}

// TestADiskSyncsWhatWaitsTogether checks that a file's appends share syncs: as many as there are wait
// for the end of the one that is going on, and for their own.
func TestADiskSyncsWhatWaitsTogether(t *testing.T) {
	p := Default()
	p.File, p.Supervisors, p.DiskMB, p.SlowEvery = true, 1, 1e9, 0
	alone := Appends(p, 1, 1<<10, 1)
	near(t, "one", alone.PerSecond, 1/p.Sync.Seconds(), 0.01)
	many := Appends(p, 100, 1<<10, 1)
	near(t, "a hundred", many.PerSecond, 100/(2*p.Sync.Seconds()), 0.01)
}

// TestNothingIsUsedTwice checks that no more is used than there is, on one core.
func TestNothingIsUsedTwice(t *testing.T) {
	p := Default()
	p.Clients, p.Supervisors, p.HostCores = 200, 1, 1
	p.Shards = 1
	r, err := Run(p, Nothing, 5*time.Second, 1)
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(r.Uses, func(u Use) bool { return u.Part < 0 || u.Part > 1.01 }); i >= 0 {
		t.Errorf("%+v: no more can be used than there is", r.Uses[i])
	}
}
