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

const (
	// slot is the time of a part of the agenda, and slots is how many there are.
	slot  = 2 * time.Millisecond
	slots = 1 << 14
)

// agenda is what is planned. What is next is in a heap in which each event has four below it; what is
// later is in slots by its time, so that the heap stays small.
type agenda struct {
	heap  []event
	now   int64 // the slot that the heap has, with all before it
	slots [slots][]event
	far   []event // behind all slots
	size  int
	seq   uint64
}

func (a *agenda) add(at time.Duration, k kind, to, with int32) {
	a.seq++
	a.size++
	a.place(event{at, a.seq, k, to, with})
}

func (a *agenda) place(e event) {
	switch in := int64(e.at / slot); {
	case in <= a.now:
		a.push(e)
	case in < a.now+slots:
		a.slots[in%slots] = append(a.slots[in%slots], e)
	default:
		a.far = append(a.far, e)
	}
}

// advance fills the heap from the next slot.
func (a *agenda) advance() {
	a.now++
	at := &a.slots[a.now%slots]
	for _, e := range *at {
		a.push(e)
	}
	*at = (*at)[:0]
	if a.now%slots == 0 {
		far := a.far
		a.far = nil
		for _, e := range far {
			a.place(e)
		}
	}
}

func (a *agenda) push(e event) {
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

// next removes the earliest event; there must be one.
func (a *agenda) next() event {
	for len(a.heap) == 0 {
		a.advance()
	}
	a.size--
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
