package terminal

import (
	"bytes"
	"fmt"
	"os"
	"sync"

	"golang.org/x/term"
)

// FullScreen is a terminal of which a program has the whole screen; what was there is
// back after Close.
type FullScreen struct {
	out  *os.File
	in   *os.File // nil if it is no terminal
	was  *term.State
	once sync.Once
}

// NewFullScreen takes a terminal over: its other screen, without a cursor, and keys as
// they are typed from in, if that is a terminal too.
func NewFullScreen(out, in *os.File) (*FullScreen, error) {
	f := &FullScreen{out: out}
	if term.IsTerminal(int(in.Fd())) {
		was, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return nil, fmt.Errorf("reading keys: %w", err)
		}
		f.in, f.was = in, was
	}
	if _, err := out.WriteString("\x1b[?1049h\x1b[?25l"); err != nil {
		f.Close()
		return nil, fmt.Errorf("taking the terminal over: %w", err)
	}
	return f, nil
}

// Close gives the terminal back as it was.
func (f *FullScreen) Close() {
	f.once.Do(func() {
		_, _ = f.out.WriteString("\x1b[?25h\x1b[?1049l") // if it is gone there is nothing to give back
		if f.in != nil {
			_ = term.Restore(int(f.in.Fd()), f.was)
		}
	})
}

// Size is the width that lines may have, and how many of them there may be.
func (f *FullScreen) Size() (width, height int) {
	width, height = size(f.out)
	return max(width-1, 1), max(height-1, 1)
}

// Show draws lines from the top, in place of what is there.
func (f *FullScreen) Show(lines []string) error {
	var out bytes.Buffer
	out.WriteString("\x1b[H")
	for _, line := range lines {
		out.WriteString(line + "\x1b[K\r\n")
	}
	out.WriteString("\x1b[J")
	_, err := f.out.Write(out.Bytes())
	return err
}
