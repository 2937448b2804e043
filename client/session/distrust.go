package session

import (
	"cmp"
	"fmt"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	"bulkhead/client/outbox"
	"bulkhead/internal/plaintext"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A client does not trust what answers at the supervisor's address: it may be another program, or
// one that was taken over. All that it says passes here before anything is made of it, so that
// nothing of it is longer than it may be, or does anything to a terminal. tries.go bounds what it
// says of time.

const (
	// idleBurst and idleRate bound the frames that say nothing new: so many at once, and so many a
	// second.
	idleBurst, idleRate = 20_000, 1000
	// drainLeast is the least time for the end of a load, however little a Drain leaves: enough for
	// workers to remove their files.
	drainLeast = time.Second
)

// idleFrames returns how many frames of a connection may say nothing new.
func idleFrames() *rate.Limiter { return rate.NewLimiter(idleRate, idleBurst) }

// told returns a text of the far side, safe to print and to keep.
func told(text string) string { return plaintext.Line(text, plaintext.MaxText) }

// checkWelcome returns what is wrong with a Welcome, and cleans what is only for people.
func checkWelcome(w *bulkheadv1.Welcome) error {
	if err := protocol.CheckRun(w.GetRunId()); err != nil {
		return fmt.Errorf("the supervisor's welcome is not valid: run_id %w", err)
	}
	if err := protocol.CheckRun(w.GetSessionId()); err != nil {
		return fmt.Errorf("the supervisor's welcome is not valid: session_id %w", err)
	}
	w.SupervisorVersion = plaintext.Line(w.GetSupervisorVersion(), plaintext.MaxName)
	w.Supervisors = remotes(w.GetSupervisors())
	w.ProtoReflect().SetUnknown(nil) // it is kept
	return nil
}

// limitsOf returns what the supervisor allows, within what any may allow; what it leaves out has
// its default.
func limitsOf(w *bulkheadv1.Welcome) *bulkheadv1.Limits {
	l := w.GetLimits()
	return &bulkheadv1.Limits{
		MaxFrameBytes: min(cmp.Or(l.GetMaxFrameBytes(), protocol.DefaultFrameBytes), protocol.MaxFrameBytes,
			outbox.FrameMaxBytes),
		MaxBatchMessages: min(cmp.Or(l.GetMaxBatchMessages(), protocol.DefaultBatchMessages),
			protocol.MaxBatchMessages),
		MaxUnackedBatches: min(cmp.Or(l.GetMaxUnackedBatches(), protocol.DefaultUnackedBatches),
			protocol.MaxUnackedBatches),
	}
}

// drainOf returns a Drain that can be kept and obeyed.
func drainOf(d *bulkheadv1.Drain) *bulkheadv1.Drain {
	return &bulkheadv1.Drain{Reason: told(d.GetReason()), WithinNano: max(d.GetWithinNano(), int64(drainLeast))}
}

// statusOf returns a status that the far side gave: its text, when to come again, and the reason for
// programs, of which only names and numbers are kept.
func statusOf(s *status.Status) *status.Status {
	clean := status.New(s.Code(), told(s.Message()))
	for _, detail := range s.Details() {
		var kept protoadapt.MessageV1
		switch d := detail.(type) {
		case *errdetails.RetryInfo:
			kept = protoadapt.MessageV1Of(d)
		case *bulkheadv1.Elsewhere:
			kept = protoadapt.MessageV1Of(&bulkheadv1.Elsewhere{Supervisors: remotes(d.GetSupervisors())})
		case *errdetails.ErrorInfo:
			info := proto.CloneOf(d)
			for key, text := range info.GetMetadata() {
				if protocol.CheckRun(key) != nil || protocol.CheckRun(text) != nil {
					delete(info.Metadata, key)
				}
			}
			kept = protoadapt.MessageV1Of(info)
		default:
			continue
		}
		if with, err := clean.WithDetails(kept); err == nil { // else it is as if it had not come
			clean = with
		}
	}
	return clean
}
