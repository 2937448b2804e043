package site

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"bulkhead/client/names"
	"bulkhead/client/spec"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/scripted"
)

// foldersOf returns the folders of a client that is about to make them in path.
func foldersOf(t *testing.T, path string, change func(*spec.Config)) (*Folders, *scripted.LogLines) {
	t.Helper()
	log := new(scripted.LogLines)
	cfg := scripted.Config(scripted.Small(path), scripted.Small(path))
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	if change != nil {
		change(&cfg)
	}
	cfg, err := cfg.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	return New(cfg, spec.NewClientID()), log
}

func TestPathThatHoldsFilesOfOthers(t *testing.T) {
	for _, row := range []struct {
		name   string
		hold   []string // folders end in /
		marker string
		force  bool
		want   string // "" is let in
	}{
		{"empty", nil, "", false, ""},
		{"a file system's own", []string{"lost+found/"}, "", false, ""},
		{"a file", []string{"thesis.txt"}, "", false, "holds files that are not Bulkhead's: thesis.txt"},
		{"hidden", []string{".profile"}, "", false, "holds files that are not Bulkhead's: .profile"},
		{"many", []string{"a", "b", "c", "d", "e"}, "", false, "holds files that are not Bulkhead's: a, b, c, …"},
		{"a folder named like a client's", []string{"bulkhead-x/", "bulkhead-x/thesis.txt"}, "", false,
			"holds files that are not Bulkhead's: bulkhead-x"},
		{"a client's working folder", []string{"bulkhead-1234567/", "bulkhead-1234567/spool"}, "", false, ""},
		{"a file named like one", []string{"bulkhead-1234567"}, "", false,
			"holds files that are not Bulkhead's: bulkhead-1234567"},
		{"forced", []string{"thesis.txt"}, "", true, ""},
		{"marked by hand", []string{"thesis.txt"}, "mine\n", false, ""},
		{"marked by a client", []string{"thesis.txt"}, markerText, false, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := t.TempDir()
			for _, name := range row.hold {
				if strings.HasSuffix(name, "/") {
					if err := os.Mkdir(filepath.Join(path, name), 0o700); err != nil {
						t.Fatal(err)
					}
					continue
				}
				scripted.WriteFile(t, filepath.Join(path, name), "")
			}
			if row.marker != "" {
				scripted.WriteFile(t, filepath.Join(path, names.Marker), row.marker)
			}
			before := scripted.Names(t, path)
			f, _ := foldersOf(t, path, func(c *spec.Config) { c.Force = row.force })
			err := makeAll(t, f)
			if row.want == "" && err != nil ||
				row.want != "" && (!errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), path+" "+row.want)) {
				t.Errorf("make: %v; want %q", err, row.want)
			}
			if err != nil && !cmp.Equal(before, scripted.Names(t, path)) {
				t.Errorf("refused, and yet %v became %v", before, scripted.Names(t, path))
			}
			leaveAll(t, f)
			// A marker that a client made goes with the last client.
			want := before
			if row.marker == markerText {
				want = []string{"thesis.txt"}
			}
			if diff := cmp.Diff(want, scripted.Names(t, path)); diff != "" {
				t.Error("left behind:", diff)
			}
		})
	}
}

func TestMarkerStaysForOtherClients(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made")
	first, _ := foldersOf(t, path, nil)
	if err := makeAll(t, first); err != nil {
		t.Fatal(err)
	}
	second, _ := foldersOf(t, path, nil)
	if err := makeAll(t, second); err != nil {
		t.Fatal(err)
	}
	scripted.WriteFile(t, filepath.Join(path, "thesis.txt"), "") // somebody cannot wait
	leaveAll(t, first)
	third, _ := foldersOf(t, path, nil)
	if err := makeAll(t, third); err != nil {
		t.Errorf("a client is refused beside another: %v", err)
	}
	leaveAll(t, third)
	leaveAll(t, second)
	if diff := cmp.Diff([]string{"thesis.txt"}, scripted.Names(t, path)); diff != "" {
		t.Error("left behind:", diff)
	}
	last, _ := foldersOf(t, path, nil)
	if err := makeAll(t, last); !errors.Is(err, ErrForeign) {
		t.Errorf("make: %v; want the file of others to matter again", err)
	}
}

