package model

import "time"

// cores are the processors of a machine. Work is done in the order in which it comes; what takes long
// comes in slices, so that what takes little is not kept waiting by it.
type cores struct {
	free []time.Duration // when each is free
	used time.Duration
}

func newCores(n int) *cores { return &cores{free: make([]time.Duration, n)} }

// take does some work and returns when it is done.
func (c *cores) take(now, work time.Duration) time.Duration {
	first := 0
	for i, f := range c.free {
		if f < c.free[first] {
			first = i
		}
	}
	done := max(now, c.free[first]) + work
	c.free[first] = done
	c.used += work
	return done
}

// wire is one direction of a network interface.
type wire struct {
	free  time.Duration
	used  time.Duration
	speed float64 // bytes a nanosecond
}

// take sends bytes and returns when the last has left.
func (w *wire) take(now time.Duration, bytes int) time.Duration {
	long := time.Duration(float64(bytes) / w.speed)
	w.free = max(now, w.free) + long
	w.used += long
	return w.free
}

// disk makes writes durable: what waits when it begins to sync is synced together.
type disk struct {
	number  int32
	sync    time.Duration // for each of the processes that wait
	speed   float64       // bytes a nanosecond
	slow    float64       // how many times as long everything takes
	busy    bool
	waiting []write
	under   []write       // what is being synced
	used    time.Duration // by what is written: however much waits, it is synced in the time of one
}

// write is what is to be durable; then the event happens.
type write struct {
	owner int32 // whose file it is
	bytes int
	then  kind
	a, b  int32
}

// put has something written. The caller's world plans the end of each sync.
func (d *disk) put(w *world, x write) {
	d.waiting = append(d.waiting, x)
	if !d.busy {
		d.begin(w)
	}
}

// begin starts to sync all that waits.
func (d *disk) begin(w *world) {
	d.waiting, d.under = d.under[:0], d.waiting
	d.busy = true
	bytes := 0
	var owners uint64
	for _, x := range d.under {
		bytes += x.bytes
		owners |= 1 << (x.owner % 64)
	}
	long := time.Duration(0)
	for ; owners > 0; owners &= owners - 1 {
		long += d.sync
	}
	if w.SlowEvery > 0 && w.random.IntN(w.SlowEvery) == 0 {
		long += w.SlowSync
	}
	transfer := time.Duration(d.slow * float64(bytes) / d.speed)
	d.used += transfer
	long = time.Duration(d.slow*float64(long)) + transfer
	w.plan(w.now+long, diskSynced, d.number, 0)
}

// synced ends a sync.
func (d *disk) synced(w *world) {
	d.busy = false
	for _, x := range d.under {
		w.plan(w.now, x.then, x.a, x.b)
	}
	if len(d.waiting) > 0 {
		d.begin(w)
	}
}
