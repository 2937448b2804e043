package words

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// Reads returns what was read beside the writing, at what rate, and from where; "" if nothing was to
// be read.
func Reads(w *report.Writes) string {
	r := w.Reads
	if r == nil {
		return ""
	}
	text := fmt.Sprintf("%s in %s", human.Size(r.Bytes), Plural(r.Operations, "read"))
	if r.BytesPerSecond > 0 {
		text += fmt.Sprintf("; %s MB/s", human.Megabytes(r.BytesPerSecond))
	}
	text += "; " + Cached(r)
	if r.VerifiedBytes > 0 {
		text += fmt.Sprintf("; %s compared", human.Size(r.VerifiedBytes))
	}
	if others := neighbours(r); others != "" {
		text += "; " + others
	}
	if r.Errors == 0 {
		return text + "; no errors"
	}
	return text + "; " + Plural(r.Errors, "error")
}

// neighbours returns whose files were read, if they are other clients', and what became of that; "" if
// there is nothing to say.
func neighbours(r *report.Reads) string {
	var parts []string
	if r.Neighbours > 0 {
		where := "all on the host of the reader"
		if r.NeighbourHosts > 0 {
			where = "on " + Plural(uint64(r.NeighbourHosts), "other host")
		}
		parts = append(parts, "files of "+Plural(uint64(r.Neighbours), "other client")+" "+where)
	}
	if r.GoneFiles > 0 {
		parts = append(parts, Plural(r.GoneFiles, "file")+" gone before the end")
	}
	if r.WaitedNano > 0 {
		parts = append(parts, "waited "+human.Duration(r.WaitedNano)+" for files of others")
	}
	return strings.Join(parts, ", ")
}

// ComparedBytes returns how much was compared with what was written, by readers too.
func ComparedBytes(w *report.Writes) uint64 {
	if w.Reads == nil {
		return w.VerifiedBytes
	}
	return report.Plus(w.VerifiedBytes, w.Reads.VerifiedBytes)
}

// Cached returns how much of what was read came from the page cache, as far as the system told.
func Cached(r *report.Reads) string {
	switch {
	case r.ToldBytes == 0:
		return "whether from the page cache is not told"
	case r.CachedBytes == 0:
		return "nothing from the page cache"
	default:
		return CachedShare(r) + " from the page cache"
	}
}

// CachedShare returns the share of it that came from the page cache; "" if the system did not tell.
func CachedShare(r *report.Reads) string {
	if r.ToldBytes == 0 {
		return ""
	}
	return human.ThreeDigits(100*float64(r.CachedBytes)/float64(r.ToldBytes)) + " %"
}
