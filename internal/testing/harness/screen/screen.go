// Package screen is a terminal that tests look at: a real pseudo-terminal for the
// program, and an emulator that knows what is on its screen.
package screen

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// Terminal is a pseudo-terminal and its screen.
type Terminal struct {
	// TTY is the program's end.
	TTY *os.File

	master *os.File
	read   chan struct{} // closed when there is nothing more to read

	mu      sync.Mutex
	screen  *vt.Emulator  // guarded by mu
	raw     []byte        // guarded by mu; all that was written
	changed chan struct{} // guarded by mu; closed and replaced when something was written
}

// New opens a terminal of a size in cells.
func New(width, height int) (*Terminal, error) {
	master, tty, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("opening a pseudo-terminal: %w", err)
	}
	t := &Terminal{TTY: tty, master: master, read: make(chan struct{}), screen: vt.NewEmulator(width, height),
		changed: make(chan struct{})}
	if err := t.Resize(width, height); err != nil {
		t.TTY.Close()
		t.master.Close()
		return nil, err
	}
	go t.follow() // ended and awaited by Close
	return t, nil
}

// follow draws what the program writes.
func (t *Terminal) follow() {
	defer close(t.read)
	buf := make([]byte, 32<<10)
	for {
		n, err := t.master.Read(buf)
		t.mu.Lock()
		t.raw = append(t.raw, buf[:n]...)
		_, _ = t.screen.Write(buf[:n]) // an emulator takes anything
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Resize gives the terminal another size; the program gets SIGWINCH.
func (t *Terminal) Resize(width, height int) error {
	t.mu.Lock()
	t.screen.Resize(width, height)
	t.mu.Unlock()
	if err := pty.Setsize(t.master, &pty.Winsize{Rows: uint16(height), Cols: uint16(width)}); err != nil {
		return fmt.Errorf("resizing the terminal: %w", err)
	}
	return nil
}

// Type presses keys.
func (t *Terminal) Type(keys string) error {
	_, err := t.master.WriteString(keys)
	return err
}

// View is what a terminal shows at one moment.
type View struct {
	// Lines are what is on the screen, from the top, without spaces at their ends.
	Lines []string
	// Above are the lines that have scrolled off the screen.
	Above []string
	// Other says that it is the other screen, for full-screen programs.
	Other bool
	// Raw is everything that was ever written.
	Raw string
}

// Text returns the lines of the screen.
func (v View) Text() string { return strings.Join(v.Lines, "\n") }

// All returns the text with what has scrolled off above.
func (v View) All() string {
	return strings.Join(append(append([]string{}, v.Above...), v.Lines...), "\n")
}

// View returns what the terminal shows now.
func (t *Terminal) View() View {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, _ := t.view()
	return v
}

// view does what View does, with mu held; it also returns a channel that is closed when the view
// changes.
func (t *Terminal) view() (View, <-chan struct{}) {
	v := View{Other: t.screen.IsAltScreen(), Raw: strings.ReplaceAll(string(t.raw), "\x00", "")}
	for line := range strings.SplitSeq(t.screen.String(), "\n") {
		v.Lines = append(v.Lines, strings.TrimRight(line, " "))
	}
	for y := range t.screen.ScrollbackLen() {
		var line strings.Builder
		for x := 0; x < t.screen.Width(); {
			c := t.screen.ScrollbackCellAt(x, y)
			if c == nil {
				break
			}
			line.WriteString(c.Content)
			x += max(c.Width, 1)
		}
		v.Above = append(v.Above, strings.TrimRight(line.String(), " "))
	}
	return v, t.changed
}

// Await waits for a view that match accepts. match is called with the terminal locked.
func (t *Terminal) Await(within time.Duration, match func(View) bool) (View, error) {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		t.mu.Lock()
		v, changed := t.view()
		matches := match(v)
		t.mu.Unlock()
		if matches {
			return v, nil
		}
		select {
		case <-changed:
		case <-deadline.C:
			return v, fmt.Errorf("the terminal does not show it within %s, but:\n%s", within, v.All())
		}
	}
}

// Settle waits until everything that was written before is on the screen. It writes a
// NUL, which terminals pass over and programs do not write.
func (t *Terminal) Settle(within time.Duration) error {
	t.mu.Lock()
	want := bytes.Count(t.raw, []byte{0}) + 1
	t.mu.Unlock()
	if _, err := t.TTY.Write([]byte{0}); err != nil {
		return fmt.Errorf("settling the terminal: %w", err)
	}
	_, err := t.Await(within, func(View) bool { return bytes.Count(t.raw, []byte{0}) >= want })
	return err
}

// Close hangs up.
func (t *Terminal) Close() {
	t.TTY.Close()
	t.master.Close()
	<-t.read
}
