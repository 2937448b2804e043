package fold

import (
	"math/bits"

	"bulkhead/supervisor/report"
)

// maxRests is how often what was delivered later of a client may have been lost again.
const maxRests = 64

// heads returns for each session of a report which is the first of the same client: itself, unless it
// is the rest of another.
func heads(clients []report.Client) []int {
	at := make(map[uint32]int, len(clients))
	for i := range clients {
		at[clients[i].Session] = i
	}
	list := make([]int, len(clients))
	for i := range clients {
		head := i
		for range maxRests {
			of, is := at[clients[head].Continues]
			if !is {
				break
			}
			head = of
		}
		list[i] = head
	}
	return list
}

// presence is how one client was in one stage, by all of its sessions.
type presence struct{ has, begun, passed bool }

// attendStages counts how many clients began the stages that they have, finished and never reached
// them. What was delivered of a client later is no further client.
func (f *Folder) attendStages(clients []report.Client, sums []inStage, running bool) {
	rests := make(map[int][]int) // of those that have any, with the first
	head := heads(clients)
	for i, of := range head {
		if of != i {
			if rests[of] == nil {
				rests[of] = []int{of}
			}
			rests[of] = append(rests[of], i)
		}
	}
	in := make([]presence, len(sums))
	for i := range clients {
		parts := rests[i]
		switch {
		case head[i] != i:
			continue
		case parts == nil:
			parts = []int{i}
		}
		whole, stopped, open := false, false, false
		for _, k := range parts {
			c := &clients[k]
			whole, stopped = whole || c.Load == report.LoadWhole, stopped || c.StopReason != ""
			open = open || running && c.Outcome == report.OutcomeOpen
			f.order[k].presence(c.Stage, in)
		}
		for _, k := range parts {
			for _, own := range f.order[k].stages {
				if own.of != nil {
					in[own.of.number-1].count(&sums[own.of.number-1], whole, stopped || !open)
				}
			}
		}
		if len(parts) > 1 || clients[i].Resent {
			f.furtherConsumers(parts, sums)
		}
	}
}

// presence adds in which stages a session was, whose newest is of that number.
func (s *sessionState) presence(newest int, in []presence) {
	for k, own := range s.stages {
		if own.of == nil {
			continue
		}
		p := &in[own.of.number-1]
		p.has = true
		p.begun, p.passed = p.begun || newest > k, p.passed || newest > k+1
	}
}

// count adds the presence to a stage, once.
func (p *presence) count(sum *inStage, whole, over bool) {
	switch {
	case p.begun:
		sum.clients++
		if p.passed || whole {
			sum.finished++
		}
	case p.has && over:
		sum.unreached++
	}
	*p = presence{}
}

// furtherConsumers adds to the stages of a client the consumers that began them by what was delivered
// later alone. parts are its sessions.
func (f *Folder) furtherConsumers(parts []int, sums []inStage) {
	type consumer struct {
		key processKey
		pid int32
	}
	entered := make(map[consumer]uint64)
	for _, k := range parts {
		s := f.order[k]
		for key, list := range s.processes {
			for _, p := range list {
				who := consumer{key, p.public.Pid}
				further := p.entered &^ entered[who]
				entered[who] |= p.entered
				for ; s.client.Resent && further != 0; further &= further - 1 {
					if own := &s.stages[bits.TrailingZeros64(further)]; own.of != nil {
						sums[own.of.number-1].further++
					}
				}
			}
		}
	}
}
