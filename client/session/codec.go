package session

import (
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"bulkhead/client/outbox"
)

// codec is gRPC's own, but for the outbox's frames, which are encoded already: they are sent as
// they are.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(grpcproto.Name)} }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if frame, ok := v.(outbox.Frame); ok {
		return mem.BufferSlice{mem.SliceBuffer(frame)}, nil
	}
	return c.CodecV2.Marshal(v)
}
