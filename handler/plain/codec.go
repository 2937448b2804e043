package plain

import (
	"sync/atomic"

	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Codec is gRPC's codec for both sides of a handler, whose frames it must all see: what was decoded
// the long way may hold fields that are not known here, so it is encoded the long way, too.
type Codec struct {
	encoding.CodecV2             // the long way
	foreign          atomic.Bool // something was decoded that may hold unknown fields
}

// New returns a codec.
func New() *Codec { return &Codec{CodecV2: encoding.GetCodecV2(grpcproto.Name)} }

// Marshal encodes a message. The bytes of a SealedBatch are not copied, and must not change.
func (c *Codec) Marshal(v any) (mem.BufferSlice, error) {
	if head, batch, ok := sealed(v); ok { // it was made here
		return mem.BufferSlice{mem.SliceBuffer(head), mem.SliceBuffer(batch)}, nil
	}
	if !c.foreign.Load() {
		if data, ok := encode(v); ok {
			return mem.BufferSlice{mem.SliceBuffer(data)}, nil
		}
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal decodes a message.
func (c *Codec) Unmarshal(frame mem.BufferSlice, v any) error {
	whole := frame
	if len(frame) != 1 {
		whole = mem.BufferSlice{mem.SliceBuffer(frame.Materialize())}
	}
	if decode(whole[0].ReadOnlyData(), v) {
		return nil
	}
	err := c.CodecV2.Unmarshal(whole, v)
	if f, ok := v.(*bulkheadv1.ClientFrame); !ok || f.GetBatch() == nil { // a Batch is encoded elsewhere
		c.foreign.Store(true)
	}
	return err
}