func TestPathThatWasMadeIsRemoved(t *testing.T) {
	base := t.TempDir()
	f, _ := foldersOf(t, filepath.Join(base, "new", "deep"), nil)
	if err := makeAll(t, f); err != nil {
		t.Fatal(err)
	}
	leaveAll(t, f)
	if left := scripted.Names(t, base); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// crash ends a client as if it could remove nothing.
func crash(t *testing.T, f *Folders) {
	t.Helper()
	scripted.WriteFile(t, filepath.Join(f.Consumers[0], "load-00000000.dat"), "load")
	f.Close()
}

func TestNextStartRemovesWhatACrashLeft(t *testing.T) {
	path := t.TempDir()
	dead, _ := foldersOf(t, path, func(c *spec.Config) { c.Name = "crasher" })
	alive, _ := foldersOf(t, path, nil)
	kept, _ := foldersOf(t, path, func(c *spec.Config) { c.Keep = true })
	for _, f := range []*Folders{dead, alive, kept} {
		if err := makeAll(t, f); err != nil {
			t.Fatal(err)
		}
	}
	dead.Enter("20261124T000000Z-abc")
	crash(t, dead)
	crash(t, kept)

	next, log := foldersOf(t, path, nil)
	if err := makeAll(t, next); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(path, dead.name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a crashed client left is still there: %v", err)
	}
	if text := log.String(); !strings.Contains(text, "removed what a crashed client left") ||
		!strings.Contains(text, "client=crasher") || strings.Count(text, "crashed") != 1 {
		t.Errorf("log: %s", text)
	}
	for what, f := range map[string]*Folders{"a live client's": alive, "a kept": kept, "the client's own": next} {
		if _, err := os.Stat(f.Consumers[1]); err != nil {
			t.Errorf("%s folder is gone: %v", what, err)
		}
	}
	alive.Close()
	next.Close()
}

// TestLeftoverBehindALink puts a link in the place of a client's folder, and one in the place of
// its record: neither is followed.
func TestLeftoverBehindALink(t *testing.T) {
	path, elsewhere := t.TempDir(), t.TempDir()
	dead, _ := foldersOf(t, elsewhere, nil)
	if err := makeAll(t, dead); err != nil {
		t.Fatal(err)
	}
	crash(t, dead)
	if err := os.Symlink(filepath.Join(elsewhere, dead.name), filepath.Join(path, dead.name)); err != nil {
		t.Fatal(err)
	}
	linked := filepath.Join(path, "bulkhead-linked")
	if err := os.Mkdir(linked, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(elsewhere, dead.name, names.Record),
		filepath.Join(linked, names.Record)); err != nil {
		t.Fatal(err)
	}
	next, _ := foldersOf(t, path, func(c *spec.Config) { c.Force = true })
	if err := makeAll(t, next); err != nil {
		t.Fatal(err)
	}
	leaveAll(t, next)
	if _, err := os.Stat(filepath.Join(dead.Consumers[0], "load-00000000.dat")); err != nil {
		t.Errorf("a file behind a link is gone: %v", err)
	}
	if left := scripted.Names(t, path); len(left) != 2 {
		t.Errorf("left: %v; want both links' folders", left)
	}
}

// TestRemovalThroughALink puts a link in the place of the client's own folder before its removal.
func TestRemovalThroughALink(t *testing.T) {
	path, elsewhere := t.TempDir(), t.TempDir()
	scripted.WriteFile(t, filepath.Join(elsewhere, "thesis.txt"), "")
	f, _ := foldersOf(t, path, nil)
	if err := makeAll(t, f); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(path, f.name)),
		os.Symlink(elsewhere, filepath.Join(path, f.name))); err != nil {
		t.Fatal(err)
	}
	leaveAll(t, f)
	if diff := cmp.Diff([]string{"thesis.txt"}, scripted.Names(t, elsewhere)); diff != "" {
		t.Error("removed through a link:", diff)
	}
}

