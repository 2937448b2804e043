package handler

import (
	"fmt"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead/internal/protocol"
	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Reasons that are given in several places.
const (
	frameUnexpected   = bulkheadv1.Reason_REASON_FRAME_UNEXPECTED
	fieldInvalid      = bulkheadv1.Reason_REASON_FIELD_INVALID
	sequenceBroken    = bulkheadv1.Reason_REASON_SEQUENCE_BROKEN
	encodingInvalid   = bulkheadv1.Reason_REASON_ENCODING_INVALID
	connectionRefused = bulkheadv1.Reason_REASON_CONNECTION_REFUSED
)

// violation is why the client's stream ends: what the supervisor is told (class) and
// what the client is told (code, reason and what the reason is about).
type violation struct {
	class  bulkheadv1.EndClass
	code   codes.Code
	reason bulkheadv1.Reason
	about  map[string]string
	text   string
	// retryAfter is when the client should come back; 0 leaves it to the client.
	retryAfter time.Duration
	// elsewhere is where it may go instead.
	elsewhere []string
	// vague says that more may be known when all frames are written.
	vague bool
}

func (v *violation) Error() string { return v.text }

// status returns what the client is told; nil is an end in order.
func (v *violation) status() error {
	st := status.New(v.code, v.text)
	var details []protoadapt.MessageV1
	if v.reason != bulkheadv1.Reason_REASON_UNSPECIFIED {
		details = append(details, reason.Info(v.reason, v.about))
	}
	if v.retryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(v.retryAfter)})
	}
	if len(v.elsewhere) > 0 {
		details = append(details, protoadapt.MessageV1Of(&bulkheadv1.Elsewhere{Supervisors: v.elsewhere}))
	}
	if len(details) == 0 {
		return st.Err()
	}
	with, err := st.WithDetails(details...)
	if err != nil { // only OK takes no details
		return st.Err()
	}
	return with.Err()
}

// broken returns a breach of the protocol by what the client said.
func broken(why bulkheadv1.Reason, format string, args ...any) *violation {
	return &violation{class: bulkheadv1.EndClass_END_CLASS_PROTOCOL, code: codes.InvalidArgument, reason: why,
		text: fmt.Sprintf(format, args...)}
}

// wrongField returns a breach by a field, named by its path from the ClientFrame.
func wrongField(field, format string, args ...any) *violation {
	v := broken(fieldInvalid, format, args...)
	v.about = map[string]string{reason.Field: field}
	return v
}

func tooMuch(format string, args ...any) *violation {
	return &violation{class: bulkheadv1.EndClass_END_CLASS_LIMIT, code: codes.ResourceExhausted,
		reason: bulkheadv1.Reason_REASON_LIMIT_EXCEEDED, text: fmt.Sprintf(format, args...)}
}

// beyond returns tooMuch for one of the Limits, named as there.
func beyond(limit string, got, most int, format string, args ...any) *violation {
	v := tooMuch(format, args...)
	v.about = map[string]string{reason.Limit: limit, reason.Got: strconv.Itoa(got), reason.Most: strconv.Itoa(most)}
	return v
}

// tooLarge returns the violation of a frame of got bytes.
func tooLarge(got, most int) *violation {
	return beyond("max_frame_bytes", got, most,
		"a frame has %d bytes; at most %d are allowed (max_frame_bytes); send less at a time", got, most)
}

// checkHello checks the form of a Hello, not whether its sender may come.
func checkHello(h *bulkheadv1.Hello) *violation {
	if v := h.GetProtocolVersion(); v != protocol.Version {
		return &violation{class: bulkheadv1.EndClass_END_CLASS_VERSION, code: codes.FailedPrecondition,
			reason: bulkheadv1.Reason_REASON_VERSION_UNKNOWN,
			text: fmt.Sprintf("client speaks protocol version %d; this supervisor speaks version %d", v,
				protocol.Version)}
	}
	if wrong := protocol.CheckHello(h); wrong != nil {
		return wrongField(wrong.Field, "%s", wrong.Text)
	}
	if wrong := protocol.CheckClientID(h.GetClientId()); wrong != nil {
		return wrongField(wrong.Field, "%s", wrong.Text)
	}
	return nil
}

// checkBatch checks a batch against the limits and the next expected sequence
// number. A batch may begin before next: what was sent before is cut off, and nil
// is returned for the batch if nothing is left.
func checkBatch(b *bulkheadv1.Batch, limits *bulkheadv1.Limits, next uint64) (*bulkheadv1.SealedBatch, *violation) {
	msgs := b.GetMessages()
	switch {
	case len(msgs) == 0:
		return nil, wrongField("batch.messages", "Batch is empty; it must have at least one message")
	case len(msgs) > int(limits.GetMaxBatchMessages()):
		v := beyond("max_batch_messages", len(msgs), int(limits.GetMaxBatchMessages()),
			"Batch has %d messages; at most %d are allowed (max_batch_messages); send fewer at a time", len(msgs),
			limits.GetMaxBatchMessages())
		v.about[reason.Field] = "batch.messages"
		return nil, v
	case msgs[0].GetSeq() == 0:
		return nil, broken(sequenceBroken, "message has sequence number 0; numbers begin at 1")
	case msgs[0].GetSeq() > next:
		return nil, broken(sequenceBroken, "sequence gap: message %d came where %d was expected", msgs[0].GetSeq(),
			next)
	}
	for i, m := range msgs {
		if want := msgs[0].GetSeq() + uint64(i); m.GetSeq() != want {
			return nil, broken(sequenceBroken, "sequence gap: message %d came where %d was expected", m.GetSeq(), want)
		}
		if v := checkMessage(m); v != nil {
			if field := v.about[reason.Field]; field != "" {
				v.about[reason.Field] = fmt.Sprintf("batch.messages[%d].%s", i, field)
			}
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
		return nil, broken(encodingInvalid, "Batch cannot be encoded again: %v", err)
	}
	return &bulkheadv1.SealedBatch{FirstSeq: fresh[0].GetSeq(), LastSeq: fresh[len(fresh)-1].GetSeq(), Batch: data}, nil
}

// checkMessage checks one message; the field that it names is the message's. What it refuses,
// package intact must not take.
func checkMessage(m *bulkheadv1.Message) *violation {
	switch f := m.GetFact().(type) {
	case nil:
		// A fact of a newer client is a field that is not known here: kept as it came.
		if len(m.ProtoReflect().GetUnknown()) == 0 {
			return wrongField("fact", "message %d has no fact", m.GetSeq())
		}
	case *bulkheadv1.Message_Progress:
		h := f.Progress.GetChunkWrite()
		if len(h.GetCount()) != len(h.GetValueDelta()) {
			return wrongField("progress.chunk_write", "message %d: histogram has %d values and %d counts", m.GetSeq(),
				len(h.GetValueDelta()), len(h.GetCount()))
		}
	}
	if m.GetProcess().GetKind() == bulkheadv1.ProcessKind_PROCESS_KIND_UNSPECIFIED {
		return wrongField("process.kind", "message %d does not say which process it is about", m.GetSeq())
	}
	return nil
}
