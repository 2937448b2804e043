package handler

import (
	"sync/atomic"
	"time"

	"google.golang.org/grpc/mem"

	"bulkhead/handler/intact"
	"bulkhead/handler/plain"
	"bulkhead/internal/blackbox"
)

// work is what the handler does with its client's bytes at this moment, for a
// supervisor that asks, and for one that finds the handler dead.
type work struct {
	box   *blackbox.Box // nil without one
	codec *plain.Codec  // of both sides
	epoch time.Time
	since atomic.Int64               // when the frame at work on came, after epoch; 0 if there is none
	conn  atomic.Pointer[clientConn] // nil until the client is served
	// bad is what is wrong with the frame that came last; nil if nothing is. It belongs to
	// the goroutine that receives, as intact does.
	bad *violation
	// intact is the Batch of the frame that came last, if that was not decoded.
	intact intact.Batch
}

func newWork(box *blackbox.Box) *work {
	return &work{box: box, codec: plain.New(), epoch: time.Now()}
}

// begin notes a frame, as it came, before anything looks into it. begin and done are
// called by the goroutine that receives.
func (w *work) begin(frame mem.BufferSlice) {
	var few [4][]byte
	parts := few[:0]
	for _, b := range frame {
		parts = append(parts, b.ReadOnlyData())
	}
	w.box.Begin(parts...)
	w.since.Store(max(1, int64(time.Since(w.epoch))))
}

// done notes that the frame is checked and on its way, or refused.
func (w *work) done() {
	w.since.Store(0)
	w.box.Done()
}

// busy returns how long the handler has been at work on one frame; 0 if it is not.
func (w *work) busy() time.Duration {
	since := w.since.Load()
	if since == 0 {
		return 0
	}
	return max(1, time.Since(w.epoch)-time.Duration(since))
}

// received returns how many bytes came from the client.
func (w *work) received() uint64 {
	if c := w.conn.Load(); c != nil {
		return c.received.Load()
	}
	return 0
}

// silent returns how long nothing has come from the client.
func (w *work) silent() time.Duration {
	if c := w.conn.Load(); c != nil {
		return c.quiet()
	}
	return 0
}

// fault returns what is wrong with the frame that was received last; nil if nothing is.
func (w *work) fault() *violation { return w.bad }

// codec notes every frame before it is decoded. One that holds an intact Batch is not
// decoded at all: see work.intact. One that does not decode is no error to
// gRPC, which would answer by itself, with INTERNAL and without the field: see fault.
//
// Nor is one that is too large: gRPC would say so without the limit's name.
type codec struct {
	*plain.Codec
	work *work
	most int // bytes of a frame
}

func newCodec(w *work, most int) codec { return codec{w.codec, w, most} }

func (c codec) Unmarshal(frame mem.BufferSlice, v any) error {
	if n := frame.Len(); n > c.most {
		c.work.bad = tooLarge(n, c.most)
		return nil
	}
	c.work.begin(frame)
	c.work.bad, c.work.intact = nil, intact.Batch{}
	whole := frame.Materialize() // a copy, which a Batch keeps until it is acknowledged
	if b, ok := intact.Find(whole); ok {
		c.work.intact = b
		return nil
	}
	frame = mem.BufferSlice{mem.SliceBuffer(whole)}
	if err := c.Codec.Unmarshal(frame, v); err != nil {
		c.work.done()
		c.work.bad = undecodable(frame, v, err)
	}
	return nil
}
