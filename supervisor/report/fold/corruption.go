package fold

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"

	"bulkhead/internal/pathname"
	"bulkhead/internal/plaintext"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

func corruptionKind(k bulkheadv1.CorruptionKind) string {
	switch k {
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_LOST:
		return report.CorruptLost
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_TORN:
		return report.CorruptTorn
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_STALE:
		return report.CorruptStale
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_MISPLACED:
		return report.CorruptMisplaced
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_FLIPPED:
		return report.CorruptFlipped
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_TRUNCATED:
		return report.CorruptTruncated
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_UNREADABLE:
		return report.CorruptUnreadable
	case bulkheadv1.CorruptionKind_CORRUPTION_KIND_UNSPECIFIED:
		return report.CorruptUnknown
	default:
		return unknownValue(k)
	}
}

// foundCorruption is a corruption and when it was found, on the supervisor's clock.
type foundCorruption struct {
	report.Corruption
	at report.Stamp
}

// content is what a consumer said of corrupt blocks, in both ways.
type content struct {
	blocks uint64 // in Progress messages
	said   uint64 // Corruption messages, each of one block at least
}

// corrupt returns how many blocks are corrupt. A client that died may have said the one and
// not yet the other.
func (c *content) corrupt() uint64 { return max(c.blocks, c.said) }

// countCorrupt adds what p said of corrupt blocks.
func (s *sessionState) countCorrupt(p *processState, blocks, said uint64) {
	before := p.content.corrupt()
	p.content.blocks, p.content.said = report.Plus(p.content.blocks, blocks), report.Plus(p.content.said, said)
	p.writes.CorruptBlocks = p.content.corrupt()
	s.client.CorruptBlocks = report.Plus(s.client.CorruptBlocks, p.content.corrupt()-before)
}

func (s *sessionState) foldCorruption(named *bulkheadv1.Process, c *bulkheadv1.Corruption, at report.Stamp) report.Bad {
	if !saneAmounts(c.GetFileIndex(), c.GetOffsetBytes(), c.GetLengthBytes()) {
		return report.BadNumber
	}
	p, why := s.consumer(named, at)
	if why != "" {
		return why
	}
	s.countCorrupt(p, 0, 1)
	_, axis, _ := s.line.place(at, at, s.line.offset, s.recorded)
	s.corruptions.add(foundCorruption{at: max(axis, s.line.start), Corruption: report.Corruption{
		Process:     words.ProcessName(&p.public),
		FoundAt:     at,
		Path:        plaintext.Line(pathname.Of(c), plaintext.MaxText),
		FileIndex:   c.GetFileIndex(),
		OffsetBytes: c.GetOffsetBytes(),
		LengthBytes: c.GetLengthBytes(),
		Kind:        corruptionKind(c.GetKind()),
		Expected:    plaintext.Line(c.GetExpected(), plaintext.MaxText),
		Found:       plaintext.Line(c.GetFound(), plaintext.MaxText),
		Owner:       s.ownerOf(c),
	}})
	return ""
}

// ownerOf returns whose file a corruption is in, if it is another client's.
func (s *sessionState) ownerOf(c *bulkheadv1.Corruption) *report.FileOwner {
	if len(c.GetOwnerId()) == 0 && c.GetOwnerName() == "" && c.GetOwnerHost() == "" {
		return nil
	}
	return &report.FileOwner{
		ID: hex.EncodeToString(c.GetOwnerId()), Name: plaintext.Line(c.GetOwnerName(), plaintext.MaxName),
		Host: plaintext.Line(c.GetOwnerHost(), plaintext.MaxName), ReaderHost: s.client.Host,
	}
}

// corruptionList returns the corruptions that are listed, in the order in which they were said.
func (s *sessionState) corruptionList() []report.Corruption {
	list := make([]report.Corruption, 0, len(s.corruptions.items))
	for i := range s.corruptions.items {
		list = append(list, s.corruptions.items[i].Corruption)
	}
	return list
}

// corruptionEvents returns the corruptions of a client as events: one for each file.
func (s *sessionState) corruptionEvents(c *report.Client) []report.Event {
	byPath := make(map[string]*report.Event)
	places := make(map[string]int)
	for i := range s.corruptions.items {
		found := &s.corruptions.items[i]
		e := byPath[found.Path]
		if e == nil {
			e = &report.Event{At: found.at, EndAt: found.at, Kind: report.EventCorruption, Session: c.Session,
				Client: c.Label,
				Text:   fmt.Sprintf("%s: %s", c.Label, words.Place(&found.Corruption))}
			byPath[found.Path] = e
		}
		e.At, e.EndAt = min(e.At, found.at), max(e.EndAt, found.at)
		places[found.Path]++
	}
	list := make([]report.Event, 0, len(byPath))
	for path, e := range byPath {
		if n := places[path]; n > 1 {
			e.Text += fmt.Sprintf(", and %s in this file", words.Plural(uint64(n-1), "more place"))
		}
		if e.EndAt == e.At {
			e.EndAt = 0
		}
		list = append(list, *e)
	}
	slices.SortFunc(list,
		func(a, b report.Event) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Text, b.Text)) })
	return list
}
