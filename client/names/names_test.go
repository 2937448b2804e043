package names

import (
	"encoding/hex"
	"testing"
)

func TestAClientsFolderIsOnePathElement(t *testing.T) {
	const id = "abcdef0102030405060708090a0b0c0d"
	for name, want := range map[string]string{
		"host-1.example": "bulkhead-host-1.example-abcdef01",
		"../../etc":      "bulkhead-.._.._etc-abcdef01",
		"a b\x00ü":       "bulkhead-a_b__-abcdef01",
	} {
		got := ClientFolder(name, id)
		if got != want {
			t.Errorf("ClientFolder(%q) = %q; want %q", name, got, want)
		}
		if of, ok := ClientIn(got); !ok || hex.EncodeToString(of) != id[:8] {
			t.Errorf("%s is of client %x, %v", got, of, ok)
		}
	}
}

func TestNamesSayWhatTheyStandFor(t *testing.T) {
	for _, n := range []uint64{0, 7, 99_999_999, 123_456_789_012} {
		if got, ok := LoadFileIn(LoadFile(n)); !ok || got != n || !IsLoadFile(LoadFile(n)) {
			t.Errorf("%s has number %d, %v", LoadFile(n), got, ok)
		}
	}
	for _, i := range []int{0, 9, 1023} {
		if got, ok := ConsumerIn(ConsumerFolder(i)); !ok || int(got) != i {
			t.Errorf("%s is of consumer %d, %v", ConsumerFolder(i), got, ok)
		}
	}
	for _, name := range []string{"", "load-7.dat", "load-00000007.dat.bak", "load-1234567890123456789.dat",
		"consumer-", "consumer-x", "consumer-12345678901", "bulkhead-x-abcdef0g", "bulkhead-abcdef01", "notes.txt"} {
		_, load := LoadFileIn(name)
		_, consumer := ConsumerIn(name)
		_, client := ClientIn(name)
		if load || consumer || client || IsConsumers(name) || IsClients(name) || IsWorkDir(name) {
			t.Errorf("%q is taken for a name of ours", name)
		}
	}
	if !IsWorkDir("bulkhead-123") || IsWorkDir("bulkhead-") || IsWorkDir("bulkhead-12x") {
		t.Error("working folders are not told from others")
	}
}
