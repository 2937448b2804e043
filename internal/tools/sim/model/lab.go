package model

import (
	"time"

	"bulkhead/internal/latency"
)

// Rate is what appends come to.
type Rate struct {
	PerSecond float64
	Mean      time.Duration
	P50, P99  time.Duration
}

// Appends returns how many appends of so many bytes a number of sessions get durable, each of which
// begins the next one when it has the answer, as they were measured on the engine alone.
func Appends(p Params, sessions, bytes int, seed uint64) Rate {
	const warm, measured = time.Second, 4 * time.Second
	p.Clients, p.InFlight = sessions, max(p.InFlight, sessions)
	w := newWorld(p, seed)
	w.agenda = agenda{} // nobody dials
	var took latency.Histogram
	began := make([]time.Duration, sessions)
	begin := func(i int32) {
		began[i] = w.now
		c := &w.clients[i]
		number := w.newCall(call{what: appends, client: i, host: c.host, first: c.durable,
			last: c.durable + 1, bytes: bytes})
		if p.File {
			w.file(number)
		} else {
			w.request(number)
		}
	}
	w.finished = func(number int32) {
		i := w.calls[number].client
		w.free(number)
		if w.now >= warm {
			took.Add(w.now-began[i], 1)
		}
		begin(i)
	}
	for i := range w.clients {
		c := &w.clients[i]
		c.host = int32(i % len(w.hosts))
		c.owner, c.shard = c.host, int32(i%max(1, len(w.shards)))
		begin(int32(i))
	}
	w.run(warm + measured)
	return Rate{float64(took.Count()) / measured.Seconds(), took.Mean(), took.Quantile(0.5), took.Quantile(0.99)}
}

// Measurement is a row of what three engine nodes did that shared a machine with two processors and one
// disk.
type Measurement struct {
	Bytes, Sessions int
	PerSecond       float64
}

// Measured returns the rows that the engine's parameters are fitted to.
func Measured() []Measurement {
	return []Measurement{
		{8 << 10, 1, 577}, {8 << 10, 8, 1682}, {8 << 10, 64, 5188}, {8 << 10, 512, 7070},
		{1 << 10, 64, 9251}, {1 << 10, 512, 17422},
		{64 << 10, 8, 682}, {64 << 10, 64, 809},
	}
}

// Simulate returns what the model makes of it.
func (m Measurement) Simulate(seed uint64) Rate {
	p := Default()
	p.Lab()
	return Appends(p, m.Sessions, m.Bytes, seed)
}
