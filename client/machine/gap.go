package machine

import (
	"errors"
	"io/fs"

	"bulkhead/internal/pathname"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Reasons of gaps.
const (
	none         = bulkheadv1.MachineGapReason_MACHINE_GAP_REASON_NONE
	notShown     = bulkheadv1.MachineGapReason_MACHINE_GAP_REASON_NOT_SHOWN
	notPermitted = bulkheadv1.MachineGapReason_MACHINE_GAP_REASON_NOT_PERMITTED
	unreadable   = bulkheadv1.MachineGapReason_MACHINE_GAP_REASON_UNREADABLE
	silent       = bulkheadv1.MachineGapReason_MACHINE_GAP_REASON_SILENT
	begunAnew    = bulkheadv1.MachineGapReason_MACHINE_GAP_REASON_BEGUN_ANEW
	tooMany      = bulkheadv1.MachineGapReason_MACHINE_GAP_REASON_TOO_MANY
)

// gap is what a sample does not tell.
type gap struct {
	part   bulkheadv1.MachinePart
	reason bulkheadv1.MachineGapReason
	about  string
}

// missing says that something is not told, unless the last sample said so.
func (r *round) missing(part bulkheadv1.MachinePart, reason bulkheadv1.MachineGapReason, about string) {
	g := gap{part, reason, clip(about)}
	if r.found[g] || len(r.found) == maxGaps {
		return
	}
	r.found[g] = true
	if !r.told[g] {
		r.out.Gaps = append(r.out.Gaps, &bulkheadv1.MachineGap{Part: part, Reason: reason, About: g.about})
	}
}

// reasonOf returns why a file could not be read.
func reasonOf(err error) bulkheadv1.MachineGapReason {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return notShown
	case errors.Is(err, fs.ErrPermission):
		return notPermitted
	default:
		return unreadable
	}
}

// clip cuts a text to what messages hold of it.
func clip(s string) string { return pathname.Clip(s, maxAbout) }
