package verify

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/client/block"
)

// survey returns what Survey tells, by the name of the file.
func surveyed(t *testing.T, path string, o SurveyOptions) (map[string]Report, Summary) {
	t.Helper()
	told := make(map[string]Report)
	sum, err := Survey(t.Context(), path, o, func(r Report) { told[filepath.Base(r.Path)] = r })
	if err != nil {
		t.Fatal(err)
	}
	return told, sum
}

// states returns the files that are not verified, and how they are.
func states(told map[string]Report) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(told)) {
		if s := told[name].State; s != Verified {
			words = append(words, strings.TrimSuffix(strings.TrimPrefix(name, "load-0000000"), ".dat")+" "+string(s))
		}
	}
	return strings.Join(words, ", ")
}

const small = 300*1024 + 100

// left returns a client with six whole files.
func left(t *testing.T, data block.Data) *client {
	t.Helper()
	c := newClient(t, t.TempDir(), data)
	for n := range uint64(6) {
		c.write(n, 1, small)
	}
	return c
}

func TestSurveyByEveryPath(t *testing.T) {
	c := left(t, block.Data{Kind: block.Random})
	put(t, filepath.Join(c.path, "notes.txt"), 0, []byte("somebody else's"))
	for _, path := range []string{c.path, filepath.Dir(c.folder()), c.folder()} {
		told, sum := surveyed(t, path, SurveyOptions{})
		if states(told) != "" || !sum.OK() || sum.Verified != 6 || sum.Bytes != 6*small || sum.Foreign != 0 ||
			sum.Folders != 1 {
			t.Errorf("%s: %s: %+v", path, states(told), sum)
		}
	}
	told, sum := surveyed(t, c.file(3), SurveyOptions{})
	if states(told) != "" || sum.Verified != 1 || sum.Bytes != small || len(told) != 1 {
		t.Errorf("one file: %s: %+v", states(told), sum)
	}
	if want := "run 20261124T032209Z-1a2b3c, client 1f2e3d4c000000000000000000000009, consumer 2, file 3, " +
		"generation 1"; told["load-00000003.dat"].Expected != want {
		t.Errorf("it is %q, want %q", told["load-00000003.dat"].Expected, want)
	}
}

// TestSurveyFindsDamage damages files that no client watches, in every kind of
// data.
func TestSurveyFindsDamage(t *testing.T) {
	for _, data := range []block.Data{{Kind: block.Random}, {Kind: block.Zeros},
		{Kind: block.Compressible, Percent: 60}, {Kind: block.Dedupable, Percent: 50},
		{Kind: block.Dedupable, Percent: 100}} {
		t.Run(data.Kind.String(), func(t *testing.T) {
			c := left(t, data)
			flip(t, c.file(0), 100)
			if err := os.Truncate(c.file(1), small-1); err != nil {
				t.Fatal(err)
			}
			put(t, c.file(2), 0, []byte("something else at the beginning of the file"))
			put(t, c.file(3), 0, make([]byte, small))
			want := "0 corrupt, 1 corrupt, 2 corrupt, 3 corrupt"
			told, sum := surveyed(t, c.path, SurveyOptions{})
			if states(told) != want || sum.OK() || sum.Corrupt != 4 || sum.Verified != 2 {
				t.Errorf("%s: %+v", states(told), told)
			}
			if f := told["load-00000001.dat"].Result.Faults; data.Percent != 100 &&
				(len(f) != 1 || f[0].Damage != block.Truncated || f[0].Length != 1) {
				t.Errorf("a byte less: %+v", f)
			}
		})
	}
}

// TestSurveyNamesWhatIsThere swaps blocks and files, and puts others' among them.
func TestSurveyNamesWhatIsThere(t *testing.T) {
	c := left(t, block.Data{Kind: block.Random})
	one, two := c.content(1, 1, small), c.content(2, 1, small)
	put(t, c.file(1), 4096*5, two[4096*9:4096*10])
	put(t, c.file(2), 0, c.content(9, 1, small)) // all of another file
	put(t, c.file(3), 4096, one[4096:8192])      // the same place in another file
	other := newClient(t, c.path, block.Data{Kind: block.Random})
	other.owner.Client[15]++
	other.owner.Consumer = 7
	put(t, c.file(4), 0, other.content(4, 1, small))
	told, _ := surveyed(t, c.path, SurveyOptions{})
	if states(told) != "1 corrupt, 2 corrupt, 3 corrupt, 4 corrupt" {
		t.Fatalf("%s: %+v", states(told), told)
	}
	for name, want := range map[string][2]string{
		"load-00000001.dat": {"file 1, generation 1, offset 20 KiB", "file 2, generation 1, offset 36 KiB"},
		"load-00000002.dat": {"file 2, generation 1, offset 0 B", "file 9, generation 1, offset 0 B"},
		"load-00000003.dat": {"file 3, generation 1, offset 4 KiB", "file 1, generation 1, offset 4 KiB"},
		"load-00000004.dat": {"consumer 2, file 4, generation 1, offset 0 B",
			"client 1f2e3d4c00000000000000000000000a, consumer 7, file 4, generation 1, offset 0 B"},
	} {
		f := told[name].Result.Faults[0]
		if f.Damage != block.Misplaced || !strings.HasSuffix(f.Expected, want[0]) ||
			!strings.HasSuffix(f.Found, want[1]) {
			t.Errorf("%s: %v: expected %q, found %q", name, f.Damage, f.Expected, f.Found)
		}
	}
}

