package protocol

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestWord(t *testing.T) {
	for value, want := range map[protoreflect.Enum]string{
		bulkheadv1.Pattern_PATTERN_RANDOM:                 "random",
		bulkheadv1.Pattern_PATTERN_UNSPECIFIED:            "unspecified",
		bulkheadv1.SyncPolicy_SYNC_POLICY_DSYNC:           "dsync",
		bulkheadv1.SessionState_SESSION_STATE_QUARANTINED: "quarantined",
		bulkheadv1.CorruptionKind(99):                     "99",
		bulkheadv1.VerifyMode(-1):                         "-1",
	} {
		if got := Word(value); got != want {
			t.Errorf("Word(%v) = %q; want %q", value, got, want)
		}
	}
}
