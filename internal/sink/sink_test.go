package sink

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// pipe returns a pipe that holds little, and its reader.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, pipeBuf); err != nil {
		t.Fatal(err)
	}
	return r, w
}

// numbered returns line i, of 100 bytes.
func numbered(i int) string { return fmt.Sprintf("line %06d %s\n", i, strings.Repeat("x", 87)) }

// Nobody reads: Write returns, at most the limit is kept, and when somebody reads after
// all, every line is there or told to be missing, in its place.
func TestWhatNobodyReadsIsCounted(t *testing.T) {
	r, w := pipe(t)
	s := NewLimit(w, 64<<10)
	const lines = 5000
	for i := range lines {
		fmt.Fprint(s, numbered(i))
	}
	if s.Lost() == 0 {
		t.Fatal("500 kB have gone into 64 KiB")
	}
	s.mu.Lock()
	if s.queued > s.limit {
		t.Errorf("%d bytes are queued; the limit is %d", s.queued, s.limit)
	}
	s.mu.Unlock()
	lost := s.Lost()
	go func() { // ends when all is written
		s.Flush()
		fmt.Fprintln(s, "the end")
		s.Flush()
		w.Close()
	}()
	next, told := 0, uint64(0)
	for sc := bufio.NewScanner(r); sc.Scan(); {
		if text, ok := strings.CutPrefix(sc.Text(), "log lines left out, because nobody read them: "); ok {
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			told += n
			next += int(n)
			continue
		}
		if sc.Text() == "the end" {
			continue
		}
		if want := numbered(next); sc.Text()+"\n" != want {
			t.Fatalf("read %q; want %q", sc.Text(), want)
		}
		next++
	}
	if next != lines || told != lost {
		t.Errorf("%d of %d lines are accounted for, %d missing; Lost says %d", next, lines, told, lost)
	}
}

// Flush gives up on a reader that takes nothing, and only on that one.
func TestFlushGivesUp(t *testing.T) {
	_, w := pipe(t)
	s := New(w)
	for i := range 100 {
		fmt.Fprint(s, numbered(i))
	}
	if s.Flush() {
		t.Error("10 kB were written into a pipe of 4 KiB")
	}
	r2, w2 := pipe(t)
	s = New(w2)
	for i := range 100 {
		fmt.Fprint(s, numbered(i))
	}
	go func() { // ends with the pipe: a slow reader
		for b := make([]byte, 1000); ; {
			if _, err := r2.Read(b); err != nil {
				return
			}
		}
	}()
	if !s.Flush() {
		t.Error("a reader that reads was given up")
	}
	if s.Lost() != 0 {
		t.Errorf("%d lines are lost", s.Lost())
	}
}

// What is held is neither written nor cut, and told to be unwritten; it continues after Resume.
func TestHold(t *testing.T) {
	r, w := pipe(t)
	s := New(w)
	s.Hold() // until all lines are there: the first write takes as many as go into the pipe
	for i := range 200 {
		fmt.Fprint(s, numbered(i))
	}
	s.Resume()
	// 40 lines fill the pipe; the write of the last of them may not have returned yet.
	await(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		left, _ := s.parcel.unwritten()
		for _, e := range s.queue {
			left += uint64(bytes.Count(e.text, newline))
		}
		return left == 160
	})
	if left := s.Hold(); left != 160 {
		t.Errorf("%d lines are unwritten; want 160", left)
	}
	var in bytes.Buffer
	b := make([]byte, 64<<10)
	n, err := r.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	in.Write(b[:n])
	if !bytes.HasSuffix(in.Bytes(), []byte(numbered(39))) {
		t.Errorf("the pipe ends with %q", in.Bytes()[max(0, in.Len()-120):])
	}
	s.Resume()
	for in.Len() < 200*100 {
		if n, err = r.Read(b); err != nil {
			t.Fatal(err)
		}
		in.Write(b[:n])
	}
	for i := range 200 {
		if got := string(in.Next(100)); got != numbered(i) {
			t.Fatalf("line %d is %q", i, got)
		}
	}
}

