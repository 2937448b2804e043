package block

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// pair is one file in two generations, and another file of the same consumer.
type pair struct {
	file        File // generation 2
	good, older []byte
	other       []byte // file 8
}

func newPair(t *testing.T, d Data, size uint64) pair {
	t.Helper()
	s := openSource(t, d, 5, 1<<20)
	f := testFile(d, size)
	older, other := f, f
	older.Generation--
	other.Number++
	return pair{f, written(t, s, f, 1<<20), written(t, s, older, 1<<20), written(t, s, other, 1<<20)}
}

// owned returns the offsets of the whole blocks that have a header of the file.
func (p pair) owned(t *testing.T) []int {
	t.Helper()
	var all []int
	for at := 0; at+Size <= len(p.good); at += Size {
		if h, err := Parse(p.good[at:]); err == nil && !h.Shared {
			all = append(all, at)
		}
	}
	if len(all) < 2 {
		t.Fatalf("only %d blocks of their own", len(all))
	}
	return all
}

// wrong checks a damaged copy and returns the only fault in it.
func (p pair) wrong(t *testing.T, data []byte) Fault {
	t.Helper()
	c, err := NewChecker(p.file)
	if err != nil {
		t.Fatal(err)
	}
	faults := c.Check(nil, 0, data)
	if len(faults) != 1 {
		t.Fatalf("%d faults: %+v", len(faults), faults)
	}
	return faults[0]
}

func (p pair) name(number, generation, offset int) string {
	return fmt.Sprintf("block of run 20261124T032209Z-1a2b3c, client %x, consumer 2, file %d, generation %d, offset %s",
		p.file.Client, number, generation, bytesText(uint64(offset)))
}

func expect(t *testing.T, f Fault, d Damage, offset, length int, expected, found string) {
	t.Helper()
	if f.Damage != d || f.Offset != uint64(offset) || f.Length != uint64(length) || f.Expected != expected ||
		!strings.Contains(f.Found, found) {
		t.Errorf("%v at %d, length %d: expected %q, found %q; want %v at %d, length %d: expected %q, found %q",
			f.Damage, f.Offset, f.Length, f.Expected, f.Found, d, offset, length, expected, found)
	}
}

var ownData = []Data{{Random, 0}, {Zeros, 0}, {Compressible, 37}, {Compressible, 100}, {Dedupable, 50}}

func eachData(t *testing.T, test func(t *testing.T, p pair)) {
	for _, d := range ownData {
		t.Run(fmt.Sprintf("%v_%d", d.Kind, d.Percent), func(t *testing.T) {
			t.Parallel()
			test(t, newPair(t, d, 2<<20+700))
		})
	}
}

func TestAFlippedBitIsFoundWhereverItIs(t *testing.T) {
	eachData(t, func(t *testing.T, p pair) {
		rng := rand.New(rand.NewPCG(1, 1))
		c, err := NewChecker(p.file)
		if err != nil {
			t.Fatal(err)
		}
		flip := func(at int) {
			t.Helper()
			from := at / Size * Size
			block := slices.Clone(p.good[from:min(from+Size, len(p.good))])
			block[at-from] ^= 1 << rng.IntN(8)
			faults := c.Check(nil, uint64(from), block)
			if len(faults) != 1 || faults[0].Damage != Flipped || faults[0].Offset != uint64(from) ||
				faults[0].Length != uint64(len(block)) || faults[0].Found == "" {
				t.Errorf("byte %d of the block at %d: %+v", at-from, from, faults)
			}
		}
		for _, block := range []int{0, p.owned(t)[1]} {
			for at := range Size { // every byte of the header, the stamps and the payload
				flip(block + at)
			}
		}
		for range 1000 {
			flip(rng.IntN(len(p.good)))
		}
	})
}

func TestSwappedBlocksAreMisplaced(t *testing.T) {
	eachData(t, func(t *testing.T, p pair) {
		own := p.owned(t)
		a, b := own[0], own[len(own)-1]
		data := slices.Clone(p.good)
		copy(data[a:a+Size], p.good[b:])
		copy(data[b:b+Size], p.good[a:])
		c, err := NewChecker(p.file)
		if err != nil {
			t.Fatal(err)
		}
		faults := c.Check(nil, 0, data)
		if len(faults) != 2 {
			t.Fatalf("%+v", faults)
		}
		expect(t, faults[0], Misplaced, a, Size, p.name(7, 2, a), p.name(7, 2, b))
		expect(t, faults[1], Misplaced, b, Size, p.name(7, 2, b), p.name(7, 2, a))
	})
}

