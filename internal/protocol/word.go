package protocol

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Word returns the name of a value of an enum, without the enum's own and in lower case: "random"
// for PATTERN_RANDOM. It returns the number of a value that this version does not know.
func Word(value protoreflect.Enum) string {
	values := value.Descriptor().Values()
	known := values.ByNumber(value.Number())
	if known == nil {
		return strconv.Itoa(int(value.Number()))
	}
	zero := string(values.ByNumber(0).Name()) // PATTERN_UNSPECIFIED
	return strings.ToLower(strings.TrimPrefix(string(known.Name()), strings.TrimSuffix(zero, "UNSPECIFIED")))
}