// A reader that is gone costs nothing but its lines; of one that comes back (a named pipe)
// the first line says how many.
func TestReaderThatComesBack(t *testing.T) {
	fifo := t.TempDir() + "/fifo"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() *os.File {
		f, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	r := open()
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s := New(w)
	r.Close()
	for i := range 3 {
		fmt.Fprint(s, numbered(i))
		if !s.Flush() {
			t.Fatal("a reader that is gone is waited for")
		}
	}
	if s.Lost() != 3 || s.Err() == nil {
		t.Errorf("%d lines are lost, %v", s.Lost(), s.Err())
	}
	r = open()
	fmt.Fprint(s, numbered(3))
	if !s.Flush() {
		t.Fatal("it is not written")
	}
	b := make([]byte, 4096)
	n, err := r.Read(b)
	if want := "log lines left out, because nobody read them: 3\n" + numbered(3); err != nil || string(b[:n]) != want {
		t.Errorf("read %q, %v; want %q", b[:n], err, want)
	}
}

// A descriptor keeps its modes, and one that is non-blocking loses nothing.
func TestNonBlockingDescriptor(t *testing.T) {
	for _, nonblock := range []bool{false, true} {
		r, w := pipe(t)
		fd := int(w.Fd())
		if err := unix.SetNonblock(fd, nonblock); err != nil {
			t.Fatal(err)
		}
		s := New(w)
		for i := range 100 {
			fmt.Fprint(s, numbered(i))
		}
		var in bytes.Buffer
		b := make([]byte, 1000)
		for in.Len() < 100*100 {
			n, err := r.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			in.Write(b[:n])
		}
		if modes, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil ||
			(modes&unix.O_NONBLOCK != 0) != nonblock {
			t.Errorf("non-blocking was %t; the modes are now %#x (%v)", nonblock, modes, err)
		}
		if s.Lost() != 0 {
			t.Errorf("%d lines are lost", s.Lost())
		}
	}
}

// counter is a view that says how often it was drawn and what it shows.
type counter struct {
	mu    sync.Mutex
	shown int
	draws int
}

func (c *counter) Erase(*bytes.Buffer) {}
func (c *counter) Draw(out *bytes.Buffer, _ bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draws++
	fmt.Fprintf(out, "%06d\n", c.shown)
}

// Of a view only the newest state is drawn, however often it changed meanwhile.
func TestOnlyTheNewestViewIsDrawn(t *testing.T) {
	r, w := pipe(t)
	s := New(w)
	for i := range 100 {
		fmt.Fprint(s, numbered(i))
	}
	c := &counter{}
	s.SetView(c)
	for i := range 10_000 {
		c.mu.Lock()
		c.shown = i
		c.mu.Unlock()
		s.Refresh()
	}
	go func() { s.Flush(); w.Close() }() // ends when all is written
	var last string
	for sc := bufio.NewScanner(r); sc.Scan(); {
		last = sc.Text()
	}
	c.mu.Lock() // whoever closed the pipe is still at it
	defer c.mu.Unlock()
	if last != "009999" || c.draws > 3 {
		t.Errorf("the last that was drawn is %q, of %d drawings", last, c.draws)
	}
}

// What is called between two lines is called between two lines.
func TestBetween(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	s := New(w)
	fmt.Fprintln(s, "before")
	s.Between(func() { fmt.Fprintln(w, "between") })
	fmt.Fprintln(s, "after")
	if !s.Flush() {
		t.Fatal("it is not written")
	}
	b := make([]byte, 4096)
	n, err := r.Read(b)
	if err != nil || string(b[:n]) != "before\nbetween\nafter\n" {
		t.Errorf("read %q, %v", b[:n], err)
	}
}

// await waits until is returns true.
func await(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not happen")
		}
	}
}

// A process that may open nothing more still logs: poll(2) refuses when the limit is 0.
func TestLogsWithoutDescriptors(t *testing.T) {
	r, w := pipe(t)
	s := New(w)
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := before
	none.Cur = 0
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &none, nil); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(s, "no descriptor is left")
	written := s.Flush()
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &before, nil); err != nil {
		t.Fatal(err)
	}
	if !written || s.Err() != nil {
		t.Fatalf("written: %v, %v", written, s.Err())
	}
	b := make([]byte, 100)
	if n, err := r.Read(b); err != nil || string(b[:n]) != "no descriptor is left\n" {
		t.Errorf("read %q, %v", b[:n], err)
	}
}
