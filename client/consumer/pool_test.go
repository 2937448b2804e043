package consumer

import (
	"compress/flate"
	"encoding/binary"
	"fmt"
	"testing"
	"unsafe"
)

// written returns what files of the given size, in chunks of the given size,
// would hold: total bytes of them, one after another.
func written(t *testing.T, p *pool, chunk, file, total int) []byte {
	t.Helper()
	var data []byte
	for len(data) < total {
		for left := file; left > 0; left -= min(chunk, left) {
			window := p.next(min(chunk, left))
			if want := min(chunk, left); len(window) != want {
				t.Fatalf("a window of %d bytes, want %d", len(window), want)
			}
			data = append(data, window...)
		}
	}
	return data
}

func openPool(t testing.TB, chunk int) *pool {
	t.Helper()
	p, err := newPool(chunk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// TestNoBlockRecurs looks at every aligned block of the data of two consumers
// with several rounds through their pools.
func TestNoBlockRecurs(t *testing.T) {
	for _, c := range []struct{ chunk, file int }{
		{1 << 20, 4 << 20}, {4096, 1 << 20}, {512, 1 << 20}, {65536 + 1, 1 << 20}, {1000, 999_999}, {100, 8192}, {6 << 20, 12 << 20},
	} {
		t.Run(fmt.Sprintf("%d_%d", c.chunk, c.file), func(t *testing.T) {
			t.Parallel()
			for _, block := range []int{512, 4096} {
				seen := make(map[string]bool)
				for range 2 {
					data := written(t, openPool(t, c.chunk), c.chunk, c.file, 12<<20)
					for at := 0; at+block <= len(data); at += block {
						key := string(data[at : at+block])
						if seen[key] {
							t.Fatalf("the block of %d bytes at %d was there before", block, at)
						}
						seen[key] = true
					}
				}
			}
		})
	}
}

// TestDataDoesNotCompress takes files of several rounds through the pool.
func TestDataDoesNotCompress(t *testing.T) {
	for _, c := range []struct{ chunk, file int }{{1 << 20, 10 << 20}, {4096, 10 << 20}, {1000, 10_000_001}, {512, 8 << 20}} {
		t.Run(fmt.Sprintf("%d_%d", c.chunk, c.file), func(t *testing.T) {
			t.Parallel()
			data := written(t, openPool(t, c.chunk), c.chunk, c.file, c.file)
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
			if share := float64(size) / float64(len(data)); share < 0.99 {
				t.Errorf("compressed to %.3f of its size", share)
			}
		})
	}
}

// counter counts the bytes written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// TestNoRunRecursWithinItsWindow slides over the data byte by byte and looks
// each run of 8 bytes up among those at every 128th byte before it, so it meets
// whatever recurs for 135 bytes or more.
func TestNoRunRecursWithinItsWindow(t *testing.T) {
	for _, c := range []struct{ chunk, file, window int }{
		{1 << 20, 3 << 20, poolBase}, {4096, 1 << 20, poolBase}, {3 << 20, 6 << 20, poolBase},
		{4097, 4097 * 50, poolBase / 2}, {513, 5000, poolBase / 2}, {512, 1 << 20, poolBase / 2},
	} {
		t.Run(fmt.Sprintf("%d_%d", c.chunk, c.file), func(t *testing.T) {
			t.Parallel()
			data := written(t, openPool(t, c.chunk), c.chunk, c.file, 9<<20)
			last := make(map[uint64]int) // where a run was last
			recurred := false
			for at := 0; at+8 <= len(data); at++ {
				key := binary.LittleEndian.Uint64(data[at:])
				if before, ok := last[key]; ok && before < at {
					recurred = true
					if at-before < c.window {
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
		})
	}
}

func TestWindowsArePageAligned(t *testing.T) {
	for _, chunk := range []int{4096, 5000, 1 << 20} {
		p := openPool(t, chunk)
		moved := make(map[uintptr]bool)
		for i := range 2000 {
			window := p.next(chunk - i%2)
			at := uintptr(unsafe.Pointer(unsafe.SliceData(window)))
			if at%pageSize != 0 {
				t.Fatalf("a window for chunks of %d bytes at %#x", chunk, at)
			}
			moved[at] = true
		}
		if len(moved) < 4 {
			t.Errorf("windows for chunks of %d bytes at only %d places", chunk, len(moved))
		}
	}
}
