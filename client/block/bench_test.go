package block

import (
	"fmt"
	"testing"
)

// BenchmarkChunk measures what making data costs, for each GB and for each block.
func BenchmarkChunk(b *testing.B) {
	for _, d := range []Data{{Random, 0}, {Zeros, 0}, {Compressible, 50}, {Dedupable, 50}} {
		for _, chunk := range []int{1000, 4096, 128 << 10, 1 << 20, 10 << 20} {
			b.Run(fmt.Sprintf("%v/%d", d.Kind, chunk), func(b *testing.B) {
				s := openSource(b, d, 1, chunk)
				if err := s.Begin(testFile(d, 1<<40)); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(chunk))
				b.ReportAllocs()
				at := uint64(0)
				for b.Loop() {
					s.Chunk(at, chunk)
					at += uint64(chunk)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(at)*Size, "ns/block")
			})
		}
	}
}

// BenchmarkCheck measures how fast data that were read are checked.
func BenchmarkCheck(b *testing.B) {
	for _, d := range []Data{{Random, 0}, {Zeros, 0}, {Compressible, 50}, {Dedupable, 50}} {
		b.Run(d.Kind.String(), func(b *testing.B) {
			f := testFile(d, 1<<20)
			data := written(b, openSource(b, d, 1, 1<<20), f, 1<<20)
			c, err := NewChecker(f)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if faults := c.Check(nil, 0, data); faults != nil {
					b.Fatal(faults)
				}
			}
		})
	}
}
