package inside

import (
	"context"
	"errors"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead/internal/child/handshake"
)

// healthService is grpc.health.v1.Health with the one method that a parent calls, and with
// messages that need none of protobuf's reflection, which a handler does without.
var healthService = grpc.ServiceDesc{
	ServiceName: "grpc.health.v1.Health",
	Methods:     []grpc.MethodDesc{{MethodName: "Check", Handler: answerCheck}},
}

// healthCheck is a grpc.health.v1.HealthCheckRequest, and serving a HealthCheckResponse that says
// SERVING.
type (
	healthCheck struct{ service string }
	serving     struct{}
)

// answerCheck answers for the one service that a parent asks about.
func answerCheck(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var r healthCheck
	if err := decode(&r); err != nil {
		return nil, err
	}
	if r.service != handshake.Service {
		return nil, status.Errorf(codes.NotFound, "there is no service %.64q here", r.service)
	}
	return serving{}, nil
}

// healthCodec codes the messages of healthService, and leaves all others to another codec.
type healthCodec struct{ encoding.CodecV2 }

func (c healthCodec) Marshal(v any) (mem.BufferSlice, error) {
	if _, ok := v.(serving); ok {
		const status, isServing = 1, 1
		data := protowire.AppendVarint(protowire.AppendTag(nil, status, protowire.VarintType), isServing)
		return mem.BufferSlice{mem.SliceBuffer(data)}, nil
	}
	return c.CodecV2.Marshal(v)
}

func (c healthCodec) Unmarshal(frame mem.BufferSlice, v any) error {
	if r, ok := v.(*healthCheck); ok {
		return r.decode(frame.Materialize())
	}
	return c.CodecV2.Unmarshal(frame, v)
}

// decode decodes a request; fields that are not known are skipped.
func (r *healthCheck) decode(data []byte) error {
	for len(data) > 0 {
		n, kind, size := protowire.ConsumeTag(data)
		if size < 0 {
			return protowire.ParseError(size)
		}
		data = data[size:]
		if size = protowire.ConsumeFieldValue(n, kind, data); size < 0 {
			return protowire.ParseError(size)
		}
		if n == 1 && kind == protowire.BytesType {
			service, _ := protowire.ConsumeBytes(data)
			if !utf8.Valid(service) {
				return errors.New("the service's name is not UTF-8")
			}
			r.service = string(service)
		}
		data = data[size:]
	}
	return nil
}
