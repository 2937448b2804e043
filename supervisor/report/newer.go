package report

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// newFact is why a message of a newer client is not used: it is as durable as every other,
// but says what this version cannot read. That is no fault of the client's.
const newFact = "of a newer client, with a fact that this version does not know"

// isNewer says whether a message without a known fact has one that is not known here.
func isNewer(m *bulkheadv1.Message) bool { return len(m.ProtoReflect().GetUnknown()) > 0 }

// unknownValue is the name of a value of an enum that this version does not know, "" for
// the one that stands for nothing.
func unknownValue[E protoreflect.Enum](e E) string {
	if e.Number() == 0 {
		return ""
	}
	return fmt.Sprintf("%s (%d)", unknownWord, e.Number())
}

const unknownWord = "unknown"
