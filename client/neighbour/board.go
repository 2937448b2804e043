package neighbour

import "sync"

// Board is the list of one consumer. A file has one slot, by its number; where two would have the same
// one, others are told of the later one alone. A nil Board tells nobody anything. Its methods may be
// called at the same time.
type Board struct {
	write func(at int64, slot []byte) error

	mu    sync.Mutex
	slots []posted // guarded by mu
}

// posted is what is in a slot.
type posted struct {
	entry Entry
	told  bool // it is in the list now; otherwise it was
}

// NewBoard returns the board of a consumer that has so many files at once; 0 is without limit. write
// puts a slot into its list, which it opens for that and closes, one at a time.
func NewBoard(files uint64, write func(at int64, slot []byte) error) *Board {
	if files == 0 || files > maxSlots {
		files = maxSlots
	}
	return &Board{write: write, slots: make([]posted, files)}
}

// Enter tells others that a file is finished.
func (b *Board) Enter(e Entry) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.put(e)
}

// Strike tells others that a file is not to be read any more. What was not entered needs nothing.
func (b *Board) Strike(number uint64) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	in := b.slot(number)
	if !in.told || in.entry.File.Number != number {
		return nil
	}
	if err := b.write(b.at(number), make([]byte, slotSize)); err != nil {
		return err
	}
	in.told = false
	return nil
}

// Restore enters a file again that was struck out, and is as it was.
func (b *Board) Restore(number uint64) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	in := b.slot(number)
	if in.told || in.entry.File.Number != number || in.entry.Written == 0 {
		return nil
	}
	return b.put(in.entry)
}

// put writes an entry. The caller holds mu.
func (b *Board) put(e Entry) error {
	if err := b.write(b.at(e.File.Number), e.slot()); err != nil {
		return err
	}
	*b.slot(e.File.Number) = posted{e, true}
	return nil
}

// slot returns what is in the slot of a file. The caller holds mu.
func (b *Board) slot(number uint64) *posted { return &b.slots[number%uint64(len(b.slots))] }

// at returns where that is in the list.
func (b *Board) at(number uint64) int64 { return int64(number%uint64(len(b.slots))) * slotSize }
