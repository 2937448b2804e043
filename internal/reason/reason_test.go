package reason_test

import (
	"maps"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestOf(t *testing.T) {
	about := map[string]string{reason.Field: "hello.name"}
	for name, tt := range map[string]struct {
		detail *errdetails.ErrorInfo
		want   bulkheadv1.Reason
	}{
		"ours": {reason.Info(bulkheadv1.Reason_REASON_FIELD_INVALID, about),
			bulkheadv1.Reason_REASON_FIELD_INVALID},
		"newer":         {&errdetails.ErrorInfo{Domain: reason.Domain, Reason: "NEWER", Metadata: about}, 0},
		"somebody's":    {&errdetails.ErrorInfo{Domain: "example.org", Reason: "FIELD_INVALID"}, 0},
		"of later kind": {reason.Info(bulkheadv1.Reason(999), about), 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := status.New(codes.InvalidArgument, "why").WithDetails(protoadapt.MessageV1Of(tt.detail))
			if err != nil {
				t.Fatal(err)
			}
			got, metadata := reason.Of(s)
			if got != tt.want {
				t.Errorf("the reason is %v; want %v", got, tt.want)
			}
			if tt.detail.GetDomain() == reason.Domain && !maps.Equal(metadata, about) {
				t.Errorf("the metadata is %v; want %v", metadata, about)
			}
		})
	}
	if r, _ := reason.Of(status.New(codes.Unavailable, "the network's")); r != 0 {
		t.Errorf("a status without details has the reason %v", r)
	}
}

// Every reason has a name that a google.rpc.ErrorInfo may carry.
func TestNames(t *testing.T) {
	for n := range bulkheadv1.Reason_name {
		name := reason.Info(bulkheadv1.Reason(n), nil).GetReason()
		if len(name) > 63 || name == "" {
			t.Errorf("reason %d is named %q", n, name)
		}
	}
}
