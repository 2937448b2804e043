package handler

import (
	"fmt"
	"strings"
	"unicode"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// ProtocolVersion is the Collector protocol this handler speaks.
	ProtocolVersion = 1

	clientIDBytes  = 16
	maxNameBytes   = 128
	maxHostBytes   = 255
	maxLabels      = 32
	maxLabelBytes  = 128
	maxTokenBytes  = 1024
	maxConsumers   = 1024
	maxStringBytes = 4096
)

// violation is a breach of the protocol by the client: what the supervisor is
// told (class) and what the client is told (code).
type violation struct {
	class bulkheadv1.EndClass
	code  codes.Code
	text  string
}

func (v *violation) Error() string { return v.text }

func broken(format string, args ...any) *violation {
	return &violation{bulkheadv1.EndClass_END_CLASS_PROTOCOL, codes.InvalidArgument, fmt.Sprintf(format, args...)}
}

func tooMuch(format string, args ...any) *violation {
	return &violation{bulkheadv1.EndClass_END_CLASS_LIMIT, codes.ResourceExhausted, fmt.Sprintf(format, args...)}
}

// checkHello checks the form of a Hello, not whether its sender may come.
func checkHello(h *bulkheadv1.Hello) *violation {
	if v := h.GetProtocolVersion(); v != ProtocolVersion {
		return &violation{bulkheadv1.EndClass_END_CLASS_VERSION, codes.FailedPrecondition,
			fmt.Sprintf("client speaks protocol version %d; this supervisor speaks version %d", v, ProtocolVersion)}
	}
	switch {
	case len(h.GetClientId()) != clientIDBytes:
		return broken("Hello.client_id has %d bytes; it must have %d", len(h.GetClientId()), clientIDBytes)
	case h.GetName() == "" || len(h.GetName()) > maxNameBytes:
		return broken("Hello.name has %d bytes; it must have 1 to %d", len(h.GetName()), maxNameBytes)
	case !printable(h.GetName()):
		return broken("Hello.name %q has characters that cannot be printed", h.GetName())
	case len(h.GetHost()) > maxHostBytes:
		return broken("Hello.host has %d bytes; at most %d are allowed", len(h.GetHost()), maxHostBytes)
	case len(h.GetLabels()) > maxLabels:
		return broken("Hello has %d labels; at most %d are allowed", len(h.GetLabels()), maxLabels)
	case len(h.GetToken()) > maxTokenBytes:
		return broken("Hello.token has %d bytes; at most %d are allowed", len(h.GetToken()), maxTokenBytes)
	case len(h.GetWorkload().GetConsumers()) > maxConsumers:
		return broken("Hello.workload has %d consumers; at most %d are allowed", len(h.GetWorkload().GetConsumers()), maxConsumers)
	}
	for k, v := range h.GetLabels() {
		if len(k) > maxLabelBytes || len(v) > maxLabelBytes {
			return broken("label %.64q: keys and values may have %d bytes at most", k, maxLabelBytes)
		}
	}
	return nil
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// checkBatch checks a batch against the limits and the next expected sequence
// number. A batch may begin before next: what was sent before is cut off, and nil
// is returned for the batch if nothing is left.
func checkBatch(b *bulkheadv1.Batch, limits *bulkheadv1.Limits, next uint64) (*bulkheadv1.SealedBatch, *violation) {
	msgs := b.GetMessages()
	switch {
	case len(msgs) == 0:
		return nil, broken("Batch is empty; it must have at least one message")
	case len(msgs) > int(limits.GetMaxBatchMessages()):
		return nil, tooMuch("Batch has %d messages; at most %d are allowed", len(msgs), limits.GetMaxBatchMessages())
	case msgs[0].GetSeq() == 0:
		return nil, broken("message has sequence number 0; numbers begin at 1")
	case msgs[0].GetSeq() > next:
		return nil, broken("sequence gap: message %d came where %d was expected", msgs[0].GetSeq(), next)
	}
	for i, m := range msgs {
		if want := msgs[0].GetSeq() + uint64(i); m.GetSeq() != want {
			return nil, broken("sequence gap: message %d came where %d was expected", m.GetSeq(), want)
		}
		if v := checkMessage(m); v != nil {
			return nil, v
		}
	}
	last := msgs[len(msgs)-1].GetSeq()
	if last < next {
		return nil, nil
	}
	return seal(b, msgs[next-msgs[0].GetSeq():])
}

// seal encodes the messages that are new.
func seal(b *bulkheadv1.Batch, fresh []*bulkheadv1.Message) (*bulkheadv1.SealedBatch, *violation) {
	b.Messages = fresh
	data, err := proto.Marshal(b)
	if err != nil {
		return nil, broken("Batch cannot be encoded again: %v", err)
	}
	return &bulkheadv1.SealedBatch{FirstSeq: fresh[0].GetSeq(), LastSeq: fresh[len(fresh)-1].GetSeq(), Batch: data}, nil
}

func checkMessage(m *bulkheadv1.Message) *violation {
	switch f := m.GetFact().(type) {
	case nil:
		return broken("message %d has no fact", m.GetSeq())
	case *bulkheadv1.Message_Rollover:
		if len(f.Rollover.GetPath()) > maxStringBytes {
			return tooMuch("message %d: path has %d bytes; at most %d are allowed", m.GetSeq(), len(f.Rollover.GetPath()), maxStringBytes)
		}
	case *bulkheadv1.Message_Progress:
		h := f.Progress.GetChunkWrite()
		if len(h.GetCount()) != len(h.GetValueDelta()) {
			return broken("message %d: histogram has %d values and %d counts", m.GetSeq(), len(h.GetValueDelta()), len(h.GetCount()))
		}
	}
	if m.GetProcess().GetKind() == bulkheadv1.ProcessKind_PROCESS_KIND_UNSPECIFIED {
		return broken("message %d does not say which process it is about", m.GetSeq())
	}
	return nil
}
