package report

import (
	"bulkhead/internal/pathname"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Corruption is a run of blocks that did not read back as they were written.
type Corruption struct {
	// Process is the consumer that found it: "consumer 0".
	Process string `json:"process"`
	// FoundAt is when, on the client's clock.
	FoundAt   Stamp  `json:"found_at"`
	Path      string `json:"path"`
	FileIndex uint64 `json:"file_index"`
	// OffsetBytes is where in the file it begins.
	OffsetBytes uint64 `json:"offset_bytes"`
	LengthBytes uint64 `json:"length_bytes"`
	// Kind is one of the Corrupt… constants.
	Kind string `json:"kind"`
	// Expected is what should be there, and Found what is, in words.
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

// Kinds of a Corruption.
const (
	CorruptLost       = "lost"
	CorruptTorn       = "torn"
	CorruptStale      = "stale"
	CorruptMisplaced  = "misplaced"
	CorruptFlipped    = "flipped"
	CorruptTruncated  = "truncated"
	CorruptUnreadable = "unreadable"
	CorruptUnknown    = "unknown"
)

func corruptionKind(k bulkheadv1.CorruptionKind) string {
	switch k {
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_LOST:
		return CorruptLost
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_TORN:
		return CorruptTorn
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_STALE:
		return CorruptStale
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_MISPLACED:
		return CorruptMisplaced
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_FLIPPED:
		return CorruptFlipped
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_TRUNCATED:
		return CorruptTruncated
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_UNREADABLE:
		return CorruptUnreadable
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_UNSPECIFIED:
		return CorruptUnknown
	default:
		return unknownValue(k)
	}
}

// foundCorruption is a corruption and when it was found, on the supervisor's clock.
type foundCorruption struct {
	Corruption
	at Stamp
}

// content is what a consumer said of corrupt blocks, in both ways.
type content struct {
	blocks uint64 // in Progress messages
	said   uint64 // Corruption messages, each of one block at least
}

// corrupt is how many blocks are corrupt. A client that died may have said the one and
// not yet the other.
func (c *content) corrupt() uint64 { return max(c.blocks, c.said) }

// countCorrupt adds what p said of corrupt blocks.
func (s *sessionState) countCorrupt(p *processState, blocks, said uint64) {
	before := p.content.corrupt()
	p.content.blocks, p.content.said = plus(p.content.blocks, blocks), plus(p.content.said, said)
	p.writes.CorruptBlocks = p.content.corrupt()
	s.client.CorruptBlocks = plus(s.client.CorruptBlocks, p.content.corrupt()-before)
}

func (s *sessionState) foldCorruption(named *bulkheadv1.Process, c *bulkheadv1.Corruption, at Stamp) string {
	if !saneAmounts(c.GetFileIndex(), c.GetOffsetBytes(), c.GetLengthBytes()) {
		return badNumber
	}
	p, why := s.consumer(named, at)
	if why != "" {
		return why
	}
	s.countCorrupt(p, 0, 1)
	_, axis, _ := s.line.place(at, at, s.line.offset, s.recorded)
	s.corruptions.add(foundCorruption{at: max(axis, s.line.start), Corruption: Corruption{
		Process:     processName(&p.public),
		FoundAt:     at,
		Path:        clean(pathname.Of(c), maxText),
		FileIndex:   c.GetFileIndex(),
		OffsetBytes: c.GetOffsetBytes(),
		LengthBytes: c.GetLengthBytes(),
		Kind:        corruptionKind(c.GetKind()),
		Expected:    clean(c.GetExpected(), maxText),
		Found:       clean(c.GetFound(), maxText),
	}})
	return ""
}

// corruptionList is the corruptions that are listed, the first one said first.
func (s *sessionState) corruptionList() []Corruption {
	list := make([]Corruption, 0, len(s.corruptions.items))
	for i := range s.corruptions.items {
		list = append(list, s.corruptions.items[i].Corruption)
	}
	return list
}
