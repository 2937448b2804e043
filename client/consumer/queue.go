package consumer

import (
	"time"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// maxRollovers is how many Rollovers may wait for the parent before the
	// writer waits too.
	maxRollovers = 4096
	// maxProgress is how many Progress messages may wait for the parent before
	// intervals are merged.
	maxProgress = 64
	// maxCorruptions is how many Corruptions a consumer says in all.
	maxCorruptions = 1000
)

// queue holds the messages on their way to the parent, in the order of the
// facts. It is bounded by what it admits, so that putting into it never blocks
// where that would stall the load:
//
//   - a Rollover waits once maxRollovers are queued;
//   - a Progress is refused once maxProgress are queued, and what it would have
//     said stays in the ledger for the next one;
//   - the Start, the last Progress and each Corruption have a place of their own.
//
// The writers, or the verifier, put Rollovers, verifier and readers Corruptions, the reporter puts
// Progress and closes, Run takes.
type queue struct {
	process   *bulkheadv1.Process
	messages  chan *bulkheadv1.Message
	rollovers chan struct{} // one token for each Rollover queued
	progress  chan struct{} // one token for each Progress queued, but the last
	half      chan struct{} // has an element once half of the places for Rollovers are taken
}

func newQueue(process *bulkheadv1.Process) *queue {
	return &queue{
		process:   process,
		messages:  make(chan *bulkheadv1.Message, maxRollovers+maxProgress+2+maxCorruptions),
		rollovers: make(chan struct{}, maxRollovers),
		progress:  make(chan struct{}, maxProgress),
		half:      make(chan struct{}, 1),
	}
}

// putStart queues the first message.
func (q *queue) putStart(spec *bulkheadv1.ConsumerSpec) {
	q.put(time.Now(), &bulkheadv1.Message{Fact: &bulkheadv1.Message_Start{
		Start: &bulkheadv1.Start{Consumer: spec}}})
}

// putRollover queues a Rollover of a file closed at the given time. It waits for
// a place, but not once abandoned is closed.
func (q *queue) putRollover(closed time.Time, rollover *bulkheadv1.Rollover, abandoned <-chan struct{}) {
	select {
	case q.rollovers <- struct{}{}:
		q.put(closed, &bulkheadv1.Message{Fact: &bulkheadv1.Message_Rollover{Rollover: rollover}})
	case <-abandoned:
	}
	if len(q.rollovers) >= maxRollovers/2 {
		select {
		case q.half <- struct{}{}:
		default:
		}
	}
}

// putCorruption queues a Corruption, of which there are at most maxCorruptions.
func (q *queue) putCorruption(corruption *bulkheadv1.Corruption) {
	q.put(time.Now(), &bulkheadv1.Message{Fact: &bulkheadv1.Message_Corruption{Corruption: corruption}})
}

// putProgress queues what take returns, or leaves it where it is when there is
// no place.
func (q *queue) putProgress(take func() (*bulkheadv1.Progress, time.Time)) {
	select {
	case q.progress <- struct{}{}:
		q.putAccount(take())
	default:
	}
}

// putLast queues the last message and closes the queue.
func (q *queue) putLast(take func() (*bulkheadv1.Progress, time.Time)) {
	q.putAccount(take())
	close(q.messages)
}

// sent frees the place of a message that has left.
func (q *queue) sent(message *bulkheadv1.Message) {
	switch message.GetFact().(type) {
	case *bulkheadv1.Message_Rollover:
		<-q.rollovers
	case *bulkheadv1.Message_Progress:
		select {
		case <-q.progress:
		default: // the last one, which took no token
		}
	}
}

func (q *queue) putAccount(progress *bulkheadv1.Progress, end time.Time) {
	q.put(end, &bulkheadv1.Message{Fact: &bulkheadv1.Message_Progress{Progress: progress}})
}

// put completes a message and queues it. There always is a place.
func (q *queue) put(observed time.Time, message *bulkheadv1.Message) {
	message.TimeUnixNano, message.ElapsedNano = observed.UnixNano(), boottime.At(observed)
	message.Process = q.process
	q.messages <- message
}