func TestSurveyOfAnOlderBlock(t *testing.T) {
	c := left(t, block.Data{Kind: block.Random})
	copied := make([]byte, 4096)
	copy(copied, c.content(0, 1, small)[8192:])
	for n := range uint64(6) {
		c.write(n, 2, small)
	}
	put(t, c.file(0), 8192, copied)
	told, _ := surveyed(t, c.path, SurveyOptions{})
	f := told["load-00000000.dat"].Result.Faults
	if states(told) != "0 corrupt" || len(f) != 1 || f[0].Damage != block.Stale || f[0].Offset != 8192 ||
		!strings.Contains(f[0].Found, "generation 1, offset 8 KiB") {
		t.Errorf("%s: %+v", states(told), f)
	}
}

// TestSurveyKnowsTheFileInProgress stops in the last file in several ways, and then in
// one that cannot be in progress.
func TestSurveyKnowsTheFileInProgress(t *testing.T) {
	for name, c := range map[string]struct {
		stop func(c *client)
		want string
	}{
		"cut":            {func(c *client) { c.cut(6, 1, 100_000) }, "6 unfinished"},
		"empty":          {func(c *client) { put(c.t, c.file(6), 0, nil) }, "6 unfinished"},
		"preallocated":   {func(c *client) { c.cut(6, 1, 100_000); c.extend(6) }, "6 unfinished"},
		"only allocated": {func(c *client) { put(c.t, c.file(6), 0, nil); c.extend(6) }, "6 unfinished"},
		"recycled":       {func(c *client) { c.over(0, 2, 100_000) }, "0 unfinished"},
		"recycled twice": {func(c *client) { c.over(0, 2, small); c.over(1, 2, 5000) }, "1 unfinished"},
		"recycled late": {func(c *client) { put(c.t, c.file(0), 200<<10, c.content(0, 2, small)[200<<10:204<<10]) },
			"0 unfinished"},
		"recycled out":   {func(c *client) { c.over(0, 2, small); c.over(3, 2, 5000) }, "3 unfinished"},
		"an earlier one": {func(c *client) { c.truncate(3) }, "3 corrupt"},
		"and flipped":    {func(c *client) { c.cut(6, 1, 100_000); flip(c.t, c.file(6), 50_000) }, "6 corrupt"},
		"both":           {func(c *client) { c.cut(6, 1, 100_000); c.truncate(5) }, "5 corrupt, 6 unfinished"},
		"the other order": {func(c *client) { c.over(3, 2, 100_000); c.over(0, 2, 100_000) },
			"0 corrupt, 3 unfinished"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			was := left(t, block.Data{Kind: block.Random})
			c.stop(was)
			told, sum := surveyed(t, was.path, SurveyOptions{})
			if states(told) != c.want || sum.OK() == strings.Contains(c.want, "corrupt") {
				t.Errorf("%s, want %s: %+v", states(told), c.want, told)
			}
			if sum.Unfinished > 0 {
				only, _ := surveyed(t, was.file(uint64(c.want[len(c.want)-len("0 unfinished")]-'0')), SurveyOptions{})
				if len(only) != 1 || !strings.HasSuffix(states(only), "unfinished") {
					t.Errorf("alone: %s", states(only))
				}
			}
		})
	}
}

