package model

import (
	"fmt"
	"time"
)

// Crowd is a row of what one supervisor did with a journal in a file, on a quiet machine with two
// processors that its clients shared: docs/benchmarks.md, goals and (f). Clients came sixteen at a time,
// and were silent until all were there; then each said something every two seconds.
type Crowd struct {
	From, To  int
	PerSecond float64       // new clients, from so many connected to so many
	P50       time.Duration // of an acknowledgement
}

// Crowds returns the rows that the costs of a client are checked with.
func Crowds() []Crowd {
	return []Crowd{{0, 500, 229, 1300 * us}, {500, 2000, 144, 1250 * us}, {2000, 4000, 92, 1200 * us}}
}

// Simulate returns what the model makes of it.
func (c Crowd) Simulate(seed uint64) (Crowd, error) {
	p := Default()
	p.Lab()
	p.File, p.Supervisors, p.Abreast, p.Pool = true, 1, 16, 16
	p.ClientConnect, p.ClientBatch, p.Hop = ms, 230*us, 60*us // a hop wakes somebody on the same machine
	const never = 1000 * time.Hour
	p.Progress, p.Monitor, p.Heartbeat = never, never, never
	came := func(n int) (time.Duration, error) {
		if n == 0 {
			return 0, nil
		}
		p.Clients = n
		r, err := Run(p, Nothing, time.Second, seed)
		return r.Arrival, err
	}
	from, err := came(c.From)
	if err != nil {
		return Crowd{}, err
	}
	to, err := came(c.To)
	if err != nil {
		return Crowd{}, err
	}
	p.Progress = 2 * time.Second
	r, err := Run(p, Nothing, 10*time.Second, seed)
	if err != nil {
		return Crowd{}, fmt.Errorf("%d clients: %w", c.To, err)
	}
	return Crowd{c.From, c.To, float64(c.To-c.From) / (to - from).Seconds(), r.AckP50}, nil
}
