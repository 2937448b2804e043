package terminal

import (
	"os"

	"golang.org/x/term"
)

// The size of a terminal that does not say it.
const (
	usualWidth  = 80
	usualHeight = 24
)

// Is reports whether f is a terminal; nil is not.
func Is(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

// Fit reports whether f is a terminal where things can be drawn: TERM says that it can move
// its cursor. Nil is not.
func Fit(f *os.File) bool {
	if !Is(f) {
		return false
	}
	switch os.Getenv("TERM") {
	case "", "dumb":
		return false
	default:
		return true
	}
}

// size returns the terminal's width and height in cells.
func size(f *os.File) (width, height int) {
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return usualWidth, usualHeight
	}
	return width, height
}
