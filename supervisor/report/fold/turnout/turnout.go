// Package turnout counts who was in the stages of a run, each client once: by all of its sessions, with
// what was delivered of it later.
package turnout

import (
	"math/bits"

	"bulkhead/supervisor/report"
)

// maxRests is how often what was delivered later of a client may have been lost again.
const maxRests = 64

// Session is what one session has of the stages of its client.
type Session struct {
	Client *report.Client
	// Stages are the numbers of its stages in the report, from 1; 0 for one that there is no room for.
	Stages []int
	// Consumers returns those that were in a stage.
	Consumers func() []Consumer
}

// Consumer is a process that writes. Bit 0 of Entered says that it was in the first of its stages.
type Consumer struct {
	Index   uint32
	Pid     int32
	Entered uint64
}

// Stage is who was in one stage of the report.
type Stage struct {
	// Clients began it, Finished of them did not end before it did, and Unreached never began it, although
	// their load has it and is over.
	Clients, Finished, Unreached int
	// Late are consumers that began it by what was delivered later alone.
	Late uint64
}

// Count returns who was in each of so many stages of the report. While a run goes on, so may the load of
// a session without an end.
func Count(sessions []Session, stages int, running bool) []Stage {
	list, in := make([]Stage, stages), make([]presence, stages)
	for _, parts := range clients(sessions) {
		whole, stopped, open, late := false, false, false, false
		for _, s := range parts {
			c := s.Client
			whole, stopped = whole || c.Load == report.LoadWhole, stopped || c.StopReason != ""
			open, late = open || running && c.Outcome == report.OutcomeOpen, late || c.Resent
			for k, number := range s.Stages {
				if number > 0 {
					in[number-1].add(c.Stage, k+1)
				}
			}
		}
		for _, s := range parts {
			for _, number := range s.Stages {
				if number > 0 {
					in[number-1].count(&list[number-1], whole, stopped || !open)
				}
			}
		}
		if late {
			countLate(parts, list)
		}
	}
	return list
}

// clients returns the sessions of each client, the first of it first.
func clients(sessions []Session) [][]*Session {
	at := make(map[uint32]int, len(sessions))
	for i := range sessions {
		at[sessions[i].Client.Session] = i
	}
	list := make([][]*Session, len(sessions))
	for i := range sessions {
		list[i] = append(list[i], &sessions[i])
	}
	for i := range sessions {
		head := i
		for range maxRests {
			of, is := at[sessions[head].Client.Continues]
			if !is {
				break
			}
			head = of
		}
		if head != i {
			list[head], list[i] = append(list[head], &sessions[i]), list[i][1:]
		}
	}
	return list
}

// presence is how one client was in one stage.
type presence struct{ has, begun, passed bool }

// add adds a session with that stage, whose newest one has a number, too.
func (p *presence) add(newest, number int) {
	p.has, p.begun, p.passed = true, p.begun || newest >= number, p.passed || newest > number
}

// count adds the presence to a stage, once.
func (p *presence) count(to *Stage, whole, over bool) {
	switch {
	case p.begun:
		to.Clients++
		if p.passed || whole {
			to.Finished++
		}
	case p.has && over:
		to.Unreached++
	}
	*p = presence{}
}

// countLate adds the consumers of a client that began stages by what was delivered later alone.
func countLate(parts []*Session, list []Stage) {
	type process struct {
		index uint32
		pid   int32
	}
	entered := make(map[process]uint64)
	for _, s := range parts {
		for _, c := range s.Consumers() {
			who := process{c.Index, c.Pid}
			more := c.Entered &^ entered[who]
			entered[who] |= c.Entered
			for ; s.Client.Resent && more != 0; more &= more - 1 {
				if k := bits.TrailingZeros64(more); k < len(s.Stages) && s.Stages[k] > 0 {
					list[s.Stages[k]-1].Late++
				}
			}
		}
	}
}
