package consumer

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// heldStream is the worker's end of a Run whose parent reads when it is told to.
// It stands in for the network, which has no place in a bubble of fake time.
type heldStream struct {
	grpc.ServerStream
	ctx  context.Context
	hold chan struct{} // Send waits until it is closed; nil never waits

	mu       sync.Mutex
	messages []*bulkheadv1.Message // guarded by mu
}

func (s *heldStream) Context() context.Context { return s.ctx }

func (s *heldStream) Send(response *bulkheadv1.RunResponse) error {
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, response.GetMessage())
	return nil
}

// sent returns the messages so far.
func (s *heldStream) sent() []*bulkheadv1.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages
}
