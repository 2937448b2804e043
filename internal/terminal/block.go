package terminal

import (
	"bytes"
	"fmt"
	"os"
	"sync"
)

// Block is lines at the bottom of a terminal that are redrawn in place, while what is
// written to it scrolls above. It may be used by several goroutines.
//
// Between two calls the cursor is at the beginning of the line below the block, so a
// process that is killed leaves a terminal that only shows old lines.
type Block struct {
	file *os.File

	mu     sync.Mutex
	lines  []string     // guarded by mu; what was shown last
	drawn  int          // guarded by mu; how many lines are on the screen
	rest   []byte       // guarded by mu; a line that has not been written to its end
	wrote  int          // guarded by mu; lines written since Show
	out    bytes.Buffer // guarded by mu; for one write(2), so that nothing flickers
	closed bool         // guarded by mu
}

// redraws is how many times the block is drawn again below what is written, between
// two calls of Show. Behind a flood it comes back with the next Show.
const redraws = 8

// NewBlock returns a block on a terminal, with nothing in it.
func NewBlock(f *os.File) *Block { return &Block{file: f} }

// Size is the width that lines may have, and how many of them there may be, so that
// the block takes no more than half of the terminal.
func (b *Block) Size() (width, height int) {
	width, height = size(b.file)
	return max(width-1, 1), max(height/2, 1) // a full line would make some terminals wrap
}

// Show draws lines in place of those that are there. Each must fit into the width.
func (b *Block) Show(lines []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.lines, b.wrote = lines, 0
	b.erase()
	b.draw()
	b.flush()
}

// Write writes whole lines above the block. The end of a line that has none is waited
// for.
func (b *Block) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return b.file.Write(p)
	}
	b.rest = append(b.rest, p...)
	end := bytes.LastIndexByte(b.rest, '\n') + 1
	if end == 0 {
		return len(p), nil
	}
	b.erase()
	b.out.Write(b.rest[:end])
	b.rest = append(b.rest[:0], b.rest[end:]...)
	if b.wrote++; b.wrote <= redraws {
		b.draw()
	}
	return len(p), b.flush()
}

// Pause takes the block off the screen while other is written to the terminal.
func (b *Block) Pause(other func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	b.flush()
	other()
	if !b.closed {
		b.draw()
		b.flush()
	}
}

// Close takes the block off the screen. What is written afterwards goes to the
// terminal as it is.
func (b *Block) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	b.out.Write(b.rest)
	b.rest, b.closed = nil, true
	b.flush()
}

// erase takes the block off: up to its first line, and everything from there on
// (ECMA-48: CPL, ED).
func (b *Block) erase() {
	if b.drawn > 0 {
		fmt.Fprintf(&b.out, "\x1b[%dF\x1b[J", b.drawn)
	}
	b.drawn = 0
}

func (b *Block) draw() {
	for _, line := range b.lines {
		b.out.WriteString(line)
		b.out.WriteByte('\n')
	}
	b.drawn = len(b.lines)
}

func (b *Block) flush() error {
	if b.out.Len() == 0 {
		return nil
	}
	_, err := b.file.Write(b.out.Bytes())
	b.out.Reset()
	return err
}
