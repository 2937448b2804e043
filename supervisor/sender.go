package supervisor

import (
	"context"
	"sync"
	"time"

	"bulkhead/internal/downlink"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/watch"
)

// sender passes frames on to a handler, and through it to the client. It is a goroutine only
// while there are some: of thousands of links nearly all have nothing to say.
type sender struct {
	down *downlink.Queue // frames for the client

	mu     sync.Mutex
	stream bulkheadv1.HandlerService_ServeClient // guarded by mu; nil before begin and after end
	nonce  uint64                                // guarded by mu; of a ping that is to be sent; 0 for none
	signed *bulkheadv1.Signature                 // guarded by mu; that is to be sent; nil for none
	atWork bool                                  // guarded by mu; a goroutine sends
	aside  sync.WaitGroup                        // what end waits for
}

// put adds a frame for the client. Anybody may call it, at any time, and does not wait.
func (s *sender) put(f *bulkheadv1.SupervisorFrame) {
	s.down.Put(f)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
}

// ping asks the handler for a sign of life.
func (s *sender) ping(nonce uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nonce = nonce
	s.start()
}

// sign answers the handler's one question for a signature.
func (s *sender) sign(signature []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signed = &bulkheadv1.Signature{Signature: signature}
	s.start()
}

// begin sends what there is and what will come on a stream, until end.
func (s *sender) begin(stream bulkheadv1.HandlerService_ServeClient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stream, s.atWork = stream, false
	s.start()
}

// end stops the sending, and waits until nothing is at it, nor at what do began. The stream's
// context must be done.
func (s *sender) end() {
	s.mu.Lock()
	s.stream = nil
	s.mu.Unlock()
	s.aside.Wait()
}

// do calls f in a goroutine that end waits for; not at all after end.
func (s *sender) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream != nil {
		s.aside.Go(f) // what it waits for is bounded
	}
}

// start sees to it that somebody sends. s.mu is held.
func (s *sender) start() {
	if s.stream == nil || s.atWork {
		return
	}
	s.atWork = true
	stream := s.stream
	s.aside.Go(func() { // ends when nothing is left, or with the stream
		for f := s.next(); f != nil; f = s.next() {
			if stream.Send(f) != nil {
				return // Recv says why; nothing more is sent
			}
		}
	})
}

// next returns what is to be sent now, pings first; nil if nothing is, and nobody sends then.
func (s *sender) next() *bulkheadv1.SupervisorFrame {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream == nil {
		return nil
	}
	if nonce := s.nonce; nonce != 0 {
		s.nonce = 0
		return &bulkheadv1.SupervisorFrame{
			Frame: &bulkheadv1.SupervisorFrame_Ping{Ping: &bulkheadv1.Ping{Nonce: nonce}}}
	}
	if signed := s.signed; signed != nil {
		s.signed = nil
		return &bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Signature{Signature: signed}}
	}
	f := s.down.Take()
	s.atWork = f != nil
	return f
}

// guard pings the handlers that serve connections, and ends those that hang, until ctx is done.
// It is one goroutine with one ticker for all of them.
func (r *run) guard(ctx context.Context) {
	tick := time.NewTicker(watch.LookFor(r.cfg.Handler.HangTimeout))
	defer tick.Stop()
	var links []*link
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		links = links[:0]
		r.mu.Lock()
		for l := range r.links {
			if l.dog.Load() != nil {
				links = append(links, l)
			}
		}
		r.mu.Unlock()
		for _, l := range links {
			l.look(time.Now())
		}
		clear(links) // holds on to none
	}
}

// look pings the link's handler when that is due, and ends it when it hangs.
func (l *link) look(now time.Time) {
	dog := l.dog.Load()
	if dog == nil {
		return // it has ended
	}
	if why := dog.Hung(now); why != "" {
		l.send.do(func() {
			l.hung.Do(func() {
				l.log.Error("handler hangs and is killed", "why", why)
				l.child.KillFor(bulkheadv1.ExitClass_EXIT_CLASS_HANG, why) // the stream breaks
			})
		})
		return
	}
	if nonce := dog.Due(now); nonce != 0 {
		l.send.ping(nonce)
	}
}