// TestSurveyMeetsANewerGenerationLate puts one block of it where Survey does not look first.
func TestSurveyMeetsANewerGenerationLate(t *testing.T) {
	const size, at = 300 * block.Size, 20 * block.Size
	c := newClient(t, t.TempDir(), block.Data{Kind: block.Random})
	c.write(0, 1, size)
	put(t, c.file(0), at, c.content(0, 2, size)[at:at+block.Size])
	reader := newReader(t, Options{})
	id, err := reader.identify(t.Context(), openFile(t, c.file(0)), hints{})
	if err != nil || id.file.Generation != 1 {
		t.Fatalf("the block is looked at first: %+v, %v", id, err)
	}
	told, _ := surveyed(t, c.path, SurveyOptions{})
	if r := told["load-00000000.dat"]; r.State != Unfinished || r.Result.Unwritten != size-block.Size ||
		!strings.HasSuffix(r.Expected, "generation 2") {
		t.Errorf("%+v", r)
	}
}

// cut writes the beginning of a file.
func (c *client) cut(number uint64, generation uint32, size int) {
	put(c.t, c.file(number), 0, c.content(number, generation, small)[:size])
}

// over writes the beginning of a file over what is there.
func (c *client) over(number uint64, generation uint32, size int) { c.cut(number, generation, size) }

func (c *client) truncate(number uint64) {
	if err := os.Truncate(c.file(number), 100_000); err != nil {
		c.t.Fatal(err)
	}
}

// extend gives a file its size without writing.
func (c *client) extend(number uint64) {
	if err := os.Truncate(c.file(number), small); err != nil {
		c.t.Fatal(err)
	}
}

func TestSurveyOfSeveralWriters(t *testing.T) {
	c := left(t, block.Data{Kind: block.Random})
	c.truncate(2)
	c.truncate(4)
	for writers, want := range map[int]string{1: "2 corrupt, 4 corrupt", 2: "2 unfinished, 4 unfinished",
		3: "2 unfinished, 4 unfinished"} {
		told, _ := surveyed(t, c.path, SurveyOptions{Writers: writers})
		if states(told) != want {
			t.Errorf("%d writers: %s, want %s", writers, states(told), want)
		}
	}
	c.truncate(1)
	told, _ := surveyed(t, c.path, SurveyOptions{Writers: 2})
	if want := "1 corrupt, 2 unfinished, 4 unfinished"; states(told) != want {
		t.Errorf("%s, want %s", states(told), want)
	}
}

// TestSurveyBelievesTheRecord records the number of writers, and the whole of the client's id, in the
// client's folder.
func TestSurveyBelievesTheRecord(t *testing.T) {
	c := left(t, block.Data{Kind: block.Random})
	c.truncate(2)
	c.truncate(4)
	recordPath := filepath.Join(filepath.Dir(c.folder()), "client.json")
	for text, want := range map[string]string{
		`{"client_id": "1f2e3d4c000000000000000000000009", "writers": 2, "more": [1]}`: "2 unfinished, 4 unfinished",
		`{"writers": 1}`:       "2 corrupt, 4 corrupt",
		`{"writers": 1000000}`: "2 corrupt, 4 corrupt",
		`not JSON`:             "2 corrupt, 4 corrupt",
		`{"client_id": "1f2e3d4c00000000000000000000000a", "writers": 2}`: "0 corrupt, 1 corrupt, 2 corrupt, 3 " +
			"corrupt, 4 corrupt, 5 corrupt",
		`{"client_id": "ffffffff00000000000000000000000a", "writers": 2}`: "2 unfinished, 4 unfinished",
	} {
		if err := os.WriteFile(recordPath, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if told, _ := surveyed(t, c.file(4), SurveyOptions{}); !strings.Contains(want, states(told)) {
			t.Errorf("one file with the record %s: %s", text, states(told))
		}
		for _, path := range []string{c.path, filepath.Dir(c.folder()), c.folder()} {
			told, sum := surveyed(t, path, SurveyOptions{})
			if states(told) != want || sum.Foreign != 0 {
				t.Errorf("%s with the record %s: %s, want %s", path, text, states(told), want)
			}
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		h := hints{client: []byte{1, 2, 3, 4}}.saying(text)
		if len(h.client) != 4 && len(h.client) != 16 || string(h.client[:4]) != "\x01\x02\x03\x04" || h.writers < 0 ||
			h.writers > maxWriters {
			t.Errorf("%+v", h)
		}
	})
}

// TestSurveyLeavesOthersAlone puts what is not a consumer's next to its files.
func TestSurveyLeavesOthersAlone(t *testing.T) {
	c := left(t, block.Data{Kind: block.Random})
	outside := filepath.Join(t.TempDir(), "load-00000009.dat")
	put(t, outside, 0, c.content(9, 1, small))
	for name, make := range map[string]func(path string) error{
		"notes.txt": func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) },
		"link":      func(path string) error { return os.Symlink(outside, path) },
		"subfolder": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		if err := make(filepath.Join(c.folder(), name)); err != nil {
			t.Fatal(err)
		}
	}
	told, sum := surveyed(t, c.path, SurveyOptions{})
	if sum.Foreign != 3 || sum.Verified != 6 || !sum.OK() || sum.Bytes != 6*small {
		t.Errorf("%s: %+v", states(told), sum)
	}
	if d := told["link"].Detail; !strings.Contains(d, "symbolic link") {
		t.Errorf("the link is %q", d)
	}
}

