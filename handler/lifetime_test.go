package handler

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/downlink"
	"bulkhead/internal/fdpass"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestHowLongAHandlerLives(t *testing.T) {
	const grace = time.Minute
	for _, tt := range []struct {
		name string
		s    situation
		do   verdict
		wait time.Duration
	}{
		{"in the pool", situation{idle: time.Hour}, stay, 0},
		{"in the pool of a dead supervisor", situation{lineGone: true}, leave, 0},
		{"with a socket, before Serve", situation{socket: true, idle: time.Hour}, stay, 0},
		{"with a socket, and nobody will call Serve", situation{socket: true, lineGone: true}, stay, grace},
		{"served", situation{socket: true, served: true, serving: true, idle: time.Hour}, stay, 0},
		{"served without a line", situation{socket: true, served: true, serving: true, lineGone: true, settled: true,
			idle: time.Hour}, stay, 0},
		{"between two calls", situation{socket: true, served: true, idle: 20 * time.Second}, stay, 40 * time.Second},
		{"between two calls, without a line",
			situation{socket: true, served: true, lineGone: true, idle: 59 * time.Second}, stay, time.Second},
		{"too long without a call", situation{socket: true, served: true, idle: grace}, giveUp, 0},
		{"too long without a call and a line", situation{socket: true, served: true, lineGone: true, idle: grace},
			giveUp, 0},
		{"the client went, all is told", situation{socket: true, served: true, lineGone: true, settled: true}, leave,
			0},
		{"the client went, the supervisor lives", situation{socket: true, served: true, settled: true}, stay, grace},
		{"the client went, a batch is not acknowledged", situation{socket: true, served: true, lineGone: true}, stay,
			grace},
	} {
		tt.s.grace = grace
		if do, wait := tt.s.judge(); do != tt.do || wait != tt.wait {
			t.Errorf("%s: %v for %v; want %v for %v", tt.name, do, wait, tt.do, tt.wait)
		}
	}
}

// lives runs keep and returns what is closed when it returns.
func (o *offered) lives() <-chan struct{} {
	o.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { // ends with ctx
		defer close(over)
		o.handler.keep(ctx)
	}()
	o.t.Cleanup(func() { cancel(); <-over })
	return over
}

// openFor calls Serve with a grace.
func (o *offered) openFor(grace time.Duration) *supervisor {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	o.t.Cleanup(cancel)
	stream, err := o.service.Serve(ctx)
	must(o.t, err)
	s := &supervisor{stream, o.t, o, cancel}
	s.send(openFrame(0, grace))
	return s
}

// A supervisor that ended the call and does not come back, for whatever reason.
func TestAClientIsSentAwayAfterTheGrace(t *testing.T) {
	o := offer(t)
	over := o.lives()
	o.handler.take(fdpass.Handover{ID: connectionID}, o.socket)
	s := o.openFor(50 * time.Millisecond)
	o.greet(s, rawclient.Hello("alpha"))
	must(t, o.client.SendBatch(1, 1))
	s.wantBatch(1, 1)
	s.leave()
	if st := status.Convert(o.client.End()); st.Code() != codes.Unavailable ||
		st.Message() != "the supervisor is gone" {
		t.Errorf("the client got %v; want Unavailable and why", st)
	}
	<-over
	o.handler.relay.mu.Lock()
	if e := o.handler.relay.end; e.GetClass() != nobody || e.GetMessages() != 1 {
		t.Errorf("End = %v; want orphaned after 1 message", e)
	}
	o.handler.relay.mu.Unlock()
	o.open(connectionID, 0).wantStatus(codes.Unavailable, "without a supervisor for too long")
}

// A client that has not opened a stream yet, or not even sent a byte.
func TestAClientWithoutAStreamIsSentAway(t *testing.T) {
	for name, sent := range map[string][]byte{
		"silent": nil, "within the preface": preface[:5], "without a stream": slices.Concat(preface, emptySettings),
	} {
		t.Run(name, func(t *testing.T) {
			client, server := socketPair(t)
			_, err := client.Write(sent)
			must(t, err)
			ctx, cancel := context.WithCancelCause(context.Background())
			w, r := newWork(nil), newRelay(1)
			conn := told{server, make(chan int, 64)}
			ended := make(chan *bulkheadv1.End, 1)
			go func() {
				ended <- serveClient(ctx, conn, openFrame(0, 0).GetOpen(), r, nil, w)
			}()
			for n := 0; n < len(sent); {
				n += <-conn.read
			}
			cancel(errOrphaned)
			if e := <-ended; e.GetClass() != nobody || e.GetText() != "the supervisor is gone" {
				t.Errorf("End = %v; want orphaned", e)
			}
		})
	}
}

// A new supervisor may come while the handler has not noticed yet that the one before
// is dead.
func TestServeWaitsForTheCallBeforeIt(t *testing.T) {
	o := offer(t)
	o.handler.take(fdpass.Handover{ID: connectionID}, o.socket)
	hello := rawclient.Hello("alpha")
	first := o.open(connectionID, 0)
	o.greet(first, hello)
	second := o.open(connectionID, 0)
	first.leave()
	second.wantHello(hello)
}

