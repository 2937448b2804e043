package value

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestKindsReadWhatTheyWrite reads each kind from a text, and again from what its String made of it.
func TestKindsReadWhatTheyWrite(t *testing.T) {
	readBack(t, ParseSize, "0B", "7kB", "64MiB", "18446744073709551615B")
	readBack(t, ParseChunkSize, "4KiB", "4KiB:70,128KiB:30")
	readBack(t, ParseFileSize, "64MiB", "1MiB..64MiB")
	readBack(t, ParseFileSync, "none", "file", "chunk", "dsync", "16MiB")
	readBack(t, ParseData, "random", "zeros", "compressible:60", "dedupable:0")
	readBack(t, ParseClients, "1", "100000", "alpha,", "alpha,bravo,c d")
	readBack(t, ParseStartups, "1:100:1", "64:30:256")
	readBack(t, ParseReserve, "auto", "0B", "7%", "7GB")
	readBack(t, ParseInodes, "auto", "0", "7%", "500")
}

func readBack[T fmt.Stringer](t *testing.T, parse func(string) (T, error), texts ...string) {
	t.Helper()
	for _, text := range texts {
		v, err := parse(text)
		if err != nil || v.String() != text {
			t.Errorf("%T from %q is %q, %v", v, text, v.String(), err)
			continue
		}
		if again, err := parse(v.String()); err != nil || !cmp.Equal(again, v) {
			t.Errorf("%T from %q reads back as %q, %v", v, text, again.String(), err)
		}
	}
}
