package block

import "fmt"

// Damage is a kind of fault. Its values are those of CorruptionKind on the wire.
type Damage uint8

const (
	Lost       Damage = 1 // nothing that a Source made: zeros, or bytes without a header
	Torn       Damage = 2 // sectors that do not belong together
	Stale      Damage = 3 // the block of this place, from an earlier generation
	Misplaced  Damage = 4 // a block of another place, file, consumer, client or run
	Flipped    Damage = 5 // the right block with bytes that were changed
	Truncated  Damage = 6 // the file ends before the block; a Checker never finds this
	Unreadable Damage = 7 // reading it fails; a Checker never finds this
)

// String returns the kind in a word.
func (d Damage) String() string {
	words := [...]string{Lost: "lost", Torn: "torn", Stale: "stale", Misplaced: "misplaced", Flipped: "flipped",
		Truncated: "truncated", Unreadable: "unreadable"}
	if d == 0 || int(d) >= len(words) {
		return fmt.Sprintf("damage %d", uint8(d))
	}
	return words[d]
}

// Fault is a run of blocks, one behind the other, that are not what they should be, all
// in the same way.
type Fault struct {
	Offset, Length uint64 // in the file, in bytes
	Blocks         uint64
	Damage         Damage
	// Unwritten says that all that is not right is zeros, or of an earlier generation, as
	// it is where the writing of a file was not finished.
	Unwritten bool
	// FirstOnly and LastOnly say that only the first or last sector of the only block is
	// not right: if the block next to it was not written, writing may have begun or
	// stopped in that sector.
	FirstOnly, LastOnly bool
	// Expected and Found say of the first block of the run what should be there and
	// what is.
	Expected, Found string

	alike likeness
}

// IsNewer reports whether the blocks are sound ones of this place, but of a later generation of
// the file, which it returns.
func (f *Fault) IsNewer(than File) (newer File, yes bool) {
	n := f.alike.file
	yes = f.Damage == Misplaced && f.alike.shift == 0 && n.Owner == than.Owner && n.Number == than.Number &&
		n.Generation > than.Generation
	return n, yes
}

// likeness is what makes faults of neighbouring blocks one fault.
type likeness struct {
	found string // kind of what was found, without the place
	file  File   // that it is of, for stale and misplaced blocks
	shift int64  // from the place where it should be to where it is, in bytes
}

// Join makes next part of f, if it is the same fault in the blocks behind, and reports
// whether it is.
func (f *Fault) Join(next Fault) bool {
	if next.Damage != f.Damage || next.alike != f.alike || next.Unwritten != f.Unwritten ||
		next.Offset != f.Offset+f.Length {
		return false
	}
	f.FirstOnly, f.LastOnly = false, false
	f.Length += next.Length
	f.Blocks += next.Blocks
	return true
}

// add appends a fault, or makes the last one longer.
func add(faults []Fault, f Fault) []Fault {
	if n := len(faults); n > 0 && faults[n-1].Join(f) {
		return faults
	}
	return append(faults, f)
}

// String names a block: "block of run 20261124T032209Z-1a2b3c, client 1f…, consumer 2,
// file 7, generation 1, offset 8 MiB".
func (h Header) String() string {
	of := fmt.Sprintf("run %v, client %x, consumer %d", h.Run, h.Client, h.Consumer)
	if h.Run == 0 {
		of = fmt.Sprintf("no run, client %x, consumer %d", h.Client, h.Consumer)
	}
	if h.Shared {
		return fmt.Sprintf("block %d of those shared by the files of %s", h.Offset/Size, of)
	}
	return fmt.Sprintf("block of %s, file %d, generation %d, offset %s", of, h.Number, h.Generation,
		bytesText(h.Offset))
}

// bytesText returns a number of bytes in the largest unit that it is a multiple of.
func bytesText(n uint64) string {
	switch {
	case n > 0 && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n > 0 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n > 0 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	default:
		return fmt.Sprintf("%d B", n)
	}
}
