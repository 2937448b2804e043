package supervisor

import (
	"errors"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"bulkhead/internal/downlink"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// heard is a stream whose handler notes what it hears.
type heard struct {
	grpc.ClientStream
	frames chan *bulkheadv1.SupervisorFrame
	fail   bool
}

func (h *heard) Send(f *bulkheadv1.SupervisorFrame) error {
	h.frames <- f
	if h.fail {
		return errors.New("the stream has ended")
	}
	return nil
}

func (h *heard) Recv() (*bulkheadv1.HandlerFrame, error) { return nil, errors.New("nothing is said") }

// What is put is sent, whether a goroutine is at it, is just ending, or none is: of many acks that
// come at any time, the last always arrives. Nothing is left when the sender has ended.
func TestASenderSendsTheLastOfWhatIsPut(t *testing.T) {
	const acks = 2000
	s := &sender{down: downlink.New()}
	s.put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Drain{Drain: &bulkheadv1.Drain{}}})
	to := &heard{frames: make(chan *bulkheadv1.SupervisorFrame)}
	s.begin(to)
	if f := <-to.frames; f.GetDrain() == nil {
		t.Errorf("the first frame is %v; want the Drain from before the stream", f)
	}
	var putting sync.WaitGroup
	for seq := uint64(1); seq <= acks; seq++ {
		s.put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Ack{Ack: &bulkheadv1.Ack{Seq: seq}}})
		if seq%3 == 0 {
			putting.Go(func() { s.ping(seq) })
		}
		for seq%7 == 0 || seq == acks { // until it has come: then nobody may be sending
			f := <-to.frames
			if f.GetAck().GetSeq() == seq {
				break
			}
		}
	}
	ended := make(chan struct{})
	go func() { // ends when the frames have
		defer close(ended)
		for range to.frames {
		}
	}()
	putting.Wait()
	s.end()
	s.put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Ack{Ack: &bulkheadv1.Ack{Seq: acks + 1}}})
	s.do(func() { t.Error("something is begun after the end") })
	close(to.frames) // who still sends would panic
	<-ended
}

// When a stream fails nobody tries it again, and another can begin.
func TestASenderGivesUpWithItsStream(t *testing.T) {
	s := &sender{down: downlink.New()}
	broken := &heard{frames: make(chan *bulkheadv1.SupervisorFrame, 10), fail: true}
	s.begin(broken)
	s.ping(1)
	<-broken.frames
	s.ping(2)
	s.end()
	if len(broken.frames) > 0 {
		t.Errorf("%v is sent on a stream that has failed", <-broken.frames)
	}
	next := &heard{frames: make(chan *bulkheadv1.SupervisorFrame, 10)}
	s.begin(next)
	if f := <-next.frames; f.GetPing().GetNonce() != 2 {
		t.Errorf("%v is sent; want the ping", f)
	}
	s.end()
}