func TestABlockOfAnotherFileIsNamed(t *testing.T) {
	eachData(t, func(t *testing.T, p pair) {
		for at := 0; at+Size <= len(p.other); at += Size {
			h, err := Parse(p.other[at:])
			if err != nil || h.Shared {
				continue
			}
			data := slices.Clone(p.good)
			copy(data[Size*3:], p.other[at:at+Size])
			if f := p.wrong(t, data); f.Damage != Misplaced || f.Offset != Size*3 || f.Found != p.name(8, 2, at) {
				t.Errorf("%+v", f)
			}
			return
		}
	})
}

func TestAnOlderBlockIsStale(t *testing.T) {
	eachData(t, func(t *testing.T, p pair) {
		found := false
		for _, at := range p.owned(t) {
			h, err := Parse(p.older[at:])
			if err != nil || h.Shared {
				continue
			}
			found = true
			data := slices.Clone(p.good)
			copy(data[at:at+Size], p.older[at:])
			expect(t, p.wrong(t, data), Stale, at, Size, p.name(7, 2, at), p.name(7, 1, at))
		}
		if !found {
			t.Error("no block is the file's own in both generations")
		}
	})
}

func TestOlderBlocksInARowAreOneFault(t *testing.T) {
	p := newPair(t, Data{Random, 0}, 1<<20)
	data := slices.Clone(p.good)
	copy(data[5*Size:205*Size], p.older[5*Size:])
	f := p.wrong(t, data)
	expect(t, f, Stale, 5*Size, 200*Size, p.name(7, 2, 5*Size), p.name(7, 1, 5*Size))
	if f.Blocks != 200 {
		t.Errorf("%d blocks", f.Blocks)
	}
}

// TestAZeroedBlockIsLost takes every block that is not zeros anyway.
func TestAZeroedBlockIsLost(t *testing.T) {
	eachData(t, func(t *testing.T, p pair) {
		c, err := NewChecker(p.file)
		if err != nil {
			t.Fatal(err)
		}
		zeroed := 0
		for at := 0; at < len(p.good); at += Size {
			block := p.good[at:min(at+Size, len(p.good))]
			if isZero(block) {
				continue
			}
			zeroed++
			faults := c.Check(nil, uint64(at), make([]byte, len(block)))
			if len(faults) != 1 || faults[0].Damage != Lost || faults[0].Offset != uint64(at) ||
				faults[0].Found != "zeros" {
				t.Fatalf("%+v", faults)
			}
		}
		if zeroed < 2 {
			t.Errorf("only %d blocks", zeroed)
		}
	})
}

func TestForeignDataAreLost(t *testing.T) {
	eachData(t, func(t *testing.T, p pair) {
		data := slices.Clone(p.good)
		rand.NewChaCha8([32]byte{1}).Read(data[4*Size : 9*Size])
		f := p.wrong(t, data)
		if f.Damage != Lost || f.Offset != 4*Size || f.Blocks != 5 || f.Found != "data without a header" {
			t.Errorf("%+v", f)
		}
	})
}

// TestAHalfWrittenBlockIsTorn takes every number of new sectors in front of old ones,
// and the other way round.
func TestAHalfWrittenBlockIsTorn(t *testing.T) {
	p := newPair(t, Data{Random, 0}, 1<<20)
	const at = 3 * Size
	for cut := sectorSize; cut < Size; cut += sectorSize {
		n := cut / sectorSize
		data := slices.Clone(p.good)
		copy(data[at+cut:at+Size], p.older[at+cut:])
		expect(t, p.wrong(t, data), Torn, at, Size, p.name(7, 2, at),
			fmt.Sprintf("from sector %d of the %s", n, p.name(7, 1, at)))

		data = slices.Clone(p.good)
		copy(data[at:at+cut], p.older[at:])
		expect(t, p.wrong(t, data), Torn, at, Size, p.name(7, 2, at), "from sector 0 of the "+p.name(7, 1, at))

		data = slices.Clone(p.good)
		clear(data[at+cut : at+Size])
		expect(t, p.wrong(t, data), Torn, at, Size, p.name(7, 2, at), "zeros")

		data = slices.Clone(p.good)
		copy(data[at+cut:at+Size], p.good[9*Size+cut:])
		expect(t, p.wrong(t, data), Torn, at, Size, p.name(7, 2, at),
			fmt.Sprintf("from sector %d of the %s", n, p.name(7, 2, 9*Size)))
	}
}

