package rundir

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"bulkhead/internal/child"
	"bulkhead/internal/child/handshake"
	"bulkhead/internal/fdpass"
)

// rostered returns a line of a roster with the longest paths that there can be.
func rostered(connection uint64) Rostered {
	long := "/" + strings.Repeat("s", MaxSocketPath-ChildSocketPath-1)
	return Rostered{Connection: connection, Peer: "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff%enp0s31f6]:65535",
		Child: child.Record{Pid: int(connection) + 1000, StartTicks: 1 << 60,
			BootID:  "b5f90a66-6f0b-4a3c-9d0c-3b1c1d2e3f40",
			Address: long + "/plugin-dir0123456789/plugin0123456789", SocketDir: long + "/plugin-dir0123456789",
			Secret: handshake.Secret(fmt.Sprintf("%0*x", fdpass.SecretBytes, connection))}}
}

// wantListed checks what another supervisor finds in a roster's folder: these, and nothing bad.
func wantListed(t *testing.T, folder string, want ...uint64) {
	t.Helper()
	found, bad, err := NewRoster(folder).Load()
	var got []uint64
	for _, h := range found {
		if h != rostered(h.Connection) {
			t.Errorf("found %+v; want %+v", h, rostered(h.Connection))
		}
		got = append(got, h.Connection)
	}
	slices.Sort(got)
	if err != nil || len(bad) > 0 || !slices.Equal(got, want) {
		t.Errorf("the roster lists %v, %v, %v; want %v", got, bad, err, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRoster(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "handlers")
	r := NewRoster(folder)
	wantListed(t, folder)
	for _, connection := range []uint64{3, 12, 7, 3} {
		must(t, r.Add(rostered(connection)))
	}
	wantListed(t, folder, 3, 7, 12)
	for range 2 {
		must(t, r.Remove(12))
	}
	must(t, r.Remove(99))
	wantListed(t, folder, 3, 7)
	must(t, r.Add(rostered(13))) // in the place of 12
	wantListed(t, folder, 3, 7, 13)
	if info, err := os.Stat(r.Path()); err != nil || info.Size() != 3*rosterSlot {
		t.Errorf("the roster is %v, %v; want three lines", info.Size(), err)
	}
	must(t, r.Close())
	wantListed(t, folder, 3, 7, 13) // it is for another supervisor

	next := NewRoster(folder)
	if found, bad, err := next.Load(); err != nil || len(bad) > 0 || len(found) != 3 {
		t.Fatalf("the next supervisor finds %v, %v, %v", found, bad, err)
	}
	must(t, next.Remove(3))
	old := rostered(14) // whose supervisor had no secrets
	old.Child.Secret = ""
	must(t, next.Add(old))
	if data, err := os.ReadFile(next.Path()); err != nil || strings.Count(string(data), "secret") != 2 {
		t.Errorf("%v: the roster has other secrets than those of two handlers:\n%s", err, data)
	}
	if found, _, err := NewRoster(folder).Load(); err != nil || !slices.Contains(found, old) {
		t.Errorf("found %v, %v; want a handler without a secret", found, err)
	}
	must(t, next.Add(rostered(14)))
	wantListed(t, folder, 7, 13, 14)
	for _, connection := range []uint64{7, 13, 14} {
		must(t, next.Remove(connection))
	}
	must(t, next.Close())
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("without handlers, %v, %v is left", left, err)
	}
}

// What is no line names no handler, and the next one has its place.
func TestRosterPassesOverWhatIsNoLine(t *testing.T) {
	folder := t.TempDir()
	r := NewRoster(folder)
	for connection := range uint64(7) {
		must(t, r.Add(rostered(connection)))
	}
	file, err := os.OpenFile(r.Path(), os.O_WRONLY, 0)
	must(t, err)
	defer file.Close()
	for at, content := range []string{"{", "\x00\x00", "[]", `{"connection":6}`, strings.Repeat(" ", 40) + "x"} {
		if content == "\x00\x00" {
			content = strings.Repeat("\x00", rosterSlot)
		}
		_, err := file.WriteAt([]byte(content+strings.Repeat(" ", rosterSlot-len(content))), int64(at)*rosterSlot)
		must(t, err)
	}
	must(t, file.Truncate(7*rosterSlot-1))
	found, bad, err := NewRoster(folder).Load()
	var named []string
	for _, err := range bad {
		named = append(named, strings.SplitN(err.Error(), ":", 3)[1])
	}
	if err != nil || len(found) != 2 || found[0].Connection != 6 || found[1] != rostered(5) ||
		!slices.Equal(named, []string{" line 1", " line 3", " line 5", " line 7"}) {
		t.Errorf("found %v, bad %v, %v", found, bad, err)
	}
}

// Handlers that an earlier version noted are found, each in a file of its own, and forgotten.
func TestRosterOfAnEarlierVersion(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{
		"3.json":      `{"connection":3,"peer":"192.0.2.1:9","child":{"pid":77}}`,
		"5.json":      "{",
		"6.json":      `{"connection":7}`,
		"7.json.new":  "half",
		"9.json":      "", // begun by a supervisor that was killed
		"notes.txt":   "not ours",
		"08.json":     `{"connection":8}`,
		"latest.json": "[]",
	} {
		must(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	r := NewRoster(folder)
	found, bad, err := r.Load()
	if err != nil || len(found) != 1 || found[0].Connection != 3 || found[0].Child.Pid != 77 {
		t.Errorf("found %+v, %v; want connection 3", found, err)
	}
	var names []string
	for _, err := range bad {
		names = append(names, strings.SplitN(err.Error(), ":", 2)[0])
	}
	if got := strings.Join(names, " "); got != "08.json 5.json 6.json latest.json" {
		t.Errorf("unreadable are %q", got)
	}
	must(t, r.Sweep())
	for _, name := range []string{"7.json.new", "9.json"} {
		if _, err := os.Stat(filepath.Join(folder, name)); !os.IsNotExist(err) {
			t.Errorf("%s, which was never completed, is left: %v", name, err)
		}
	}
	for range 2 {
		must(t, r.Remove(3))
	}
	if found, _, _ := NewRoster(folder).Load(); len(found) > 0 {
		t.Errorf("found %+v after a removal", found)
	}
}

// A roster that was removed under its supervisor is made again, also while handlers come and go.
func TestRosterIsRestored(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "handlers")
	r := NewRoster(folder)
	if !r.Lost() {
		t.Error("a folder that is not there is not lost")
	}
	must(t, r.Restore())
	must(t, r.Add(rostered(1)))
	if r.Lost() {
		t.Error("the roster is lost where nothing was removed")
	}
	for name, remove := range map[string]func() error{
		"the file":   func() error { return os.Remove(r.Path()) },
		"the folder": func() error { return os.RemoveAll(folder) },
		"by another": func() error {
			return os.WriteFile(r.Path()+".other", []byte("{"), 0o600)
		},
	} {
		must(t, remove())
		if name == "by another" {
			must(t, os.Rename(r.Path()+".other", r.Path()))
		}
		if !r.Lost() {
			t.Errorf("%s: it is not lost", name)
		}
		var adding sync.WaitGroup
		for i := range uint64(20) {
			adding.Go(func() {
				if err := r.Add(rostered(100 + i)); err != nil {
					t.Errorf("%s: adding during Restore: %v", name, err)
				}
			})
		}
		must(t, r.Restore())
		adding.Wait()
		// What was added before Restore is its caller's to add again.
		for i := range uint64(20) {
			must(t, r.Add(rostered(100+i)))
		}
		must(t, r.Add(rostered(1)))
		want := []uint64{1}
		for i := range uint64(20) {
			want = append(want, 100+i)
		}
		wantListed(t, folder, want...)
		for i := range uint64(20) {
			must(t, r.Remove(100+i))
		}
		wantListed(t, folder, 1)
	}
}

// Many come and go at the same time, each in a line of its own.
func TestRosterOfMany(t *testing.T) {
	folder := t.TempDir()
	r := NewRoster(folder)
	var all sync.WaitGroup
	for i := range uint64(40) {
		all.Go(func() {
			for n := range uint64(20) {
				if err := r.Add(rostered(i*20 + n)); err != nil {
					t.Error(err)
				}
				if n%2 == 0 {
					if err := r.Remove(i*20 + n); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	var want []uint64
	for i := range uint64(800) {
		if i%2 == 1 {
			want = append(want, i)
		}
	}
	wantListed(t, folder, want...)
}

// A line that cannot be written is an error, and says of which handler.
func TestRosterSaysWhatItCannotNote(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "handlers")
	must(t, os.WriteFile(folder, nil, 0o600))
	r := NewRoster(folder)
	err := r.Add(rostered(4))
	want := fmt.Sprintf("noting handler %d: ", rostered(4).Child.Pid)
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("a file in the place of the folder: %v; want %s…", err, want)
	}
	must(t, os.Remove(folder))
	long := rostered(4)
	long.Peer = strings.Repeat("x", rosterSlot)
	if err := r.Add(long); err == nil || !strings.Contains(err.Error(), "there is room for 1023") {
		t.Errorf("a line that is too long: %v", err)
	}
	must(t, os.MkdirAll(filepath.Join(folder, rosterFile), 0o755))
	if err := NewRoster(folder).Add(rostered(4)); err == nil {
		t.Error("a handler was noted in a folder")
	}
}
