package block

import (
	"bytes"
	"fmt"
	"testing"
	"unsafe"
)

func openSources(t testing.TB, d Data, seed uint64, maxChunk, n int) *Sources {
	t.Helper()
	s, err := NewSources(d, seed, maxChunk, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestWritersTogetherMakeTheSameFiles holds every writer's chunks at the same time: none changes
// another's, and a file is the same as a single writer makes it.
func TestWritersTogetherMakeTheSameFiles(t *testing.T) {
	for _, d := range allData {
		for _, c := range []struct{ chunk, writers int }{{1000, 40}, {4096, 5}, {4096, 40}, {64 << 10, 3},
			{256 << 10, 3}, {1 << 20, 2}} {
			t.Run(fmt.Sprintf("%v_%d/%d×%d", d.Kind, d.Percent, c.chunk, c.writers), func(t *testing.T) {
				t.Parallel()
				together, alone := openSources(t, d, 42, c.chunk, c.writers), openSource(t, d, 42, c.chunk)
				files, want := make([]File, c.writers), make([][]byte, c.writers)
				for i := range files {
					files[i] = testFile(d, uint64(3*c.chunk+i*777+100))
					files[i].Number = uint64(i)
					want[i] = written(t, alone, files[i], c.chunk)
					if err := together.Source(i).Begin(files[i]); err != nil {
						t.Fatal(err)
					}
				}
				got, chunks := make([][]byte, c.writers), make([][]byte, c.writers)
				for at := uint64(0); at < files[c.writers-1].Size; at += uint64(c.chunk) {
					for i, f := range files {
						if chunks[i] = nil; at < f.Size {
							chunks[i] = together.Source(i).Chunk(at, int(min(uint64(c.chunk), f.Size-at)))
						}
					}
					for i, chunk := range chunks {
						got[i] = append(got[i], chunk...)
					}
				}
				for i, f := range files {
					if !bytes.Equal(got[i], want[i]) {
						t.Errorf("file %d of %d bytes is another one than of a writer by itself", i, f.Size)
					}
					if faults := check(t, f, got[i]); len(faults) > 0 {
						t.Errorf("file %d of %d bytes: %+v", i, f.Size, faults)
					}
				}
			})
		}
	}
}

// TestMemoryIsInProportionToChunks: but for one pool, which all share, and what large pages round
// up, writers have at most five times the chunks that they write at once, their hashes, and two blocks
// each.
func TestMemoryIsInProportionToChunks(t *testing.T) {
	for _, kind := range []Kind{Random, Zeros, Compressible, Dedupable} {
		for chunk := 1; chunk <= 64<<20; chunk *= 2 {
			for _, writers := range []int{1, 2, 4, 16, 256} {
				most := uint64(maxRing*Size + 2*largePage + writers*(5*chunk+chunk/8+2*Size))
				if m := Memory(kind, chunk, writers); m > most {
					t.Errorf("%d writers of %v chunks of %d B take %d B of memory; want at most %d", writers, kind,
						chunk, m, most)
				}
			}
		}
	}
}

// TestWritersShareNoMemory: what Memory says is what there is, and the writers' parts of it do
// not overlap.
func TestWritersShareNoMemory(t *testing.T) {
	for _, c := range []struct{ chunk, writers int }{{4096, 1}, {4096, 7}, {4096, 256}, {16 << 10, 20}, {128 << 10, 4},
		{1 << 20, 4}} {
		s := openSources(t, Data{Random, 0}, 0, c.chunk, c.writers)
		if said, is := Memory(Random, c.chunk, c.writers), uint64(len(s.memory)); said < is || said > is+is/32 {
			t.Errorf("%d × %d: %d bytes are mapped, and Memory is %d", c.writers, c.chunk, is, said)
		}
		mark := func(i int) []byte {
			source := s.Source(i)
			f := testFile(Data{Random, 0}, 1<<30)
			f.Number = uint64(i)
			if err := source.Begin(f); err != nil {
				t.Fatal(err)
			}
			return source.Chunk(0, c.chunk)
		}
		first := mark(0)
		before := bytes.Clone(first)
		for i := 1; i < c.writers; i++ {
			mark(i)
		}
		if !bytes.Equal(first, before) {
			t.Errorf("%d × %d: the first writer's chunk was changed by another one", c.writers, c.chunk)
		}
	}
}

// TestWritersAddressesFitDirectIO checks that the chunks of all writers are as far behind a
// multiple of 4096 as their offsets.
func TestWritersAddressesFitDirectIO(t *testing.T) {
	for _, chunk := range []int{512, 4096, 12 << 10, 128 << 10} {
		s := openSources(t, Data{Random, 0}, 0, chunk, 64)
		for i := range 64 {
			if err := s.Source(i).Begin(testFile(Data{Random, 0}, 1<<30)); err != nil {
				t.Fatal(err)
			}
			for at := uint64(0); at < 1<<20; at += uint64(chunk) {
				if d := uintptr(unsafe.Pointer(unsafe.SliceData(s.Source(i).Chunk(at, chunk)))); d%Size != uintptr(
					at%Size) {
					t.Fatalf("chunk of %d at %d begins at address %#x", chunk, at, d)
				}
			}
		}
	}
}
