package block

import (
	"bytes"
	"slices"
	"testing"
)

// FuzzCheckAny checks any bytes as the file that their first header says, and as one
// that they cannot be: the faults are in order, within the data, and named.
func FuzzCheckAny(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		file := testFile(Data{Random, 0}, 5000)
		offset := uint64(0)
		if h, err := Parse(data); err == nil && !h.Shared {
			file, offset = h.File, h.Offset
		}
		c, err := NewChecker(file)
		if err != nil {
			t.Fatalf("%+v was parsed, but is none: %v", file, err)
		}
		at, blocks := offset, uint64(0)
		for _, fault := range c.Check(nil, offset, data) {
			if fault.Offset < at || fault.Length == 0 || fault.Damage < Lost || fault.Damage > Flipped ||
				fault.Expected == "" || fault.Found == "" {
				t.Fatalf("%+v behind %d", fault, at)
			}
			at = fault.Offset + fault.Length
			blocks += fault.Blocks
		}
		if end := offset + uint64(len(data)); at > end || blocks > uint64(len(data))/Size+2 {
			t.Fatalf("%d blocks are wrong, up to %d of %d bytes", blocks, at, end)
		}
		if n := c.Unproven; n >= sectorSize {
			t.Fatalf("%d bytes unproven", n)
		}
	})
}

// FuzzCheckDamaged changes a file anyhow: there is a fault exactly where it is changed.
func FuzzCheckDamaged(f *testing.F) {
	sources := make(map[Data]*Sources) // making one takes longer than all the rest
	f.Cleanup(func() {
		for _, s := range sources {
			if err := s.Close(); err != nil {
				f.Error(err)
			}
		}
	})
	f.Fuzz(func(t *testing.T, kind, percent byte, size uint16, at uint16, change []byte) {
		file := testFile(Data{Kind: Kind(kind), Percent: percent}, uint64(size))
		if file.Validate() != nil {
			t.Skip()
		}
		if sources[file.Data] == nil {
			s, err := NewSources(file.Data, 77, 1<<16, 1)
			if err != nil {
				t.Fatal(err)
			}
			sources[file.Data] = s
		}
		good := written(t, sources[file.Data].Source(0), file, 1<<16)
		data := slices.Clone(good)
		for i := range change {
			if int(at)+i < len(data) {
				data[int(at)+i] ^= change[i]
			}
		}
		c, err := NewChecker(file)
		if err != nil {
			t.Fatal(err)
		}
		for from := 0; from < len(data); from += Size {
			to := min(from+Size, len(data))
			changed := !bytes.Equal(data[from:to], good[from:to])
			if faults := c.Check(nil, uint64(from), data[from:to]); (len(faults) == 1) != changed {
				t.Fatalf("the block at %d, changed %v: %+v", from, changed, faults)
			}
		}
	})
}