// TestFilesOfOthersInAClientsFolderStay puts files, a folder and links into the folder of a client
// that crashes, and of one that ends in order.
func TestFilesOfOthersInAClientsFolderStay(t *testing.T) {
	path, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "thesis.txt")
	scripted.WriteFile(t, elsewhere, "")
	theirs := func(f *Folders) []string {
		own := f.Consumers[1]
		put := []string{
			filepath.Join(own, "load-00000001.dat.bak"), filepath.Join(own, "load-00000007.dat"),
			filepath.Join(own, "load-00000009.dat"),
			filepath.Join(own, "probe"), filepath.Join(filepath.Dir(own), "notes.txt"),
			filepath.Join(filepath.Dir(own), "consumer-x"),
		}
		scripted.WriteFile(t, put[0], "")
		if err := errors.Join(os.Symlink(elsewhere, put[1]), os.Mkdir(put[2], 0o700),
			os.Mkdir(put[3], 0o700)); err != nil {
			t.Fatal(err)
		}
		scripted.WriteFile(t, put[4], "what I found out about the crash")
		scripted.WriteFile(t, put[5], "")
		for _, ours := range []string{"load-00000000.dat", "load-123456789.dat", "load-probe.tmp"} {
			scripted.WriteFile(t, filepath.Join(own, ours), "load")
		}
		return put
	}
	stayed := func(f *Folders, put []string) {
		t.Helper()
		for _, name := range put {
			if _, err := os.Lstat(name); err != nil {
				t.Errorf("what is not the client's is gone: %v", err)
			}
		}
		if diff := cmp.Diff([]string{names.Record, "consumer-1", "consumer-x", "notes.txt"},
			scripted.Names(t, filepath.Dir(f.Consumers[1]))); diff != "" {
			t.Error("in the client's folder:", diff)
		}
		if left := scripted.Names(t, f.Consumers[1]); len(left) != 4 {
			t.Errorf("in the consumer's folder: %v", left)
		}
	}
	dead, _ := foldersOf(t, path, func(c *spec.Config) { c.Name = "crasher" })
	if err := makeAll(t, dead); err != nil {
		t.Fatal(err)
	}
	put := theirs(dead)
	crash(t, dead)
	for range 2 { // the second one meets what the first one left
		next, log := foldersOf(t, path, nil)
		if err := makeAll(t, next); err != nil {
			t.Fatal(err)
		}
		stayed(dead, put)
		if text := log.String(); !strings.Contains(text, "holds files that are not Bulkhead's: "+
			"consumer-1/load-00000001.dat.bak, consumer-1/load-00000007.dat, consumer-1/load-00000009.dat, …") {
			t.Errorf("log: %s", text)
		}
		put := theirs(next)
		next.Close()
		err := RemoveFolders(next.Paths(), nil)
		if err == nil || !strings.HasPrefix(err.Error(),
			filepath.Join(path, next.name)+" holds files that are not Bulkhead's: ") || !strings.HasSuffix(err.Error(),
			"; they stay") {
			t.Errorf("RemoveFolders = %v", err)
		}
		stayed(next, put)
		if err := os.RemoveAll(filepath.Join(path, next.name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(elsewhere); err != nil {
		t.Error(err)
	}
}

// Leftovers of an earlier boot are this machine's; those of a live clone, which has its id and
// its name, are not, wherever it can reach them.
func TestSameMachine(t *testing.T) {
	me := Origin{host: "a", machine: "m", hardware: "h", boot: "b"}
	for _, row := range []struct {
		name          string
		r             Record
		me            Origin
		local, shared bool // want, on a file system of this machine alone, and on one of several
	}{
		{"this boot", Record{Host: "a", Machine: "m", Hardware: "h", Boot: "b"}, me, true, true},
		{"this boot, in another container", Record{Host: "x", Boot: "b"}, me, true, true},
		{"an earlier boot", Record{Host: "a", Machine: "m", Hardware: "h", Boot: "old"}, me, true, true},
		{"a clone, or a copy of its disk", Record{Host: "a", Machine: "m", Hardware: "other", Boot: "old"}, me, true,
			false},
		{"an earlier boot without known hardware", Record{Host: "a", Machine: "m", Boot: "old"}, me, true, false},
		{"no known hardware at all", Record{Host: "a", Machine: "m", Boot: "old"},
			Origin{host: "a", machine: "m", boot: "b"}, true, false},
		{"another machine of the same name", Record{Host: "a", Machine: "x", Hardware: "h", Boot: "old"}, me, false,
			false},
		{"another machine of the same id", Record{Host: "x", Machine: "m", Hardware: "h", Boot: "old"}, me, false,
			false},
		{"machines without an id", Record{Host: "a", Boot: "old"}, Origin{host: "a", boot: "b"}, false, false},
		{"another host", Record{Host: "x", Machine: "y", Boot: "old"}, me, false, false},
		{"a record without a boot", Record{Host: "a", Machine: "m", Hardware: "h"}, me, false, false},
		{"a system without a boot", Record{Host: "a", Machine: "m"}, Origin{host: "a", machine: "m"}, false, false},
	} {
		if got := row.r.sameMachine(row.me, true); got != row.local {
			t.Errorf("%s, on its own file system: %v; want %v", row.name, got, row.local)
		}
		if got := row.r.sameMachine(row.me, false); got != row.shared {
			t.Errorf("%s, on a shared file system: %v; want %v", row.name, got, row.shared)
		}
	}
}

// TestHardware describes machines as /sys shows them.
func TestHardware(t *testing.T) {
	machine := func(product string, devices ...string) string {
		sys := t.TempDir()
		put := func(name, text string) {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(sys, name)), 0o700); err != nil {
				t.Fatal(err)
			}
			scripted.WriteFile(t, filepath.Join(sys, name), text)
		}
		if product != "" {
			put("class/dmi/id/product_uuid", product+"\n")
		}
		for i, address := range devices {
			kind := "0"
			if strings.HasPrefix(address, "random ") {
				kind, address = "3", strings.TrimPrefix(address, "random ")
			}
			name := fmt.Sprintf("class/net/eth%d/", i)
			put(name+"device/vendor", "")
			put(name+"addr_assign_type", kind+"\n")
			put(name+"address", address+"\n")
		}
		put("class/net/lo/address", "00:00:00:00:00:00\n")
		return hardwareOf(sys)
	}
	original := machine("A-B", "02:00:00:00:00:01", "02:00:00:00:00:02")
	for _, same := range []string{
		machine("a-b", "02:00:00:00:00:02", "02:00:00:00:00:01"), // found in another order
		machine("a-b", "02:00:00:00:00:01", "02:00:00:00:00:02", "random 06:00:00:00:00:01"),
	} {
		if same != original {
			t.Errorf("%q is another machine than %q", same, original)
		}
	}
	for name, other := range map[string]string{
		"a clone with new addresses": machine("a-b", "02:00:00:00:00:03", "02:00:00:00:00:04"),
		"a clone with a new id":      machine("a-c", "02:00:00:00:00:01", "02:00:00:00:00:02"),
		"an ordinary user":           machine("", "02:00:00:00:00:01", "02:00:00:00:00:02"),
	} {
		if other == original || other == "" {
			t.Errorf("%s: %q; want another one than %q", name, other, original)
		}
	}
	if got := machine(""); got != "" {
		t.Errorf("a machine of which nothing is known is %q", got)
	}
}