// A question is answered before batches that wait, and by the goroutine that relays.
func TestPingIsAnsweredAtOnce(t *testing.T) {
	o := offer(t)
	o.handler.take(fdpass.Handover{ID: connectionID}, o.socket)
	s := o.open(connectionID, 0)
	o.greet(s, rawclient.Hello("alpha"))
	if p := s.ping(7); p.GetBusyNano() != 0 || p.GetMessages() != 0 || p.GetReceivedBytes() == 0 {
		t.Errorf("Pong = %v; want an idle handler that received a Hello", p)
	}
	must(t, o.client.SendBatch(1, 3))
	s.wantBatch(1, 3)
	before := s.ping(8)
	if before.GetMessages() != 3 {
		t.Errorf("Pong = %v; want 3 messages", before)
	}
}

// A batch that has no room, because the supervisor acknowledges nothing, is no work of
// the handler, and not in its black box.
func TestABatchThatWaitsForRoomIsNoWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newWork(nil), newRelay(1)
		c := newCollector(smallLimits(), r, downlink.New(), w)
		c.welcomed(&bulkheadv1.Welcome{})
		waited := make(chan *violation)
		go func() {
			for seq := uint64(1); seq <= 2; seq++ {
				w.begin(nil)
				if seq == 2 {
					time.Sleep(time.Second) // of the bubble's clock: it is at work
				}
				waited <- c.batch(t.Context(), rawclient.Batch(seq, seq))
			}
		}()
		<-waited
		synctest.Wait()
		if w.busy() == 0 {
			t.Error("a handler at work says that it is not")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if busy := w.busy(); busy != 0 {
			t.Errorf("a handler that waits for room says that it is at work for %s", busy)
		}
		r.ack(1)
		if v := <-waited; v != nil {
			t.Error(v)
		}
	})
}

func TestPongComesBeforeWhatWaits(t *testing.T) {
	r := newRelay(8)
	r.setHello(&bulkheadv1.Hello{})
	for seq := uint64(1); seq <= 3; seq++ {
		b := batchOf(seq, seq)
		b.Batch = make([]byte, smallBytes+1) // none is sent with another
		r.tryAdd(b)
	}
	r.setEnd(&bulkheadv1.End{})
	asked := make(chan uint64, 1)
	asked <- 5
	stream := &sent{then: func(f *bulkheadv1.HandlerFrame) {
		if f.GetBatch().GetFirstSeq() == 2 {
			asked <- 6
		}
	}}
	h := &handler{work: newWork(nil)}
	must(t, h.relayUp(t.Context(), stream, r, &cursor{}, asked))
	var got []string
	for _, f := range stream.frames {
		switch {
		case f.GetPong() != nil:
			got = append(got, "pong")
		case f.GetBatch() != nil:
			got = append(got, "batch")
		case f.GetHello() != nil:
			got = append(got, "hello")
		case f.GetEnd() != nil:
			got = append(got, "end")
		}
	}
	if want := []string{"pong", "hello", "batch", "batch", "pong", "batch", "end"}; !slices.Equal(got, want) {
		t.Errorf("sent %v; want %v", got, want)
	}
}

// sent is a supervisor's stream that notes what is sent.
type sent struct {
	bulkheadv1.HandlerService_ServeServer
	frames []*bulkheadv1.HandlerFrame
	then   func(*bulkheadv1.HandlerFrame)
}

func (s *sent) Send(f *bulkheadv1.HandlerFrame) error {
	s.frames = append(s.frames, f)
	s.then(f)
	return nil
}

func TestFinishSaysWhenToComeBack(t *testing.T) {
	s := serve(t, nil)
	c := s.dial()
	s.finish(&bulkheadv1.Finish{Code: uint32(codes.Unavailable), Text: "too many clients",
		RetryAfterNano: int64(1500 * time.Millisecond)})
	_, err := c.Greet(rawclient.Hello("alpha"))
	st := status.Convert(err)
	if st.Code() != codes.Unavailable || st.Message() != "too many clients" || len(st.Details()) != 1 {
		t.Fatalf("the client got %v, %v; want Unavailable with one detail", err, st.Details())
	}
	if d, ok := st.Details()[0].(*errdetails.RetryInfo); !ok ||
		d.GetRetryDelay().AsDuration() != 1500*time.Millisecond {
		t.Errorf("detail = %v; want to come back after 1.5s", st.Details()[0])
	}
}

// OK takes no details; a Finish that asks for both ends in order.
func TestAFinishInOrderHasNoDetails(t *testing.T) {
	v := &violation{code: codes.OK, retryAfter: time.Second}
	if err := v.status(); err != nil {
		t.Errorf("status = %v; want nil", err)
	}
	v = &violation{code: codes.Unavailable, text: "later"}
	if err := v.status(); err == nil || errors.Is(err, context.Canceled) || len(status.Convert(err).Details()) != 0 {
		t.Errorf("status = %v; want Unavailable without details", err)
	}
}
