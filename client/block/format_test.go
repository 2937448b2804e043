package block

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// TestFormatIsAsDocumented makes the seals and marks of a block by the formulas of the
// package's comment, with numbers that do not overflow.
func TestFormatIsAsDocumented(t *testing.T) {
	f := testFile(Data{Random, 0}, 1<<20+600+20)
	data := written(t, openSource(t, f.Data, 3, 1<<20), f, 1<<20)
	header := data[:HeaderSize]
	a := xxhash.Sum64(header[:50])
	b := xxhash.Sum64(append(slices.Clone(header[:50]), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
	mod := func(x *big.Int) *big.Int { return x.Mod(x, new(big.Int).Lsh(big.NewInt(1), 64)) }
	number := func(x uint64) *big.Int { return new(big.Int).SetUint64(x) }
	scrambled := func(z *big.Int) uint64 {
		z = mod(z.Mul(mod(z), number(0xff51afd7ed558ccd)))
		return z.Uint64() ^ new(big.Int).Rsh(z, 33).Uint64()
	}
	mark := func(s uint64) uint64 {
		z := new(big.Int).Mul(number(s+1), number(0x9e3779b97f4a7c15))
		return scrambled(z.Add(z, number(a)))
	}
	seal := func(s uint64, payload []byte) uint64 {
		return mod(new(big.Int).Add(number(mark(s)), number(b))).Uint64() ^ xxhash.Sum64(payload)
	}
	for s := uint64(0); s*512+512 <= f.Size; s++ {
		sector := data[s*512 : s*512+512]
		if s%8 == 0 {
			if got := binary.LittleEndian.Uint64(sector[56:]); got != seal(s, sector[64:]) {
				t.Fatalf("sector %d has the seal %x", s, got)
			}
			continue
		}
		if m, got := binary.LittleEndian.Uint64(sector), binary.LittleEndian.Uint64(sector[8:]); m != mark(s) ||
			got != seal(s, sector[16:]) {
			t.Fatalf("sector %d has the mark %x and the seal %x", s, m, got)
		}
	}
	short := testFile(Data{Random, 0}, Size+20)
	tail := written(t, openSource(t, f.Data, 3, 1<<20), short, 1<<20)[Size:]
	b = xxhash.Sum64(append(stampedIdentity(&short), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
	var want []byte
	for j := range uint64(3) {
		z := new(big.Int).Mul(number(8*1+j+1), number(0x9e3779b97f4a7c15))
		want = binary.LittleEndian.AppendUint64(want, scrambled(z.Add(z, number(b))))
	}
	if !bytes.Equal(tail, want[:20]) {
		t.Errorf("a block of 20 bytes is %x, want %x", tail, want[:20])
	}
}

// stampedIdentity returns the part of a header that is the same in all blocks of a file.
func stampedIdentity(f *File) []byte {
	s := newStamper(f)
	return slices.Clone(s.header[:offsetAt])
}

// TestSharedBlocksAreAsDocumented computes the places of shared blocks by the formulas of the
// package's comment.
func TestSharedBlocksAreAsDocumented(t *testing.T) {
	for _, percent := range []uint8{0, 1, 33, 50, 100} {
		f := testFile(Data{Dedupable, percent}, 5<<20+100)
		data := written(t, openSource(t, f.Data, 3, 1<<20), f, 1<<20)
		n := (f.Size + 4095) / 4096
		for b := range f.Size / 4096 {
			r := (f.Number*n + b) % 1024
			p := uint64(percent)
			h, err := Parse(data[b*4096:])
			if err != nil {
				t.Fatal(err)
			}
			if shared := (r+1)*p/100 > r*p/100; h.Shared != shared || shared && h.Offset != 4096*(r*p/100%32) {
				t.Fatalf("%d %%: block %d is %v", percent, b, h)
			}
		}
	}
}

// TestDamageBeforeACutIsFound changes what can be checked of a sector that is cut off.
func TestDamageBeforeACutIsFound(t *testing.T) {
	f := testFile(Data{Random, 0}, 3*Size)
	good := written(t, openSource(t, f.Data, 3, 1<<20), f, 1<<20)
	for _, c := range []struct{ cut, at int }{{Size + 60, Size + 55}, {Size + 10, Size}, {Size + 512 + 6, Size + 512},
		{Size + 512 + 300, Size + 512 + 7}, {Size + 512 + 300, Size + 500}} {
		data := slices.Clone(good[:c.cut])
		if faults := checkCut(t, f, data); len(faults) != 0 {
			t.Errorf("cut off at %d: %+v", c.cut, faults)
		}
		data[c.at] ^= 2
		if faults := checkCut(t, f, data); len(faults) != 1 || faults[0].Offset != Size {
			t.Errorf("cut off at %d, changed at %d: %+v", c.cut, c.at, faults)
		}
	}
}

// checkCut checks a file that is cut off.
func checkCut(t *testing.T, f File, data []byte) []Fault {
	t.Helper()
	c, err := NewChecker(f)
	if err != nil {
		t.Fatal(err)
	}
	return c.Check(nil, 0, data)
}
