package block

import (
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"unsafe"
)

// counter counts the bytes written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// compressed returns the share of its size to which flate compresses data.
func compressed(t *testing.T, data []byte) float64 {
	t.Helper()
	var size counter
	w, err := flate.NewWriter(&size, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return float64(size) / float64(len(data))
}

// files returns files of that size one after another, total bytes in all.
func files(t *testing.T, s *Source, d Data, size, total uint64, chunk int) []byte {
	t.Helper()
	var data []byte
	f := testFile(d, size)
	for f.Number = 0; f.Number*size < total; f.Number++ {
		data = append(data, written(t, s, f, chunk)...)
	}
	return data
}

// distinct returns the share of the blocks of that size that are not the same as an earlier one.
func distinct(data []byte, size int) float64 {
	seen := make(map[[32]byte]bool)
	n := 0
	for at := 0; at+size <= len(data); at += size {
		seen[sha256.Sum256(data[at:at+size])] = true
		n++
	}
	return float64(len(seen)) / float64(n)
}

// TestNoSectorOfRandomDataRecurs makes files of two consumers, several rounds through the pool
// each.
func TestNoSectorOfRandomDataRecurs(t *testing.T) {
	for _, size := range []uint64{8192, 100_000, 1 << 20, 12 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			d := Data{Random, 0}
			data := files(t, openSource(t, d, 1, 1<<20), d, size, 12<<20, 1<<20)
			data = append(data, files(t, openSource(t, d, 0, 1<<20), d, size, 12<<20, 1<<20)...)
			for _, block := range []int{512, 4096} {
				if share := distinct(data, block); share != 1 {
					t.Errorf("%.6f of the blocks of %d are distinct", share, block)
				}
			}
		})
	}
}

// TestNoRunOfRandomDataRecursWithinThePool slides over files of one size byte by byte
// and looks each run of 8 bytes up among those at every 128th byte before it, so it
// meets whatever recurs for 135 bytes or more.
func TestNoRunOfRandomDataRecursWithinThePool(t *testing.T) {
	for _, pool := range []struct{ chunk, size int }{
		{1000, 256 << 10}, {256 << 10, 256 << 10}, {257 << 10, 512 << 10}, {1 << 20, 1 << 20}, {9 << 20, 4 << 20},
	} {
		for _, size := range []uint64{4096, 123 * Size, 3 << 20, 12 << 20} {
			t.Run(fmt.Sprint(pool.chunk, "/", size), func(t *testing.T) {
				t.Parallel()
				d := Data{Random, 0}
				total := uint64(2*pool.size + 1<<20)
				data := files(t, openSource(t, d, 0, pool.chunk), d, size, total, pool.chunk)
				testRecurrence(t, data[:min(uint64(len(data)), total)], pool.size)
			})
		}
	}
}

// testRecurrence wants something to recur, but not before that many bytes.
func testRecurrence(t *testing.T, data []byte, pool int) {
	last := make(map[uint64]int) // where a run was last
	recurred := false
	for at := 0; at+8 <= len(data); at++ {
		key := binary.LittleEndian.Uint64(data[at:])
		// The headers of a file are alike.
		if before, ok := last[key]; ok && before < at && before%Size >= HeaderSize {
			recurred = true
			if at-before < pool {
				t.Fatalf("the run at %d recurs at %d, after %d bytes", before, at, at-before)
			}
		}
		if at%128 == 0 {
			last[key] = at
		}
	}
	if !recurred {
		t.Error("nothing recurred at all; the data is too short for this test to say anything")
	}
}

// TestCompression allows two parts in a hundred for headers and stamps, and what flate
// needs for zeros.
func TestCompression(t *testing.T) {
	for _, d := range []Data{{Random, 0}, {Zeros, 0}, {Compressible, 0}, {Compressible, 10}, {Compressible, 50},
		{Compressible, 90}, {Compressible, 100}} {
		t.Run(fmt.Sprintf("%v_%d", d.Kind, d.Percent), func(t *testing.T) {
			t.Parallel()
			want := 1 - float64(d.Percent)/100
			if d.Kind == Zeros {
				want = 0
			}
			got := compressed(t, files(t, openSource(t, d, 0, 1<<20), d, 8<<20, 8<<20, 1<<20))
			if math.Abs(got-want) > 0.02 {
				t.Errorf("compressed to %.3f of its size, want %.3f ± 0.02", got, want)
			}
		})
	}
}

// TestDistinctBlocks allows one part in a hundred: in 32 MiB, 32 shared blocks are
// 0.4 %, and so are blocks with headers in zeros data.
func TestDistinctBlocks(t *testing.T) {
	for _, d := range []Data{{Zeros, 0}, {Dedupable, 0}, {Dedupable, 25}, {Dedupable, 50}, {Dedupable, 99},
		{Dedupable, 100}} {
		for _, size := range []uint64{1 << 20, 32 << 20} {
			t.Run(fmt.Sprintf("%v_%d_%d", d.Kind, d.Percent, size), func(t *testing.T) {
				t.Parallel()
				want := 1 - float64(d.Percent)/100
				if d.Kind == Zeros {
					want = 0
				}
				got := distinct(files(t, openSource(t, d, 0, 1<<20), d, size, 32<<20, 1<<20), Size)
				if math.Abs(got-want) > 0.01 {
					t.Errorf("%.4f of the blocks are distinct, want %.2f ± 0.01", got, want)
				}
			})
		}
	}
}

func TestChunksAreAligned(t *testing.T) {
	for _, d := range allData {
		s := openSource(t, d, 0, 1<<20)
		if err := s.Begin(testFile(d, 64<<20)); err != nil {
			t.Fatal(err)
		}
		places := make(map[uintptr]bool)
		for at := uint64(0); at < 9<<20; at += 3 * sectorSize {
			chunk := s.Chunk(at, 1<<20)
			address := uintptr(unsafe.Pointer(unsafe.SliceData(chunk)))
			if address%Size != uintptr(at%Size) || cap(chunk) != len(chunk) {
				t.Fatalf("the chunk at %d is at %#x, with %d bytes behind it", at, address, cap(chunk)-len(chunk))
			}
			places[address] = true
		}
		if len(places) < 1000 {
			t.Errorf("chunks in only %d places", len(places))
		}
	}
}
