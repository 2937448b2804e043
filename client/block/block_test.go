package block

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

var allData = []Data{{Random, 0}, {Zeros, 0}, {Compressible, 0}, {Compressible, 37}, {Compressible, 100},
	{Dedupable, 0}, {Dedupable, 50}, {Dedupable, 99}, {Dedupable, 100}}

func testFile(d Data, size uint64) File {
	return File{
		Owner:  Owner{Run: RunOf("20261124T032209Z-1a2b3c"), Client: [16]byte{0x1f, 15: 0xee}, Consumer: 2},
		Data:   d,
		Number: 7, Generation: 2, Size: size,
	}
}

func openSource(t testing.TB, d Data, seed uint64, maxChunk int) *Source {
	t.Helper()
	s, err := NewSources(d, seed, maxChunk, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.Source(0)
}

// written returns the whole file, made in chunks of that size.
func written(t testing.TB, s *Source, f File, chunk int) []byte {
	t.Helper()
	if err := s.Begin(f); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 0, f.Size)
	for at := uint64(0); at < f.Size; at += uint64(chunk) {
		data = append(data, s.Chunk(at, int(min(uint64(chunk), f.Size-at)))...)
	}
	return data
}

func check(t testing.TB, f File, data []byte) []Fault {
	t.Helper()
	c, err := NewChecker(f)
	if err != nil {
		t.Fatal(err)
	}
	faults := c.Check(nil, 0, data)
	if c.Unproven != 0 {
		t.Errorf("%d bytes of a whole file of %d are unproven", c.Unproven, f.Size)
	}
	return faults
}

// TestAnyChunkingMakesTheSameFile writes sizes around every boundary of the format, chunks of all
// kinds of sizes, random order, and pools of every size.
func TestAnyChunkingMakesTheSameFile(t *testing.T) {
	for _, d := range allData {
		for _, largest := range []int{65536, 1 << 20, 5 << 20} {
			t.Run(fmt.Sprintf("%v_%d_%d", d.Kind, d.Percent, largest), func(t *testing.T) {
				t.Parallel()
				s := openSource(t, d, 42, largest)
				for _, size := range []uint64{1, 8, 17, 63, 64, 65, 511, 512, 513, 520, 528, 4095, 4096, 4097,
					4096 + 63, 4096 + 64, 8192 + 600, 70_000, 1<<20 + 4096 + 100, 5<<20 + 777} {
					testAnyChunking(t, s, testFile(d, size), largest)
				}
			})
		}
	}
}

func testAnyChunking(t *testing.T, s *Source, f File, largest int) {
	want := written(t, s, f, largest)
	if faults := check(t, f, want); len(faults) > 0 {
		t.Fatalf("file of %d: %+v", f.Size, faults)
	}
	for _, chunk := range []int{1, 7, 63, 512, 1000, 4096, 4097, 65536} {
		if f.Size > 100_000 && chunk < 4096 {
			continue
		}
		if !bytes.Equal(written(t, s, f, chunk), want) {
			t.Fatalf("a file of %d in chunks of %d is another", f.Size, chunk)
		}
	}
	got := make([]byte, f.Size)
	rng := rand.New(rand.NewPCG(f.Size, 1))
	for range 20 { // not all of the file, and again over the same
		at := rng.Uint64N(f.Size)
		n := 1 + rng.IntN(int(min(f.Size-at, uint64(largest), 100_000)))
		copy(got[at:], s.Chunk(at, n))
		if !bytes.Equal(got[at:at+uint64(n)], want[at:at+uint64(n)]) {
			t.Fatalf("the chunk of %d at %d of a file of %d is another", n, at, f.Size)
		}
	}
}

