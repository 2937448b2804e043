package neighbour

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"bulkhead/client/block"
	"bulkhead/client/names"
)

// folderOf makes the folder of a client with one consumer, whose list has so many files.
func folderOf(t testing.TB, site string, id [16]byte, run string, files uint64) string {
	t.Helper()
	own := filepath.Join(site, names.ClientFolder("n", hex.EncodeToString(id[:])))
	consumer := filepath.Join(own, names.ConsumerFolder(2))
	if err := os.MkdirAll(consumer, 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(record{ClientID: hex.EncodeToString(id[:]), Name: "n", Run: run, Host: "h",
		Boot: hex.EncodeToString(id[:1])})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(own, names.Record), text)
	list := make([]byte, maxSlots*slotSize)
	b := NewBoard(0, func(at int64, slot []byte) error { copy(list[at:], slot); return nil })
	for n := range files {
		if err := b.Enter(entry(id, run, n, 1)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(consumer, names.Finished), list)
	return own
}

func entry(id [16]byte, run string, number uint64, generation uint32) Entry {
	return Entry{Written: 5000, File: block.File{Owner: block.Owner{Run: block.RunOf(run), Client: id, Consumer: 2},
		Data: block.Data{Kind: block.Dedupable, Percent: 40}, Number: number, Generation: generation, Size: 6000}}
}

func write(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func search(t testing.TB, site string, own [16]byte) *Search {
	t.Helper()
	dir, err := os.Open(site)
	if err != nil {
		t.Fatal(err)
	}
	s := NewSearch(dir, uint32(os.Getuid()), block.Owner{Run: block.RunOf("run"), Client: own})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestEveryFileHasItsTurn of all other clients of the run, and none of others: of another run, of the
// client itself, of another user, behind a symbolic link, or in a folder that says another id.
func TestEveryFileHasItsTurn(t *testing.T) {
	site, outside := t.TempDir(), t.TempDir()
	own, a, b := [16]byte{1}, [16]byte{2}, [16]byte{3}
	folderOf(t, site, own, "run", 1)
	folderOf(t, site, a, "run", 3)
	folderOf(t, site, b, "run", 2)
	folderOf(t, site, [16]byte{4}, "an earlier run", 1)
	linked := folderOf(t, outside, [16]byte{5}, "run", 1)
	if err := os.Symlink(linked, filepath.Join(site, filepath.Base(linked))); err != nil {
		t.Fatal(err)
	}
	lying := folderOf(t, outside, [16]byte{6}, "run", 1)
	if err := os.Rename(lying, filepath.Join(site, names.ClientFolder("n", "0700000000"))); err != nil {
		t.Fatal(err)
	}
	// Nor a list that is a link.
	behind := folderOf(t, site, [16]byte{8}, "run", 1)
	list := filepath.Join(behind, names.ConsumerFolder(2), names.Finished)
	if err := os.Rename(list, filepath.Join(outside, "list")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "list"), list); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		foreign := folderOf(t, site, [16]byte{9}, "run", 1)
		if err := os.Chown(foreign, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	s := search(t, site, own)
	seen := make(map[Entry]int)
	for range 12 {
		f, err := s.Next(nil)
		if err != nil || f == nil {
			t.Fatalf("%v, %v", f, err)
		}
		seen[f.Entry]++
		if _, err := os.Stat(filepath.Join(site, filepath.Base(filepath.Dir(filepath.Dir(s.Path(f)))))); err != nil {
			t.Errorf("%s: %v", s.Path(f), err)
		}
		if stands, err := s.Stands(f); !stands || err != nil {
			t.Errorf("%v does not stand: %v", f.Entry, err)
		}
	}
	for n := range uint64(3) {
		if got := seen[entry(a, "run", n, 1)]; got != 2 {
			t.Errorf("file %d of the first had %d turns of 12; want 2", n, got)
		}
		if got := seen[entry(b, "run", n, 1)]; n < 2 && got != 3 {
			t.Errorf("file %d of the second had %d turns of 12; want 3", n, got)
		}
	}
	if len(seen) != 5 {
		t.Errorf("files %v; want 5", seen)
	}
}

// TestAListThatIsChanged: what is struck out or entered anew no longer stands, what is restored does, and
// no bit of a slot can be another.
func TestAListThatIsChanged(t *testing.T) {
	list := make([]byte, 4*slotSize)
	b := NewBoard(4, func(at int64, slot []byte) error { copy(list[at:], slot); return nil })
	id, owner := [16]byte{7}, entry([16]byte{7}, "run", 0, 1).File.Owner
	want := func(what string, entries ...Entry) {
		t.Helper()
		got := entriesOf(list, owner)
		if len(got) != len(entries) {
			t.Fatalf("%s: %v; want %v", what, got, entries)
		}
		for i, e := range entries {
			if got[i] != e {
				t.Errorf("%s: %v; want %v", what, got[i], e)
			}
		}
	}
	did := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	did(b.Enter(entry(id, "run", 1, 1)))
	did(b.Enter(entry(id, "run", 2, 4)))
	want("entered", entry(id, "run", 1, 1), entry(id, "run", 2, 4))
	did(b.Strike(1))
	did(b.Strike(5)) // which never was in that slot
	want("struck out", entry(id, "run", 2, 4))
	did(b.Restore(1))
	did(b.Restore(3)) // which never was there
	want("restored", entry(id, "run", 1, 1), entry(id, "run", 2, 4))
	did(b.Strike(1))
	did(b.Enter(entry(id, "run", 1, 2)))
	did(b.Enter(entry(id, "run", 6, 1)))
	did(b.Strike(2)) // whose slot is that of file 6 now
	want("anew", entry(id, "run", 1, 2), entry(id, "run", 6, 1))
	for i := range slotSize * 8 {
		slot := append([]byte(nil), list[slotSize:2*slotSize]...)
		slot[i/8] ^= 1 << (i % 8)
		if e, ok := entryOf(slot, owner); ok {
			t.Errorf("with another bit %d it is %v", i, e)
		}
	}
	var none *Board
	did(none.Enter(entry(id, "run", 1, 1)))
	did(none.Strike(1))
	did(none.Restore(1))
}

// TestWhatIsGone is no error: a client that removes its folder, and a search whose own site is there.
func TestWhatIsGone(t *testing.T) {
	site := t.TempDir()
	folder := folderOf(t, site, [16]byte{2}, "run", 1)
	s := search(t, site, [16]byte{1})
	f, err := s.Next(nil)
	if err != nil || f == nil {
		t.Fatalf("%v, %v", f, err)
	}
	if n, hosts := s.Met(f); n != 1 || hosts != 1 {
		t.Errorf("files of %d clients on %d hosts", n, hosts)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if stands, err := s.Stands(f); stands || err != nil {
		t.Errorf("it stands %t, %v", stands, err)
	}
	if _, err := s.Open(f); !Gone(err) {
		t.Errorf("opening its folder: %v", err)
	}
	if next, err := s.Next(nil); next != nil || err != nil {
		t.Errorf("next is %v, %v", next, err)
	}
}

// FuzzList takes lists that others may have written.
func FuzzList(f *testing.F) {
	e := entry([16]byte{7}, "run", 9, 3)
	f.Add(e.slot())
	f.Add(make([]byte, 3*slotSize+1))
	f.Fuzz(func(t *testing.T, list []byte) {
		for _, got := range entriesOf(list, e.File.Owner) {
			if got.File.Validate() != nil || got.Written == 0 || got.Written > got.File.Size ||
				got.File.Owner != e.File.Owner {
				t.Errorf("%v", got)
			}
			if again, ok := entryOf(got.slot(), got.File.Owner); !ok || again != got {
				t.Errorf("%v reads back as %v, %t", got, again, ok)
			}
		}
	})
}
