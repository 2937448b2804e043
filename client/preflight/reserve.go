package preflight

import (
	"fmt"

	"google.golang.org/grpc/status"

	"bulkhead/internal/human"
	"bulkhead/internal/pathname"
	"bulkhead/internal/plural"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// reservedInodes returns the reserve of a file system; 0 of one that does not limit them.
func reservedInodes(r workload.InodeReserve, fs room) uint64 {
	if fs.freeInodes == unlimited {
		return 0
	}
	part := fs.inodes / 100 * uint64(r.Percent)
	if fs.inodes < 1<<32 { // exactly, where nothing can overflow
		part = fs.inodes * uint64(r.Percent) / 100
	}
	switch {
	case r.Percent == 0:
		return r.Count
	case r.Count == 0:
		return part
	default:
		return min(r.Count, part)
	}
}

// reservedBytes returns the reserve of a file system, in bytes.
func reservedBytes(r workload.Reserve, fs room) uint64 {
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

// ReservedText returns for a person which reserve a consumer came to that writes below path.
func ReservedText(s *status.Status, path string) string {
	for _, detail := range s.Details() {
		r, ok := detail.(*bulkheadv1.ReserveReached)
		if !ok {
			continue
		}
		amount := human.BriefSize
		if r.GetInodes() {
			amount = func(n uint64) string { return plural.Of(n, "inode") }
		}
		text := fmt.Sprintf("the reserve of %s on %s was reached (%s free", amount(r.GetReserve()),
			pathname.Printable(path), amount(r.GetFree()))
		if r.GetFree() >= r.GetReserve() { // then it would have been by what was to come
			text += fmt.Sprintf(", and %s more were to be taken", amount(r.GetClaimed()))
		}
		return text + ")"
	}
	return s.Message()
}