// TestPoolsOfOneSizeMakeTheSameFile uses largest chunks that are not the same.
func TestPoolsOfOneSizeMakeTheSameFile(t *testing.T) {
	for _, c := range []struct {
		data         Data
		small, large int
	}{
		{Data{Random, 0}, 1000, 256 << 10},
		{Data{Random, 0}, 300 << 10, 512 << 10},
		{Data{Compressible, 37}, 3 << 20, 20 << 20},
		{Data{Zeros, 0}, 1000, 20 << 20},
		{Data{Dedupable, 50}, 1000, 20 << 20},
	} {
		f := testFile(c.data, 5<<20+777)
		if !bytes.Equal(written(t, openSource(t, c.data, 42, c.small), f, c.small),
			written(t, openSource(t, c.data, 42, c.large), f, c.large)) {
			t.Errorf("%v data in chunks of up to %d and of up to %d are not the same", c.data.Kind, c.small, c.large)
		}
	}
}

// TestSourcesOfOneSeedAreAlike compares sources of one seed, and of another.
func TestSourcesOfOneSeedAreAlike(t *testing.T) {
	for _, d := range []Data{{Random, 0}, {Compressible, 37}, {Dedupable, 50}} {
		f := testFile(d, 3<<20)
		first := written(t, openSource(t, d, 42, 1<<20), f, 1<<20)
		if !bytes.Equal(first, written(t, openSource(t, d, 42, 1<<20), f, 65536)) {
			t.Errorf("%v data of one seed are not the same", d.Kind)
		}
		if bytes.Equal(first, written(t, openSource(t, d, 43, 1<<20), f, 1<<20)) {
			t.Errorf("%v data of another seed are the same", d.Kind)
		}
	}
}

// TestEverythingInTheIdentityIsInTheBlocks changes one part of the identity at a time.
func TestEverythingInTheIdentityIsInTheBlocks(t *testing.T) {
	s := openSource(t, Data{Random, 0}, 1, 1<<20)
	f := testFile(Data{Random, 0}, 3*Size+40)
	data := written(t, s, f, 4096)
	for name, change := range map[string]func(*File){
		"run": func(f *File) { f.Run++ }, "client": func(f *File) { f.Client[15]++ },
		"consumer": func(f *File) { f.Consumer++ },
		"number":   func(f *File) { f.Number++ }, "generation": func(f *File) { f.Generation++ },
		"size": func(f *File) { f.Size++ },
	} {
		other := f
		change(&other)
		c, err := NewChecker(other)
		if err != nil {
			t.Fatal(err)
		}
		covered := uint64(0)
		for _, fault := range c.Check(nil, 0, data) {
			covered += fault.Blocks
		}
		if covered != 4 {
			t.Errorf("with another %s, %d of 4 blocks were found wrong", name, covered)
		}
	}
}

func TestCutOffFilesAreSoundAsFarAsTheyGo(t *testing.T) {
	for _, d := range allData {
		s := openSource(t, d, 3, 1<<20)
		f := testFile(d, 5*Size+700)
		data := written(t, s, f, 4096)
		for end := range len(data) {
			c, err := NewChecker(f)
			if err != nil {
				t.Fatal(err)
			}
			if faults := c.Check(nil, 0, data[:end]); len(faults) > 0 {
				t.Fatalf("%v %d cut off at %d: %+v", d.Kind, d.Percent, end, faults)
			}
			if c.Unproven >= sectorSize {
				t.Fatalf("%v cut off at %d: %d bytes unproven", d.Kind, end, c.Unproven)
			}
			if end%sectorSize == 0 && c.Unproven != 0 {
				t.Fatalf("%v cut off at %d, the end of a sector: %d bytes unproven", d.Kind, end, c.Unproven)
			}
		}
	}
}

