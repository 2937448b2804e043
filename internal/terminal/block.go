package terminal

import (
	"bytes"
	"fmt"
	"sync"

	"bulkhead/internal/sink"
)

// Block is lines at the bottom of a terminal that are redrawn in place, while what is
// written to the terminal's Sink scrolls above. It may be used by several goroutines, and
// nothing in it waits for the terminal.
//
// Between two writes the cursor is at the beginning of the line below the block, so a
// process that is killed leaves a terminal that only shows old lines.
type Block struct {
	sink *sink.Sink

	// These belong to the Sink.
	drawn int // how many lines are on the screen
	wrote int // how often lines were written since it changed

	mu    sync.Mutex
	lines []string // guarded by mu; what was shown last
}

// redraws is how many times the block is drawn again below what is written, between
// two calls of Show. Behind a flood it comes back with the next Show.
const redraws = 8

// NewBlock returns a block on the terminal that a Sink writes to, with nothing in it.
func NewBlock(s *sink.Sink) *Block {
	b := &Block{sink: s}
	s.SetView(b)
	return b
}

// Size returns the width that lines may have, and how many of them there may be, so that
// the block takes no more than half of the terminal.
func (b *Block) Size() (width, height int) {
	width, height = size(b.sink.File())
	return max(width-1, 1), max(height/2, 1) // a full line would make some terminals wrap
}

// Show draws lines in place of the present ones. Each must fit into the width.
func (b *Block) Show(lines []string) {
	b.mu.Lock()
	b.lines = lines
	b.mu.Unlock()
	b.sink.Refresh()
}

// Close takes the block off the screen.
func (b *Block) Close() { b.sink.SetView(nil) }

// Erase takes the block off: up to its first line, and everything from there on
// (ECMA-48: CPL, ED).
func (b *Block) Erase(out *bytes.Buffer) {
	if b.drawn > 0 {
		fmt.Fprintf(out, "\x1b[%dF\x1b[J", b.drawn)
	}
	b.drawn = 0
}

// Draw draws the block.
func (b *Block) Draw(out *bytes.Buffer, fresh bool) {
	if b.wrote++; fresh {
		b.wrote = 0
	}
	if b.wrote > redraws {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.lines {
		out.WriteString(line)
		out.WriteByte('\n')
	}
	b.drawn = len(b.lines)
}
