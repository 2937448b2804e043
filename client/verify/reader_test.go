package verify

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/client/block"
)

func newReader(t *testing.T, o Options) *Reader {
	t.Helper()
	r, err := NewReader(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func openFile(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// check reads a file that is to be the given one.
func check(t *testing.T, path string, target Target, o Options) Result {
	t.Helper()
	r, err := newReader(t, o).Check(t.Context(), openFile(t, path), target)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ways runs test on folders where reading works in different ways.
func ways(t *testing.T, test func(t *testing.T, path string)) {
	t.Run("folder", func(t *testing.T) { test(t, t.TempDir()) })
	t.Run("memory", func(t *testing.T) { test(t, memoryFolder(t)) })
}

func TestWholeFilesAreSound(t *testing.T) {
	ways(t, func(t *testing.T, path string) {
		c := newClient(t, path, block.Data{Kind: block.Random})
		for i, size := range []uint64{1, 100, 4095, 4096, 4097, 1 << 20, 1<<20 + 1, 3<<20 - 1, 3<<20 + 4096 + 512} {
			c.write(uint64(i), 1, size)
			r := check(t, c.file(uint64(i)), Target{File: c.identity(uint64(i), 1, size)}, Options{})
			if r.Bytes != size || r.Size != size || r.Corrupt != 0 || r.Faults != nil || r.Unproven != 0 ||
				r.Unwritten != 0 {
				t.Errorf("a file of %d: %+v", size, r)
			}
			if strings.HasPrefix(path, "/dev/shm") && r.Cached != size {
				t.Errorf("%d of %d bytes in memory count as cached", r.Cached, size)
			}
		}
	})
}

func TestFaultsOfEveryKind(t *testing.T) {
	const size = 3<<20 + 700
	ways(t, func(t *testing.T, path string) {
		c := newClient(t, path, block.Data{Kind: block.Random})
		older, good := c.content(3, 1, size), c.content(3, 2, size)
		name := c.file(3)
		c.write(3, 2, size)
		flip(t, name, 5)                                         // a header
		flip(t, name, 2*block.Size+512)                          // a stamp
		c.put(name, 10*block.Size, make([]byte, 300*block.Size)) // over the end of what is read at once
		c.put(name, 400*block.Size, older[400*block.Size:402*block.Size])
		c.put(name, 500*block.Size, good[501*block.Size:502*block.Size])
		c.put(name, 501*block.Size, good[500*block.Size:501*block.Size])
		c.put(name, 600*block.Size+2048, older[600*block.Size+2048:601*block.Size])
		if err := os.Truncate(name, 700*block.Size+1000); err != nil {
			t.Fatal(err)
		}
		target := Target{File: c.identity(3, 2, size)}
		r := check(t, name, target, Options{})
		want := []struct {
			at, blocks uint64
			damage     block.Damage
		}{
			{0, 1, block.Flipped}, {2, 1, block.Flipped}, {10, 300, block.Lost}, {400, 2, block.Stale},
			{500, 1, block.Misplaced}, {501, 1, block.Misplaced}, {600, 1, block.Torn},
		}
		if len(r.Faults) != len(want)+1 {
			t.Fatalf("%d faults: %+v", len(r.Faults), r.Faults)
		}
		sum := uint64(0)
		for i, w := range want {
			f := r.Faults[i]
			sum += f.Blocks
			if f.Offset != w.at*block.Size || f.Blocks != w.blocks || f.Length != w.blocks*block.Size ||
				f.Damage != w.damage || !strings.Contains(f.Expected, "file 3, generation 2, offset") {
				t.Errorf("%+v, want %v of %d blocks at block %d", f, w.damage, w.blocks, w.at)
			}
		}
		end := r.Faults[len(want)]
		if end.Damage != block.Truncated || end.Offset != 700*block.Size+1000 || end.Offset+end.Length != size ||
			end.Blocks != 69 {
			t.Errorf("%+v", end)
		}
		if r.Corrupt != sum+end.Blocks || r.Unproven != 1000-512-16+8 {
			t.Errorf("%d corrupt blocks, %d bytes unproven", r.Corrupt, r.Unproven)
		}

		bounded := check(t, name, target, Options{MaxFaults: 3})
		if len(bounded.Faults) != 3 || bounded.Omitted != 5 || bounded.Corrupt != r.Corrupt {
			t.Errorf("bounded: %d faults, %d omitted, %d blocks", len(bounded.Faults), bounded.Omitted, bounded.Corrupt)
		}
	})
}

// TestUnfinishedFiles checks that what was not written is no fault, and that everything else is.
func TestUnfinishedFiles(t *testing.T) {
	const size = 2 << 20
	c := newClient(t, t.TempDir(), block.Data{Kind: block.Random})
	c.write(0, 1, size)
	c.put(c.file(0), 0, c.content(0, 2, size)[:100*block.Size+1024])
	c.put(c.file(0), 300*block.Size, make([]byte, block.Size))
	target := Target{File: c.identity(0, 2, size), Unfinished: true}
	r := check(t, c.file(0), target, Options{})
	if r.Corrupt != 0 || r.Unwritten != size-100*block.Size || r.Bytes != size {
		t.Errorf("%+v", r)
	}
	flip(t, c.file(0), 99*block.Size+4000)
	flip(t, c.file(0), 400*block.Size+4000) // in the generation before
	r = check(t, c.file(0), target, Options{})
	if r.Corrupt != 2 || len(r.Faults) != 2 || r.Faults[0].Damage != block.Flipped ||
		r.Faults[0].Offset != 99*block.Size || r.Faults[1].Offset != 400*block.Size {
		t.Errorf("%+v", r)
	}
	put(t, c.file(1), 0, c.content(1, 1, size)[:100*block.Size])
	flip(t, c.file(1), 100*block.Size-10) // in the last sector of all
	if r := check(t, c.file(1), Target{File: c.identity(1, 1, size), Unfinished: true}, Options{}); r.Corrupt != 1 ||
		r.Unwritten != 0 {
		t.Errorf("%+v", r)
	}
	target.Unfinished = false
	if r := check(t, c.file(0), target, Options{}); r.Corrupt != 512-100+1 {
		t.Errorf("as a finished file it has %d corrupt blocks", r.Corrupt)
	}
}

// TestWritingMayStopAnywhere stops it at every byte of two blocks, in a file that held
// zeros or an earlier generation, and then damages what was written.
func TestWritingMayStopAnywhere(t *testing.T) {
	const size = 5 * block.Size
	path := filepath.Join(memoryFolder(t), "file")
	c := newClient(t, "", block.Data{Kind: block.Random})
	good := c.content(0, 2, size)
	reader := newReader(t, Options{})
	for _, before := range [][]byte{make([]byte, size), c.content(0, 1, size)} {
		put(t, path, 0, before)
		f := openFile(t, path)
		for cut := 2 * block.Size; cut < 4*block.Size; cut++ {
			put(t, path, 0, good[:cut])
			r, err := reader.Check(t.Context(), f, Target{File: c.identity(0, 2, size), Unfinished: true})
			if err != nil || r.Corrupt != 0 || r.Unwritten < uint64(size-cut) ||
				r.Unwritten > uint64(size-cut+block.Size) {
				t.Fatalf("stopped at %d: %v, %+v", cut, err, r)
			}
		}
		for begin := 2 * block.Size; begin < 4*block.Size; begin++ {
			if begin%block.Size > 7*512 {
				continue // the block begins unwritten and ends in the sector
			}
			put(t, path, 0, before[:begin])
			put(t, path, int64(begin), good[begin:])
			r, err := reader.Check(t.Context(), f, Target{File: c.identity(0, 2, size), Unfinished: true})
			if err != nil || r.Corrupt != 0 {
				t.Fatalf("begun at %d: %v, %+v", begin, err, r)
			}
		}
		for at := range 2 * block.Size {
			put(t, path, 0, good[:3*block.Size])
			put(t, path, 3*block.Size, before[3*block.Size:])
			flip(t, path, int64(at))
			r, err := reader.Check(t.Context(), f, Target{File: c.identity(0, 2, size), Unfinished: true})
			if err != nil || r.Corrupt != 1 {
				t.Fatalf("flipped at %d: %v, %+v", at, err, r)
			}
		}
	}
}

// TestUnreadableBlocks reads the memory of this process as a file. Its lowest pages are
// not there, and reading them is EIO.
func TestUnreadableBlocks(t *testing.T) {
	const hole, size = 1 << 20, 3 << 20
	c := newClient(t, t.TempDir(), block.Data{Kind: block.Random})
	good := c.content(0, 1, size)
	memory, err := unix.MmapPtr(-1, 0, unsafePointer(hole), size-hole, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_FIXED_NOREPLACE)
	if err != nil {
		t.Skipf("mapping memory at 1 MiB: %v", err)
	}
	defer func() {
		if err := unix.MunmapPtr(memory, size-hole); err != nil {
			t.Error(err)
		}
	}()
	copy(bytesAt(memory, size-hole), good[hole:])
	bytesAt(memory, size-hole)[5000] ^= 1

	f := openFile(t, "/proc/self/mem")
	reader := newReader(t, Options{})
	p, err := reader.begin(f, Target{File: c.identity(0, 1, size)}, size)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := p.result
	if len(r.Faults) != 2 || r.Bytes != size-hole || r.Corrupt != hole/block.Size+1 {
		t.Fatalf("%d bytes, %d corrupt blocks, %+v", r.Bytes, r.Corrupt, r.Faults)
	}
	if u := r.Faults[0]; u.Damage != block.Unreadable || u.Offset != 0 || u.Length != hole ||
		!strings.Contains(u.Found, unix.EIO.Error()) || u.Expected == "" {
		t.Errorf("%+v", u)
	}
	if u := r.Faults[1]; u.Damage != block.Flipped || u.Offset != hole+block.Size {
		t.Errorf("%+v", u)
	}
}

// TestCheckEndsWithTheContext cancels from within a read.
func TestCheckEndsWithTheContext(t *testing.T) {
	const size = 5 << 20
	c := newClient(t, t.TempDir(), block.Data{Kind: block.Random})
	c.write(0, 1, size)
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	reader := newReader(t, Options{Call: func(call func() error) error {
		if calls++; calls == 3 { // the second read
			cancel()
		}
		return call()
	}})
	r, err := reader.Check(ctx, openFile(t, c.file(0)), Target{File: c.identity(0, 1, size)})
	if !errors.Is(err, context.Canceled) || r.Bytes != 2*bufferSize || r.Corrupt != 0 {
		t.Errorf("%v after %d bytes: %+v", err, r.Bytes, r)
	}
}

// TestReadingWithoutDirect checks that the page cache is dropped, and that what stays is counted.
func TestReadingWithoutDirect(t *testing.T) {
	const size = 4 << 20
	c := newClient(t, t.TempDir(), block.Data{Kind: block.Random})
	c.write(0, 1, size)
	f := openFile(t, c.file(0))
	if f.shared {
		t.Skip("the folder for tests is on a file system with a cache of its own")
	}
	if err := f.leaveDirect(); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, size)
	if _, err := f.read(buffer, 0); err != nil {
		t.Fatal(err)
	}
	if cached := f.resident(size); cached != size {
		t.Fatalf("just read, and %d of %d bytes are cached", cached, size)
	}
	lockInCache(t, f.fd())
	r, err := newReader(t, Options{}).Check(t.Context(), f, Target{File: c.identity(0, 1, size)})
	if err != nil || r.Bytes != size || r.Corrupt != 0 || r.Cached < 1<<20 || r.Cached == size {
		t.Errorf("%v: %d of %d bytes may have come from the cache, of which 1 MiB is locked there: %+v", err, r.Cached,
			r.Bytes, r.Faults)
	}
}

func TestDirectReadsAreNotCached(t *testing.T) {
	const size = 4<<20 + 5
	c := newClient(t, t.TempDir(), block.Data{Kind: block.Random})
	c.write(0, 1, size)
	f := openFile(t, c.file(0))
	if !f.direct || f.shared {
		t.Skip("the folder for tests has no O_DIRECT")
	}
	r, err := newReader(t, Options{}).Check(t.Context(), f, Target{File: c.identity(0, 1, size)})
	if err != nil || r.Bytes != size || r.Cached != 0 || !f.direct {
		t.Errorf("%v: %+v, direct %v", err, r, f.direct)
	}
}

// TestDirectReadsThatAreCachedAreNotBelieved uses an ext4 that journals data: it takes O_DIRECT and
// reads through the page cache.
func TestDirectReadsThatAreCachedAreNotBelieved(t *testing.T) {
	const size = 4 << 20
	image, folder := filepath.Join(t.TempDir(), "image"), t.TempDir()
	put(t, image, 32<<20, []byte("x"))
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-F", image},
		{"mount", "-o", "loop,data=journal", image, folder}} {
		if said, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%s: %v: %s", command[0], err, said)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	c := newClient(t, folder, block.Data{Kind: block.Random})
	c.write(0, 1, size)
	f := openFile(t, c.file(0))
	if f.direct || f.proven {
		t.Errorf("direct %v, proven %v, of a file system that says otherwise", f.direct, f.proven)
	}
	lockInCache(t, f.fd())
	r, err := newReader(t, Options{}).Check(t.Context(), f, Target{File: c.identity(0, 1, size)})
	if err != nil || r.Bytes != size || r.Corrupt != 0 || r.Cached < 1<<20 {
		t.Errorf("%v: %d of %d bytes may have come from the cache, of which 1 MiB is locked there: %+v", err, r.Cached,
			r.Bytes, r.Faults)
	}
}

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	folder := t.TempDir()
	put(t, filepath.Join(folder, "file"), 0, []byte("x"))
	if err := os.Symlink("file", filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(folder, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"link": "symbolic link", "fifo": "not a regular file",
		".": "not a regular file", "none": "no such file"} {
		f, err := Open(folder + "/" + name)
		if err == nil {
			f.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open %s: %v, want %q", name, err, want)
		}
	}
}

// TestAnyDamageIsFound damages a file in random ways and looks for each block.
func TestAnyDamageIsFound(t *testing.T) {
	const size = 2<<20 + 300
	c := newClient(t, t.TempDir(), block.Data{Kind: block.Compressible, Percent: 40})
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		c.write(0, 1, size)
		damaged := make(map[uint64]bool)
		for range 1 + rng.IntN(10) {
			at := rng.Uint64N(size)
			damaged[at/block.Size] = !damaged[at/block.Size] || true
			put(t, c.file(0), int64(at), []byte{c.content(0, 1, size)[at] ^ byte(1+rng.IntN(255))})
		}
		r := check(t, c.file(0), Target{File: c.identity(0, 1, size)}, Options{})
		if r.Corrupt != uint64(len(damaged)) {
			t.Errorf("%d blocks damaged, %d found", len(damaged), r.Corrupt)
		}
		for _, f := range r.Faults {
			for at := f.Offset / block.Size; at < f.Offset/block.Size+f.Blocks; at++ {
				if !damaged[at] {
					t.Errorf("block %d is sound: %+v", at, f)
				}
			}
		}
	}
}

// lockInCache keeps the first MiB of a file in the page cache until the test ends.
func lockInCache(t *testing.T, fd int) {
	t.Helper()
	locked, err := unix.Mmap(fd, 0, 1<<20, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(locked) })
	if err := unix.Mlock(locked); err != nil {
		t.Skipf("locking memory: %v", err)
	}
}
