package handler

import (
	"bytes"
	"context"
	"io"
	"math"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"bulkhead/handler/intact"
	"bulkhead/internal/downlink"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// FuzzClientBytes sends arbitrary bytes to a handler, with HTTP/2's preface before
// them or without. The Welcome lies ready, so that bytes which are a good Hello
// get as far as Batches and Goodbye. Whatever comes, the connection ends with a
// reason that can be sent on, no more is counted than was sent, what reaches the
// supervisor is well-formed, and nothing is left.
func FuzzClientBytes(f *testing.F) {
	f.Fuzz(func(t *testing.T, prefaced bool, data []byte) {
		before := goleak.IgnoreCurrent()
		if prefaced {
			data = slices.Concat(preface, data)
		}
		open := &bulkheadv1.Open{
			Limits:           smallLimits(),
			HelloTimeoutNano: int64(200 * time.Millisecond), ClientTimeoutNano: int64(2 * time.Second),
		}
		r, down := newRelay(int(open.GetLimits().GetMaxUnackedBatches())), downlink.New()
		down.Put(welcomeFrame(0))
		client, server := socketPair(t)
		ended := make(chan *bulkheadv1.End, 1)
		go func() { ended <- serveClient(context.Background(), server, open, r, down, newWork(nil)) }()
		sent := make(chan struct{})
		go func() { // ends when the handler closes the connection
			defer close(sent)
			if _, err := client.Write(data); err == nil {
				_ = client.CloseWrite()
			}
			_, _ = io.Copy(io.Discard, client)
			client.Close()
		}()
		select {
		case e := <-ended:
			r.setEnd(e)
		case <-time.After(patience):
			t.Fatal("the connection does not end")
		}
		<-sent
		wantTold(t, r, uint64(len(data)))
		if err := goleak.Find(before); err != nil {
			t.Error(err)
		}
	})
}

// wantTold checks what a relay has for the supervisor after the end of a client
// that sent so many bytes.
func wantTold(t *testing.T, r *relay, sent uint64) {
	t.Helper()
	reader := resume(0)
	for reader.take(t, r) {
	}
	e := reader.end
	if e.GetClass() == 0 || e.GetClass() == finished || e.GetText() == "" || !utf8.ValidString(e.GetText()) {
		t.Errorf("End = %v; want a reason", e)
	}
	if _, err := proto.Marshal(e); err != nil {
		t.Errorf("End %v cannot be sent: %v", e, err)
	}
	if e.GetReceivedBytes() > sent {
		t.Errorf("%d bytes were received of %d that were sent", e.GetReceivedBytes(), sent)
	}
	if r.hello != nil {
		if v := checkHello(r.hello); v != nil {
			t.Errorf("a Hello was passed on: %v", v)
		}
	}
	for _, b := range r.unacked {
		wantSealed(t, b)
	}
}

// FuzzCheckBatch checks arbitrary Batches. What is passed on is exactly the
// messages from the next one to the Batch's last; what is passed over was sent
// before.
func FuzzCheckBatch(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte, next uint64, most uint32) {
		next = max(1, next&(1<<62-1)) // no client sends more in its life
		var b bulkheadv1.Batch
		if proto.Unmarshal(data, &b) != nil {
			return // gRPC refuses it
		}
		all := slices.Clone(b.GetMessages())
		sealed, v := checkBatch(&b, &bulkheadv1.Limits{MaxBatchMessages: most}, next)
		if v != nil {
			if sealed != nil || v.text == "" || (v.class != breach && v.class != limit) {
				t.Fatalf("violation %+v with %v", v, sealed)
			}
			return
		}
		if len(all) == 0 || uint64(len(all)) > uint64(most) {
			t.Fatalf("a Batch of %d messages was accepted; %d are allowed", len(all), most)
		}
		first, last := all[0].GetSeq(), all[len(all)-1].GetSeq()
		if first == 0 || first > next || last-first != uint64(len(all)-1) {
			t.Fatalf("a Batch of %d messages, %d to %d, was accepted where %d was next", len(all), first, last, next)
		}
		if sealed == nil {
			if last >= next {
				t.Fatalf("messages %d to %d were passed over where %d was next", first, last, next)
			}
			return
		}
		if sealed.GetFirstSeq() != next || sealed.GetLastSeq() != last {
			t.Fatalf("sealed %d to %d of a Batch %d to %d where %d was next", sealed.GetFirstSeq(), sealed.GetLastSeq(),
				first, last, next)
		}
		wantSealed(t, sealed)
	})
}

// FuzzIntact compares the short way with the long one: a frame that is taken as it came decodes
// and encodes to the same bytes, nothing of it is cut, and the check finds nothing in it.
func FuzzIntact(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := intact.Find(data)
		var frame bulkheadv1.ClientFrame
		err := proto.Unmarshal(data, &frame)
		if !ok {
			return
		}
		if err != nil || frame.GetBatch() == nil {
			t.Fatalf("a frame that does not decode is taken: %v", err)
		}
		b := frame.GetBatch()
		again, err := proto.Marshal(&frame)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x is taken, and encoded again %x (%v)", data, again, err)
		}
		shortenBatch(b)
		sealed, v := checkBatch(b, &bulkheadv1.Limits{MaxBatchMessages: math.MaxUint32}, got.FirstSeq)
		if v != nil {
			t.Fatalf("%x is taken, and refused when decoded: %v", data, v)
		}
		if sealed.GetFirstSeq() != got.FirstSeq || sealed.GetLastSeq() != got.LastSeq ||
			!bytes.Equal(sealed.GetBatch(), got.Data) {
			t.Fatalf("%x is taken as %d to %d, and sealed as %d to %d", data, got.FirstSeq, got.LastSeq,
				sealed.GetFirstSeq(), sealed.GetLastSeq())
		}
	})
}
