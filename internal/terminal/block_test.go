package terminal

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/internal/sink"
	"bulkhead/internal/testing/harness/screen"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

func open(t *testing.T, width, height int) *screen.Terminal {
	t.Helper()
	term, err := screen.New(width, height)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(term.Close)
	return term
}

// await waits for a screen with these lines, and nothing else below the last.
func await(t *testing.T, term *screen.Terminal, want ...string) screen.View {
	t.Helper()
	v, err := term.Await(patience, func(v screen.View) bool {
		return strings.TrimRight(v.Text(), "\n") == strings.Join(want, "\n")
	})
	if err != nil {
		t.Fatalf("want\n%s\n%v", strings.Join(want, "\n"), err)
	}
	return v
}

// Log lines scroll above the block, which is redrawn in place; nothing is lost and
// nothing of an old block stays.
func TestBlockBelowTheLog(t *testing.T) {
	term := open(t, 40, 10)
	out := sink.New(term.TTY)
	b := NewBlock(out)
	fmt.Fprintln(out, "first line")
	b.Show([]string{"head", "alpha 1", "bravo 1"})
	await(t, term, "first line", "head", "alpha 1", "bravo 1")
	fmt.Fprintln(out, "second line")
	await(t, term, "first line", "second line", "head", "alpha 1", "bravo 1")
	b.Show([]string{"head", "alpha 2"})
	await(t, term, "first line", "second line", "head", "alpha 2")
	for i := range 20 {
		fmt.Fprintf(out, "line %d\n", i)
	}
	b.Show([]string{"head", "alpha 3"})
	v := await(t, term, "line 13", "line 14", "line 15", "line 16", "line 17", "line 18", "line 19", "head", "alpha 3")
	if n := strings.Count(v.All(), "head"); n != 1 {
		t.Errorf("%d blocks are left behind in\n%s", n, v.All())
	}
	out.Between(func() { fmt.Fprintln(term.TTY, "a report") })
	await(t, term, "line 14", "line 15", "line 16", "line 17", "line 18", "line 19", "a report", "head", "alpha 3")
	b.Close()
	fmt.Fprintln(out, "after it")
	v = await(t, term, "line 14", "line 15", "line 16", "line 17", "line 18", "line 19", "a report", "after it")
	for i := range 20 {
		if !strings.Contains(v.All(), fmt.Sprintf("line %d\n", i)) {
			t.Errorf("line %d is lost", i)
		}
	}
}

// A line that comes in pieces is written when it is whole, and at the latest at the end.
func TestBlockWritesWholeLines(t *testing.T) {
	term := open(t, 40, 6)
	out := sink.New(term.TTY)
	b := NewBlock(out)
	b.Show([]string{"table"})
	fmt.Fprint(out, "half ")
	fmt.Fprint(out, "a line\nthe rest")
	await(t, term, "half a line", "table")
	b.Close()
	out.Flush()
	await(t, term, "half a line", "the rest")
}

// Many goroutines log while the block is redrawn: every line is there, whole.
func TestBlockConcurrently(t *testing.T) {
	term := open(t, 60, 12)
	out := sink.New(term.TTY)
	b := NewBlock(out)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 50 {
				fmt.Fprintf(out, "goroutine %d line %d\n", g, i)
				if i%10 == 0 {
					b.Show([]string{"a table", "of two lines"})
				}
			}
		})
	}
	all.Wait()
	b.Close()
	fmt.Fprintln(out, "the end")
	v, err := term.Await(patience, func(v screen.View) bool { return strings.Contains(v.Text(), "the end") })
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(v.All(), "\n")
	for g := range 4 {
		for i := range 50 {
			if !slices.Contains(lines, fmt.Sprintf("goroutine %d line %d", g, i)) {
				t.Errorf("line %d of %d is not there, or not whole", i, g)
			}
		}
	}
	if strings.Contains(v.All(), "table") {
		t.Errorf("a block is left behind in\n%s", v.All())
	}
}

// The block follows the size of its terminal and never takes more than half of it.
func TestBlockSize(t *testing.T) {
	term := open(t, 100, 30)
	out := sink.New(term.TTY)
	b := NewBlock(out)
	if w, h := b.Size(); w != 99 || h != 15 {
		t.Errorf("Size = %d, %d", w, h)
	}
	if err := term.Resize(30, 8); err != nil {
		t.Fatal(err)
	}
	if w, h := b.Size(); w != 29 || h != 4 {
		t.Errorf("after a resize Size = %d, %d", w, h)
	}
}
