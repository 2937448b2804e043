package raw

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead/internal/encoded"
	"bulkhead/internal/protocol"
)

// Wary decodes what a handler sends, after a look at it as it came: two bytes can stand
// for a consumer in a Hello, which takes hundreds when it is decoded, so the largest
// frame would unfold to a gigabyte before anybody could say that it has too many. A
// Batch stays as it came; see scan.
type Wary struct {
	encoding.CodecV2
	Lie error // what is wrong with the last frame; nil if nothing. Who receives owns it
}

// NewWary returns a Wary for the stream of one handler.
func NewWary() *Wary { return &Wary{CodecV2: encoding.GetCodecV2(grpcproto.Name)} }

// Unmarshal implements encoding.CodecV2. It returns an error, and sets Lie, for a frame that no
// honest handler sends.
func (w *Wary) Unmarshal(data mem.BufferSlice, v any) error {
	frame := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer frame.Free()
	err := checkFrame(frame.ReadOnlyData())
	if err == nil {
		err = w.CodecV2.Unmarshal(mem.BufferSlice{frame}, v)
	}
	w.Lie = nil
	if err != nil {
		w.Lie = fmt.Errorf("%w: the handler sent a frame that cannot be decoded: %w", ErrLied, err)
	}
	return err
}

// checkFrame counts what repeats in the Hello or AgentReport of an encoded HandlerFrame, also of one
// that comes in several parts, which decoding would put together.
func checkFrame(frame []byte) error {
	var c helloCount
	return encoded.Fields(frame, func(n protowire.Number, _ uint64, b []byte) error {
		switch n {
		case encoded.HandlerFrameHello:
			return encoded.Fields(b, c.inHello)
		case encoded.HandlerFrameAgentReport:
			return encoded.Fields(b, c.inReport)
		default:
			return nil
		}
	})
}

// helloCount counts what repeats in an encoded Hello.
type helloCount struct{ labels, consumers, chunks, stages, allowances, tasks int }

func (c *helloCount) inHello(n protowire.Number, _ uint64, b []byte) error {
	switch n {
	case encoded.HelloLabels:
		return count(&c.labels, protocol.MaxLabels, "labels")
	case encoded.HelloWorkload:
		return encoded.Fields(b, c.inWorkload)
	case encoded.HelloAgent:
		return encoded.Fields(b, c.inAgent)
	default:
		return nil
	}
}

func (c *helloCount) inAgent(n protowire.Number, _ uint64, _ []byte) error {
	if n != encoded.AgentAllowances {
		return nil
	}
	return count(&c.allowances, protocol.MaxAllowances, "allowances")
}

// inReport counts what repeats in an encoded AgentReport.
func (c *helloCount) inReport(n protowire.Number, _ uint64, _ []byte) error {
	if n != encoded.AgentReportTasks {
		return nil
	}
	if c.tasks++; c.tasks > protocol.MaxTaskReports {
		return fmt.Errorf("its AgentReport has more than %d tasks", protocol.MaxTaskReports)
	}
	return nil
}

func (c *helloCount) inWorkload(n protowire.Number, _ uint64, b []byte) error {
	switch n {
	case encoded.WorkloadStages:
		return count(&c.stages, protocol.MaxStages, "stages")
	case encoded.WorkloadConsumers:
	default:
		return nil
	}
	if err := count(&c.consumers, protocol.MaxConsumers, "consumers"); err != nil {
		return err
	}
	c.chunks = 0
	return encoded.Fields(b, c.inConsumer)
}

func (c *helloCount) inConsumer(n protowire.Number, _ uint64, _ []byte) error {
	if n != encoded.ConsumerChunkSizes {
		return nil
	}
	return count(&c.chunks, protocol.MaxChunkSizes, "chunk sizes of one consumer")
}

// count adds one to n, of which there may be most.
func count(n *int, most int, what string) error {
	if *n++; *n > most {
		return fmt.Errorf("its Hello has more than %d %s", most, what)
	}
	return nil
}
