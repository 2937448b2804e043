package scripted

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// UnknownRun refuses the run that a client names.
func UnknownRun(current string) error {
	return Refusing(codes.FailedPrecondition, bulkheadv1.Reason_REASON_RUN_UNKNOWN,
		map[string]string{reason.Run: current})
}

func Refusing(code codes.Code, why bulkheadv1.Reason, about map[string]string) error {
	s, err := status.New(code, "in words").WithDetails(reason.Info(why, about))
	if err != nil {
		return err
	}
	return s.Err()
}