// TestLocalFileSystems looks at file systems of this machine alone.
func TestLocalFileSystems(t *testing.T) {
	for _, test := range []struct {
		path string
		want bool
	}{{scripted.Tmpfs(t, "size=1m"), true}, {"/proc", false}} {
		s, err := OpenSite(test.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.local(); got != test.want {
			t.Errorf("%s: %v; want %v", test.path, got, test.want)
		}
		s.Root.Close()
	}
}

func TestLeftoverOfAnotherHostStays(t *testing.T) {
	path := t.TempDir()
	dead, _ := foldersOf(t, path, nil)
	dead.record.Host, dead.record.Machine, dead.record.Boot = "elsewhere", "x", "y"
	if err := makeAll(t, dead); err != nil {
		t.Fatal(err)
	}
	crash(t, dead)
	next, _ := foldersOf(t, path, nil)
	if err := makeAll(t, next); err != nil {
		t.Fatal(err)
	}
	leaveAll(t, next)
	if _, err := os.Stat(dead.Consumers[0]); err != nil {
		t.Errorf("the folder of another host's client is gone: %v", err)
	}
}

func TestRecordSaysWhoseTheFolderIs(t *testing.T) {
	path := t.TempDir()
	f, _ := foldersOf(t, path, nil)
	if err := makeAll(t, f); err != nil {
		t.Fatal(err)
	}
	defer leaveAll(t, f)
	f.Enter("the-run")
	name := filepath.Join(path, f.name, names.Record)
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v; want a private file", info, err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := readRecord(text)
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != "tester" || r.Run != "the-run" || r.PID != os.Getpid() || r.ClientID != f.record.ClientID || r.Keep ||
		r.Boot == "" || time.Since(r.Started) > time.Hour {
		t.Errorf("record = %+v", r)
	}
	lock, locked, err := lockRecord(scripted.RootOf(t, filepath.Dir(name)))
	if err == nil {
		lock.Close()
	}
	if locked || err != nil {
		t.Errorf("a live client's record could be locked: %v, %v", locked, err)
	}
}

func TestPathThatCannotBeListed(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may list every folder")
	}
	path := t.TempDir()
	if err := os.Chmod(path, 0o300); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(path, 0o700) })
	f, _ := foldersOf(t, path, nil)
	if err := makeAll(t, f); !errors.Is(err, os.ErrPermission) {
		t.Errorf("make: %v; want permission denied", err)
	}
}

