package fold

import (
	"slices"
	"strings"

	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// lostAcknowledged reports whether a record proves that the journal lost what it had
// acknowledged: told says so, and its texts do in records of before it.
func (f *Folder) lostAcknowledged(told bool, texts ...string) bool {
	if f.recordMinor >= protocol.RecordMinorLoss {
		return told
	}
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, journal.LostAcknowledged) })
}

// tornDamaged reports whether what was set aside of the journal's end was damaged, and not
// only cut short. Records of before that field say so in words.
func (f *Folder) tornDamaged(e *bulkheadv1.SupervisorRestarted) bool {
	if f.recordMinor >= protocol.RecordMinorLoss {
		return e.GetTornDamaged()
	}
	return strings.Contains(e.GetTorn(), journal.MayBeAcknowledged)
}
