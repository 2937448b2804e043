package client

import (
	"fmt"

	"google.golang.org/grpc/status"

	"bulkhead/internal/pathname"
	"bulkhead/internal/plural"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Reserve is free space that is left on a file system: Bytes, or Percent of the file
// system, or the smaller of the two if both are set; the zero value is none.
type Reserve struct {
	Bytes   uint64
	Percent uint32
}

// of is the reserve of a file system, in bytes.
func (r Reserve) of(fs room) uint64 {
	part := fs.total / 100 * uint64(r.Percent)
	switch {
	case r.Percent == 0:
		return r.Bytes
	case r.Bytes == 0:
		return part
	default:
		return min(r.Bytes, part)
	}
}

// reservedText says for a person which reserve a consumer came to that writes below path.
func reservedText(s *status.Status, path string) string {
	for _, detail := range s.Details() {
		r, ok := detail.(*bulkheadv1.ReserveReached)
		if !ok {
			continue
		}
		amount := sizeText
		if r.GetInodes() {
			amount = func(n uint64) string { return plural.Of(n, "inode") }
		}
		text := fmt.Sprintf("the reserve of %s on %s was reached (%s free", amount(r.GetReserve()), pathname.Printable(path), amount(r.GetFree()))
		if r.GetFree() >= r.GetReserve() { // then it would have been by what was to come
			text += fmt.Sprintf(", and %s more were to be taken", amount(r.GetClaimed()))
		}
		return text + ")"
	}
	return s.Message()
}