// TestAnotherUsersClientIsOneOfOurs ends one client beside another user's, whose folder it cannot
// look into.
func TestAnotherUsersClientIsOneOfOurs(t *testing.T) {
	path := t.TempDir()
	theirs := filepath.Join(path, "bulkhead-theirs-01234567")
	if err := errors.Join(os.Chmod(path, 0o777), os.Mkdir(theirs, 0o700),
		os.WriteFile(filepath.Join(theirs, names.Record), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSite(path) // below a folder that is the tests' own
	if err != nil {
		t.Fatal(err)
	}
	defer s.Root.Close()
	asAnotherUser(t, theirs)
	if err := s.claim(false); err != nil {
		t.Errorf("claim: %v", err)
	}
	s.release()
	if _, err := s.Root.Lstat(names.Marker); err != nil {
		t.Errorf("the marker is gone while a client is there: %v", err)
	}
}

// asAnotherUser keeps the test from looking into a folder: root reaches files as somebody else from
// then on, on a thread that ends with the test.
func asAnotherUser(t *testing.T, folder string) {
	t.Helper()
	if os.Geteuid() != 0 {
		if err := os.Chmod(folder, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(folder, 0o700) })
		return
	}
	runtime.LockOSThread() // and never unlocked
	if err := unix.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setfsuid(0) })
}

// makeAll makes the folders of both consumers.
func makeAll(t *testing.T, f *Folders) error {
	t.Helper()
	for i := range f.Consumers {
		root, err := f.Make(i)
		if err != nil {
			return err
		}
		root.Close()
	}
	return nil
}

// leaveAll ends a client in order.
func leaveAll(t *testing.T, f *Folders) {
	t.Helper()
	f.Close()
	if err := RemoveFolders(f.Paths(), nil); err != nil {
		t.Error(err)
	}
	f.Leave()
}

// TestTheRemoverInheritsNoSecret has a program in the remover's place write down its environment.
func TestTheRemoverInheritsNoSecret(t *testing.T) {
	t.Setenv("BULKHEAD_TOKEN", "secret")
	dir := t.TempDir()
	program, folder := filepath.Join(dir, "program"), filepath.Join(dir, names.WorkDirPrefix+"1")
	script := "#!/bin/sh\n/usr/bin/env > '" + dir + "/environment'\nexit 1\n"
	if err := errors.Join(harness.WriteProgram(program, []byte(script)), os.Mkdir(folder, 0o700)); err != nil {
		t.Fatal(err)
	}
	r := Removal{Executable: program, Paths: []string{folder}, Stall: time.Minute,
		Log: slog.New(slog.DiscardHandler)}
	if err := r.Run(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "environment"))
	if err != nil || len(got) == 0 || strings.Contains(string(got), "BULKHEAD_TOKEN") {
		t.Errorf("its environment is %q, %v; want only what a shell adds", got, err)
	}
}
