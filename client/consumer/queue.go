package consumer

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

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
	// ofStage is how many messages a stage has: that it is waited for, that it begins, what it ends with,
	// and what is left of the one before.
	ofStage = 4
)

// queue holds the messages on their way to the parent, in the order of the
// facts. It is bounded by what it admits, so that putting into it never blocks
// where that would stall the load:
//
//   - a Rollover waits once maxRollovers are queued;
//   - a Progress is refused once maxProgress are queued, and what it would have
//     said stays in the ledger for the next one;
//   - the Start, the last Progress, each Corruption, and what is said when a stage begins and ends
//     have a place of their own.
//
// The writers, or the verifier, put Rollovers, verifier and readers Corruptions, the reporter puts
// Progress and closes, Run takes.
type queue struct {
	process   *bulkheadv1.Process
	messages  chan *bulkheadv1.Message
	rollovers chan struct{} // one token for each Rollover queued
	progress  chan struct{} // one token for each Progress queued, but the last
	half      chan struct{} // has an element once half of the places for Rollovers are taken, or it hurries
}

func newQueue(process *bulkheadv1.Process, stages int) *queue {
	return &queue{
		process:   process,
		messages:  make(chan *bulkheadv1.Message, maxRollovers+maxProgress+2+maxCorruptions+ofStage*stages),
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

// putStage queues that a stage has begun.
func (q *queue) putStage(at time.Time, begun *bulkheadv1.StageBegun) {
	q.put(at, &bulkheadv1.Message{Fact: &bulkheadv1.Message_StageBegun{StageBegun: begun}})
}

// putReady queues that a stage has come that waits for other clients, and hurries.
func (q *queue) putReady(at time.Time, stage uint32) {
	q.put(at, &bulkheadv1.Message{Fact: &bulkheadv1.Message_StageReady{
		StageReady: &bulkheadv1.StageReady{Stage: stage}}})
	select {
	case q.half <- struct{}{}:
	default:
	}
}

// putBoundary queues what take returns at a boundary between two stages, of which no interval has a
// part of both: so it has a place of its own.
func (q *queue) putBoundary(take func() (*bulkheadv1.Progress, time.Time)) { q.putAccount(take()) }

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
		default: // the last one or that of a boundary, which took no token
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

// sendEvery is how often messages leave at most, unless they are to be more often. What came
// in between leaves together, at the quarters of a second by the machine's clock, as those of
// the machine's other consumers do: so the parent wakes up once for all of them, which is most
// of what a message costs. Where there are many files they leave earlier, before a writer would
// have to wait.
const sendEvery = 250 * time.Millisecond

// sender passes the messages of the queue on to the parent. It belongs to one
// goroutine.
type sender struct {
	queue   *queue
	ending  *ending
	written <-chan struct{} // nothing waits from then on
	every   time.Duration
}

// run passes messages on until the queue is closed. When nobody listens, it
// ends the job and lets the remaining messages go.
func (s *sender) run(stream grpc.ServerStreamingServer[bulkheadv1.RunResponse]) error {
	gone := stream.Context().Done()
	var failure error
	for {
		select {
		case message, open := <-s.queue.messages:
			if !open {
				return failure
			}
			if failure == nil {
				failure = stream.Send(&bulkheadv1.RunResponse{Message: message})
			}
			s.queue.sent(message)
		case <-gone:
			gone = nil
			failure = status.FromContextError(stream.Context().Err()).Err()
		}
		if failure != nil {
			s.ending.abandon()
		} else if len(s.queue.messages) == 0 {
			s.gather(gone)
		}
	}
}

// gather waits until it is time to send again.
func (s *sender) gather(gone <-chan struct{}) {
	now := time.Now()
	timer := time.NewTimer(now.Truncate(s.every).Add(s.every).Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.queue.half:
	case <-s.written:
	case <-gone:
	}
}
