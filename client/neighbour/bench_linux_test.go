package neighbour

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bulkhead/client/names"
)

// What the list of finished files costs: who writes, for each file that is finished, and who reads, for
// each file that is chosen. It has at most maxSlots.
func BenchmarkList(b *testing.B) {
	for _, files := range []uint64{1, 64, maxSlots} {
		b.Run(fmt.Sprintf("enter/%d", files), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), names.Finished))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			board := NewBoard(files, func(at int64, slot []byte) error { _, err := f.WriteAt(slot, at); return err })
			for n := uint64(0); b.Loop(); n++ {
				if err := board.Enter(entry([16]byte{2}, "run", n, 1)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("next/%d", files), func(b *testing.B) {
			site, other := b.TempDir(), [16]byte{2}
			list := filepath.Join(folderOf(b, site, other, "run", files), names.ConsumerFolder(2), names.Finished)
			if err := os.Truncate(list, int64(files)*slotSize); err != nil {
				b.Fatal(err)
			}
			s := search(b, site, [16]byte{1})
			for b.Loop() {
				if f, err := s.Next(nil); f == nil || err != nil {
					b.Fatal(f, err)
				}
			}
		})
	}
}