func TestHeaderIsAsDocumented(t *testing.T) {
	f := testFile(Data{Compressible, 37}, 1<<40)
	f.Number = 0x0102030405ff
	s := openSource(t, f.Data, 9, Size)
	if err := s.Begin(f); err != nil {
		t.Fatal(err)
	}
	block := s.Chunk(1<<33, Size)
	h, err := Parse(block)
	if err != nil || h != (Header{File: f, Offset: 1 << 33}) {
		t.Fatalf("Parse gives %+v, %v", h, err)
	}
	want := append([]byte("BHB\x01\x03\x25\xff\x05\x04\x03\x02\x01\x02\x00\x00\x00"), f.Client[:]...)
	want = append(want, 0x3c, 0x2b, 0x1a, 0x71, 0xb8, 0x03, 0x6a, 0x00) // 0x6a03b871 = the time
	want = append(want, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0)
	want[32+3], want[32+4], want[32+5], want[32+6] = runBytes()
	if !bytes.Equal(block[:56], want) {
		t.Errorf("header\n%x, want\n%x", block[:56], want)
	}
	if !bytes.Equal(block[Size-1520:], make([]byte, 1520)) || block[Size-1521] == 0 && block[Size-1522] == 0 {
		t.Error("37 % of the block, 1520 B, are not the zeros at its end")
	}
}

// runBytes returns the seconds since 1970 of 2026-11-24 03:22:09 UTC.
func runBytes() (a, b, c, d byte) {
	const seconds = 20781*86400 + 3*3600 + 22*60 + 9
	return seconds & 0xff, seconds >> 8 & 0xff, seconds >> 16 & 0xff, seconds >> 24
}

func TestRuns(t *testing.T) {
	for id, want := range map[string]string{
		"":                        "",
		"20261124T032209Z-1a2b3c": "20261124T032209Z-1a2b3c",
		"19700101T000000Z-000001": "19700101T000000Z-000001",
		"99991231T235959Z-ffffff": "99991231T235959Z-ffffff",
	} {
		if got := RunOf(id).String(); got != want {
			t.Errorf("%q comes back as %q", id, got)
		}
	}
	seen := make(map[Run]string)
	for _, id := range []string{"mine", "20261124T032209Z-1A2B3C", "19700101T000000Z-000000", "20261324T032209Z-1a2b3c",
		"20261124T032209Z-1a2b3", "#", "#12", "20261124T032209Z-1a2b3g", "19690101T000000Z-000001"} {
		r := RunOf(id)
		if r&runHashed == 0 || seen[r] != "" {
			t.Errorf("%q is run %#x, as %q", id, uint64(r), seen[r])
		}
		seen[r] = id
		if again := RunOf(r.String()); again != r {
			t.Errorf("%q: %v is run %v", id, r, again)
		}
	}
}

func TestMarksTellTheSector(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	f := testFile(Data{Random, 0}, 1)
	s := newStamper(&f)
	for range 1000 {
		if z := rng.Uint64(); unscramble(scramble(z)) != z {
			t.Fatalf("unscramble(scramble(%#x)) = %#x", z, unscramble(scramble(z)))
		}
		if n := rng.Uint64() >> 16; s.sectorOf(s.mark(n)) != n {
			t.Fatalf("sector %d is sector %d by its mark", n, s.sectorOf(s.mark(n)))
		}
	}
}

func TestBadArguments(t *testing.T) {
	for _, d := range []Data{{}, {Random, 1}, {Zeros, 5}, {Compressible, 101}, {9, 0}} {
		if _, err := NewSources(d, 0, 1, 1); err == nil {
			t.Errorf("a source of %+v", d)
		}
	}
	if _, err := NewSources(Data{Random, 0}, 0, 0, 1); err == nil {
		t.Error("a source of chunks of 0 bytes")
	}
	s := openSource(t, Data{Random, 0}, 0, 10)
	for _, f := range []File{
		{Data: Data{Random, 0}}, {Data: Data{Random, 0}, Size: MaxFileSize + 1}, {Data: Data{Zeros, 0}, Size: 1},
		{Data: Data{Random, 0}, Size: 1, Number: MaxNumber + 1},
	} {
		if err := s.Begin(f); err == nil {
			t.Errorf("begun with %+v", f)
		}
	}
	if err := s.Begin(File{Data: Data{Random, 0}, Size: 100}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at   uint64
		size int
	}{{0, 0}, {0, 11}, {99, 2}, {100, 1}, {1 << 63, 1}, {0, -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a chunk of %d at %d", c.size, c.at)
				}
			}()
			s.Chunk(c.at, c.size)
		}()
	}
}
