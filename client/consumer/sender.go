package consumer

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

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
