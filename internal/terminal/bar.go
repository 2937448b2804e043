package terminal

import (
	"fmt"
	"strings"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/plural"
)

// Progress is how far a client's load is.
type Progress struct {
	// Elapsed of Runtime is over; a Runtime of 0 is one that nobody knows.
	Elapsed, Runtime time.Duration
	// BytesPerSecond is the rate of late.
	BytesPerSecond float64
	// Bytes, Files and Errors are those of the whole load.
	Bytes, Files, Errors uint64
	// TotalBytes end the load before its runtime; 0 if nothing does.
	TotalBytes uint64
	// Stage is the name of the stage that the load is in; empty for none.
	Stage string
	// Ending says that the load has ended, and what is left to do.
	Ending string
}

const (
	// barLeast and barMost bound the length of a bar in cells, without its brackets.
	barLeast, barMost = 10, 40
)

// done returns the share of the load that is over, from 0 to 1, and how long the rest takes: by the
// runtime or by the bytes, whichever ends it first as things go.
func (g Progress) done() (share float64, left time.Duration) {
	share, left = 1, g.Runtime-g.Elapsed
	if g.Runtime > 0 {
		share = min(max(float64(g.Elapsed)/float64(g.Runtime), 0), 1)
	}
	if g.TotalBytes == 0 {
		return share, left
	}
	if g.Bytes >= g.TotalBytes {
		return 1, 0
	}
	share = max(share, float64(g.Bytes)/float64(g.TotalBytes))
	if rest := float64(g.TotalBytes-g.Bytes) / g.BytesPerSecond; rest < left.Seconds() { // not if the rate is 0
		left = time.Duration(rest * float64(time.Second))
	}
	return share, left
}

// Progress draws a load in one line of at most width cells.
func (p Painter) Progress(g Progress, width int) []string {
	share, rest := g.done()
	left := human.Clock(rest+time.Second-1) + " left" // as long as something is left, say so
	known := g.Runtime > 0 || g.TotalBytes > 0
	percent := fmt.Sprintf("%3.0f %%  ", share*100)
	if !known {
		percent, left = "", human.Clock(g.Elapsed)
	}
	if g.Stage != "" {
		left += "  stage " + g.Stage
	}
	if g.Ending != "" {
		left = g.Ending
	}
	text := fmt.Sprintf("%s%s MB/s  %s in %s  %s", percent, human.LiveMegabytes(g.BytesPerSecond),
		human.LiveSize(g.Bytes), plural.Of(g.Files, "file"), left)
	failures := ""
	if g.Errors > 0 {
		failures = "  " + plural.Of(g.Errors, "error")
	}
	line := text + p.paint(odd, failures)
	if room := min(width-human.Columns(text+failures)-3, barMost); known && room >= barLeast {
		done := int(share * float64(room))
		line = "[" + strings.Repeat("█", done) + strings.Repeat("░", room-done) + "] " + line
	}
	return []string{human.Shorten(line, width)}
}
