package journal

import (
	"io"

	"bulkhead/internal/frame"
)

// lossLeast is how many zeros of a sector are surely its loss. Fewer may be what was written.
const lossLeast = 16

// loss is how well lost sectors explain what is broken. The disk has of a lost sector what was there
// before the write: zeros, but for what is before the write.
type loss int

const (
	unexplained loss = iota
	doubtful         // there are few zeros
	explained
)

// gap is a part of a segment in which there is no valid record.
type gap struct {
	f        io.ReaderAt
	from, to int64
	// size is to itself where a valid record follows. At the end of the segment, size, zeros do.
	size  int64
	atEnd bool
	// head says that the write begins at from.
	head bool
}

// loss tells whether lost sectors explain the gap: each broken record must have lost one, as
// far as it can be known where records begin.
func (g *gap) loss() (worst loss, err error) {
	worst = explained
	var header [frameBytes]byte
	for at := g.from; at < g.to; {
		n, err := g.f.ReadAt(header[:min(frameBytes, g.size-at)], at)
		if unlessEnd(err) != nil {
			return unexplained, err
		}
		l, err := g.lost(at, at+frameBytes)
		if err != nil || l != unexplained {
			return min(worst, l), err // where the next record begins is lost, too
		}
		length := int64(frame.Length(header[:]))
		end := at + frameBytes + length
		switch {
		case n < frameBytes && g.atEnd:
			return worst, nil // cut short
		case n < frameBytes || length == 0 || length > maxPayloadBytes || end > g.to && !g.atEnd:
			return unexplained, nil
		case end > g.size:
			return worst, nil // cut short
		}
		if l, err = g.lost(at, end); err != nil || l == unexplained {
			return unexplained, err
		}
		worst, at = min(worst, l), end
	}
	return worst, nil
}

// lost looks for a lost sector in the part of the gap between two offsets.
func (g *gap) lost(at, end int64) (best loss, err error) {
	var sector [sectorBytes]byte
	for start := at / sectorBytes * sectorBytes; start < min(end, g.size); start += sectorBytes {
		low, high := max(start, g.from), start+sectorBytes
		if low > start && !g.head || high > g.size && !g.atEnd {
			continue // there is a part of a valid record of the write in it
		}
		n, err := g.f.ReadAt(sector[:min(high, g.size)-low], low)
		if unlessEnd(err) != nil {
			return unexplained, err
		}
		if !allZeros(sector[:n]) {
			continue
		}
		if min(high, max(end, g.to))-low >= lossLeast {
			return explained, nil
		}
		best = doubtful
	}
	return best, nil
}

// allZeros reports whether p has no other byte.
func allZeros(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}
