package protocol

import (
	"testing"

	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestID(t *testing.T) {
	client := []byte("0123456789abcdef")
	id := RestID(client, "a", 5)
	if again := RestID([]byte("0123456789abcdef"), "a", 5); again != id {
		t.Errorf("%x, then %x", id, again)
	}
	for name, other := range map[string][ClientIDBytes]byte{
		"client": RestID([]byte("0123456789abcdeg"), "a", 5),
		"run":    RestID(client, "b", 5),
		"after":  RestID(client, "a", 6),
		"itself": [ClientIDBytes]byte(client),
	} {
		if other == id {
			t.Errorf("the id of another %s is the same", name)
		}
	}
}

// What is said of a session that is over is read from the metadata, never from the words; an
// outcome of a later version is one that is not known.
func TestSessionOver(t *testing.T) {
	for _, o := range []SessionOver{
		{Outcome: bulkheadv1.Outcome_OUTCOME_LOST, After: 17, Run: "20260302T140210Z-7f3a91"},
		{Outcome: bulkheadv1.Outcome_OUTCOME_QUARANTINED, Run: "r"},
		{Outcome: bulkheadv1.Outcome_OUTCOME_REJECTED, After: 1<<64 - 1, Run: "r"},
	} {
		if got, ok := SessionOverOf(o.Metadata()); !ok || got != o {
			t.Errorf("%v is read as %+v, %v", o.Metadata(), got, ok)
		}
	}
	if got, ok := SessionOverOf(map[string]string{reason.Outcome: "transcended", reason.After: "3",
		reason.Run: "r"}); !ok || got.Outcome != bulkheadv1.Outcome_OUTCOME_UNSPECIFIED {
		t.Errorf("an unknown outcome is read as %+v, %v", got, ok)
	}
	for _, bad := range []map[string]string{
		nil,
		{reason.Outcome: "lost", reason.After: "3"},
		{reason.After: "3", reason.Run: "r"},
		{reason.Outcome: "lost", reason.After: "-3", reason.Run: "r"},
		{reason.Outcome: "lost", reason.After: "99999999999999999999", reason.Run: "r"},
	} {
		if got, ok := SessionOverOf(bad); ok {
			t.Errorf("%v is read as %+v", bad, got)
		}
	}
}