// TestSurveyMissesWhatWasReplaced puts something else in the place of what a client made: it is not
// followed, and nobody says that all is well.
func TestSurveyMissesWhatWasReplaced(t *testing.T) {
	for name, make := range map[string]func(c *client, outside string) error{
		"load-00000009.dat": func(c *client, outside string) error {
			return os.Symlink(outside, filepath.Join(c.folder(), "load-00000009.dat"))
		},
		"load-00000010.dat": func(c *client, _ string) error {
			return unix.Mkfifo(filepath.Join(c.folder(), "load-00000010.dat"), 0o600)
		},
		"load-00000011.dat": func(c *client, _ string) error {
			return os.Mkdir(filepath.Join(c.folder(), "load-00000011.dat"), 0o700)
		},
		"consumer-9": func(c *client, outside string) error {
			return os.Symlink(filepath.Dir(outside), filepath.Join(filepath.Dir(c.folder()), "consumer-9"))
		},
		"bulkhead-other-01234567": func(c *client, outside string) error {
			return os.Symlink(filepath.Dir(outside), filepath.Join(c.path, "bulkhead-other-01234567"))
		},
	} {
		c := left(t, block.Data{Kind: block.Random})
		outside := filepath.Join(t.TempDir(), "load-00000009.dat")
		put(t, outside, 0, c.content(9, 1, small))
		if err := make(c, outside); err != nil {
			t.Fatal(err)
		}
		told, sum := surveyed(t, c.path, SurveyOptions{})
		if sum.OK() || sum.Unread != 1 || sum.Verified != 6 || sum.Bytes != 6*small || told[name].State != Unread {
			t.Errorf("%s: %s: %+v", name, states(told), sum)
		}
	}
}

func TestSurveyOfNothing(t *testing.T) {
	empty := t.TempDir()
	put(t, filepath.Join(empty, "file"), 0, []byte("x"))
	if _, err := Survey(t.Context(), empty, SurveyOptions{}, func(Report) {}); !errors.Is(err, ErrNothingThere) {
		t.Errorf("a folder of others: %v", err)
	}
	if _, err := Survey(t.Context(), filepath.Join(empty, "none"), SurveyOptions{}, func(Report) {}); !errors.Is(err,
		os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	told, sum := surveyed(t, filepath.Join(empty, "file"), SurveyOptions{})
	if sum.OK() || told["file"].State != Unread {
		t.Errorf("a file of others: %+v", told)
	}
	c := newClient(t, empty, block.Data{Kind: block.Random})
	if err := os.MkdirAll(c.folder(), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, c.file(0), 0, nil)
	if told, sum := surveyed(t, empty, SurveyOptions{}); sum.OK() || told["load-00000000.dat"].State != Unfinished {
		t.Errorf("an empty file: %+v", told)
	}
}

// TestSurveyOfACopy gives Survey only a file's content to go by.
func TestSurveyOfACopy(t *testing.T) {
	c := left(t, block.Data{Kind: block.Random})
	path := filepath.Join(t.TempDir(), "copy")
	put(t, path, 0, c.content(5, 3, small))
	told, sum := surveyed(t, path, SurveyOptions{})
	if !sum.OK() || told["copy"].State != Verified ||
		!strings.HasSuffix(told["copy"].Expected, "file 5, generation 3") {
		t.Errorf("%+v", told)
	}
	flip(t, path, 100_000)
	if told, sum := surveyed(t, path, SurveyOptions{}); sum.OK() || told["copy"].State != Corrupt {
		t.Errorf("%+v", told)
	}
}

func TestSurveyEndsWithTheContext(t *testing.T) {
	c := left(t, block.Data{Kind: block.Random})
	ctx, cancel := context.WithCancel(t.Context())
	sum, err := Survey(ctx, c.path, SurveyOptions{}, func(Report) { cancel() })
	if !errors.Is(err, context.Canceled) || sum.Verified+sum.Unread > 2 {
		t.Errorf("%v, %+v", err, sum)
	}
}
