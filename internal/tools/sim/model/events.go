package model

import "time"

// kind is what happens.
type kind uint8

// event is something that happens at a time; a and b say to whom.
type event struct {
	at   time.Duration
	seq  uint64 // of events at the same time, the one that was planned first happens first
	kind kind
	a, b int32
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// agenda is a heap of events in which each has four below it: half as deep as one with two.
type agenda struct {
	heap []event
	seq  uint64
}

func (a *agenda) add(at time.Duration, k kind, to, with int32) {
	a.seq++
	e := event{at, a.seq, k, to, with}
	a.heap = append(a.heap, e)
	i := len(a.heap) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !e.before(&a.heap[up]) {
			break
		}
		a.heap[i] = a.heap[up]
		i = up
	}
	a.heap[i] = e
}

// next removes the earliest event.
func (a *agenda) next() event {
	first := a.heap[0]
	n := len(a.heap) - 1
	e := a.heap[n]
	a.heap = a.heap[:n]
	i := 0
	for {
		least := -1
		for c := 4*i + 1; c < min(4*i+5, n); c++ {
			if least < 0 || a.heap[c].before(&a.heap[least]) {
				least = c
			}
		}
		if least < 0 || !a.heap[least].before(&e) {
			break
		}
		a.heap[i] = a.heap[least]
		i = least
	}
	if n > 0 {
		a.heap[i] = e
	}
	return first
}