// TestShiftedDataAreMisplaced moves a part of the file by one sector.
func TestShiftedDataAreMisplaced(t *testing.T) {
	p := newPair(t, Data{Random, 0}, 1<<20)
	data := slices.Clone(p.good)
	copy(data[8*Size:20*Size], p.good[8*Size-sectorSize:])
	f := p.wrong(t, data)
	if f.Damage != Misplaced || f.Offset != 8*Size || f.Blocks != 12 ||
		!strings.Contains(f.Found, fmt.Sprintf("offset %d B", 8*Size-sectorSize)) {
		t.Errorf("%+v", f)
	}
}

func TestShortLastBlocks(t *testing.T) {
	for _, rest := range []int{9, 40, 63, 64, 100, 512, 519, 600, 4095} {
		p := newPair(t, Data{Random, 0}, Size+uint64(rest))
		data := slices.Clone(p.good)
		clear(data[Size:])
		expect(t, p.wrong(t, data), Lost, Size, rest, p.name(7, 2, Size), "zeros")

		data = slices.Clone(p.good)
		copy(data[Size:], p.older[Size:])
		expect(t, p.wrong(t, data), Stale, Size, rest, p.name(7, 2, Size), p.name(7, 1, Size))

		for _, at := range []int{0, 8, rest / 2, rest - 1} {
			data = slices.Clone(p.good)
			data[Size+at] ^= 0x10
			expect(t, p.wrong(t, data), Flipped, Size, rest, p.name(7, 2, Size), "the same with")
		}
	}
}

func TestDataBehindTheEndAreAFault(t *testing.T) {
	for _, size := range []uint64{3 * Size, 3*Size + 100} {
		p := newPair(t, Data{Random, 0}, size)
		f := p.wrong(t, append(slices.Clone(p.good), make([]byte, 2*Size)...))
		if f.Offset != size || f.Length != 2*Size || f.Damage != Lost || f.Found != "zeros" ||
			!strings.HasPrefix(f.Expected, "the end of file 7") {
			t.Errorf("%+v", f)
		}
	}
	p := newPair(t, Data{Random, 0}, 3*Size)
	f := p.wrong(t, append(slices.Clone(p.good), p.good[Size:2*Size]...))
	if f.Offset != 3*Size || f.Length != Size || f.Damage != Misplaced || f.Found != p.name(7, 2, Size) {
		t.Errorf("%+v", f)
	}
}

// TestSharedBlocks swaps two shared blocks, and puts one of another consumer there.
func TestSharedBlocks(t *testing.T) {
	p := newPair(t, Data{Dedupable, 50}, 1<<20)
	foreign := p.file
	foreign.Consumer = 9
	theirs := written(t, openSource(t, foreign.Data, 5, 1<<20), foreign, 1<<20)
	var at []int
	for i := 0; i < len(p.good); i += Size {
		if h, err := Parse(p.good[i:]); err == nil && h.Shared {
			at = append(at, i)
		}
	}
	data := slices.Clone(p.good)
	copy(data[at[0]:at[0]+Size], p.good[at[1]:])
	f := p.wrong(t, data)
	if f.Damage != Misplaced || !strings.Contains(f.Found, "shared by the files of run") ||
		!strings.Contains(f.Expected, "shared by the files of run") {
		t.Errorf("%+v", f)
	}
	data = slices.Clone(p.good)
	copy(data[at[0]:at[0]+Size], theirs[at[0]:])
	if f := p.wrong(t, data); f.Damage != Misplaced || !strings.Contains(f.Found, "consumer 9") {
		t.Errorf("%+v", f)
	}
}
