package terminal

import (
	"bytes"
	"fmt"
	"os"
	"sync"

	"golang.org/x/term"

	"bulkhead/internal/sink"
)

// FullScreen is a terminal of which a program has the whole screen; what was there is
// back after Close. Only Close waits for the terminal, and not for long.
type FullScreen struct {
	out  *sink.Sink
	in   *os.File // nil if it is no terminal
	was  *term.State
	once sync.Once

	taken bool // belongs to the Sink: the screen was taken over

	mu      sync.Mutex
	lines   []string // guarded by mu
	leaving bool     // guarded by mu
}

// newFullScreen takes a terminal over: its other screen, without a cursor, and keys as
// they are typed from in, if that is a terminal too.
func newFullScreen(out, in *os.File) (*FullScreen, error) {
	f := &FullScreen{out: sink.New(out)}
	if term.IsTerminal(int(in.Fd())) {
		was, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return nil, fmt.Errorf("reading keys: %w", err)
		}
		f.in, f.was = in, was
	}
	f.out.SetView(f)
	return f, nil
}

// Close gives the terminal back as it was.
func (f *FullScreen) Close() {
	f.once.Do(func() {
		f.mu.Lock()
		f.leaving = true
		f.mu.Unlock()
		f.out.Refresh()
		f.out.Flush() // a terminal that takes nothing gets its modes back, if not its screen
		if f.in != nil {
			_ = term.Restore(int(f.in.Fd()), f.was)
		}
	})
}

// Size returns the width that lines may have, and how many of them there may be.
func (f *FullScreen) Size() (width, height int) {
	width, height = size(f.out.File())
	return max(width-1, 1), max(height-1, 1)
}

// Show draws lines from the top, in place of the present ones. It returns why what was shown
// before could not be drawn.
func (f *FullScreen) Show(lines []string) error {
	f.mu.Lock()
	f.lines = lines
	f.mu.Unlock()
	f.out.Refresh()
	return f.out.Err()
}

// Erase does nothing: what is drawn covers what was.
func (f *FullScreen) Erase(*bytes.Buffer) {}

// Draw draws the screen.
func (f *FullScreen) Draw(out *bytes.Buffer, _ bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.leaving && f.taken:
		out.WriteString("\x1b[?25h\x1b[?1049l")
		f.taken = false
	case f.leaving:
		return
	case !f.taken:
		out.WriteString("\x1b[?1049h\x1b[?25l")
		f.taken = true
	}
	if !f.taken {
		return
	}
	out.WriteString("\x1b[H")
	for _, line := range f.lines {
		out.WriteString(line + "\x1b[K\r\n")
	}
	out.WriteString("\x1b[J")
}
