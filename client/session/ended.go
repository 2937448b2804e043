package session

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/client/route"
	"bulkhead/internal/human"
	"bulkhead/internal/protocol"
	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// retryable is the end of a connection after which another one may do better.
type retryable struct {
	error
	// after is how long the supervisor asked to stay away; 0 if it did not say.
	after time.Duration
	// elsewhere is where the supervisor sends the client instead.
	elsewhere []string
	// absence is whose doing the end was, as far as the connection itself tells.
	absence bulkheadv1.Absence
	// silent says that nothing came any more, not even the answer to a ping.
	silent bool
}

// end returns what the end of a connection that was welcomed says of where it went.
func (r retryable) end() route.End {
	if r.silent || r.absence == bulkheadv1.Absence_ABSENCE_SENT_AWAY {
		return route.Away
	}
	return route.Cut
}

func (r retryable) Unwrap() error { return r.error }

// broken returns a connection that the network, or the process at its far end, gave up.
func broken(err error) retryable {
	return retryable{error: err, absence: bulkheadv1.Absence_ABSENCE_NETWORK}
}

// final is an error that ends the session.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// Refusal is a status of the supervisor that ends the session.
type Refusal struct{ Status *status.Status }

func (r Refusal) Error() string {
	switch r.Status.Code() {
	case codes.DataLoss:
		return "the supervisor has put this session in quarantine and takes no more of it: " + r.Status.Message()
	case codes.Unimplemented:
		return "what listens there is not a supervisor: " + r.Status.Message()
	}
	why := r.Status.Message()
	if why == "" {
		why = "it did not say why"
	}
	if r.Status.Code() == codes.Unauthenticated {
		why += "; " + whatToShow(r.Status)
	}
	return "the supervisor refused: " + why
}

// whatToShow says by what a client proves who it is that was refused for want of that.
func whatToShow(s *status.Status) string {
	switch why, _ := reason.Of(s); why {
	case bulkheadv1.Reason_REASON_CERTIFICATE_MISSING, bulkheadv1.Reason_REASON_CERTIFICATE_WRONG:
		return "give a certificate that the supervisor knows, as --tls-cert and --tls-key"
	default:
		return "give the token the supervisor was started with, in the file of --token-file or as BULKHEAD_TOKEN"
	}
}

// Quarantined reports whether err is the supervisor's word that a session must not be
// sent again.
func Quarantined(err error) bool {
	var r Refusal
	return errors.As(err, &r) && r.Status.Code() == codes.DataLoss
}

// judge sorts the error that ended a stream: what this side decided, if it did;
// then what the supervisor said; then what became of the socket.
func (d *dialled) judge(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var f final
	var r retryable
	if err == io.EOF || errors.As(err, &f) || errors.As(err, &r) {
		return err
	}
	s := statusOf(status.Convert(err))
	again := s.Code() == codes.Unavailable || s.Code() == codes.DeadlineExceeded
	if d.answered.Load() { // the status is the supervisor's
		if again {
			return retryable{error: errors.New(s.Message()), after: retryInfo(s),
				elsewhere: elsewhereOf(s), absence: bulkheadv1.Absence_ABSENCE_SENT_AWAY}
		}
		return final{Refusal{s}}
	}
	if d.wire.mustSecure() {
		return final{errors.New("the supervisor speaks TLS alone; name the CAs of its certificate in tls.ca")}
	}
	if text, came := d.wire.goAway(); came {
		return retryable{error: errors.New(told(text)), after: protocol.RetryAfter(text),
			absence: bulkheadv1.Absence_ABSENCE_SENT_AWAY}
	}
	if again {
		b := broken(errors.New(inWords(s.Message(), d.wire.failure(), d.wire.silence())))
		b.silent = unanswered(s.Message())
		return b
	}
	return final{Refusal{s}}
}

// retryInfo returns how long a status asks to wait; 0 if it does not.
func retryInfo(s *status.Status) time.Duration {
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return max(0, info.GetRetryDelay().AsDuration())
		}
	}
	return 0
}

// elsewhereOf returns the addresses to which a status sends a client.
func elsewhereOf(s *status.Status) []string {
	for _, detail := range s.Details() {
		if other, ok := detail.(*bulkheadv1.Elsewhere); ok {
			return other.GetSupervisors()
		}
	}
	return nil
}

// unanswered reports whether a text of gRPC says that a ping was not answered.
func unanswered(text string) bool { return strings.Contains(text, "keepalive ping failed") }

// inWords returns what a text of gRPC means to a person. socket is how the socket ended, if it
// did, and silence for how long nothing had come; 0 if nothing ever had.
func inWords(text, socket string, silence time.Duration) string {
	switch {
	case unanswered(text) && silence > 0:
		return "no sign of life from the supervisor's side for " + human.BriefDuration(silence)
	case unanswered(text):
		return "never a sign of life from the supervisor's side"
	case socket != "":
		return socket
	}
	if _, inner, found := strings.Cut(text, `desc = `); found { // "connection error: desc = …"
		text = strings.Trim(inner, `"`)
	}
	return strings.TrimPrefix(text, "transport: ")
}
