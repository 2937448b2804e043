package terminal

import (
	"io"
	"os"

	"golang.org/x/term"
)

// The size of a terminal that does not say it.
const (
	usualWidth  = 80
	usualHeight = 24
)

// Fit returns w as the terminal that it is, if things can be drawn there: TERM says
// that it can move its cursor.
func Fit(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, false
	}
	switch os.Getenv("TERM") {
	case "", "dumb":
		return nil, false
	default:
		return f, true
	}
}

// size is the terminal's width and height in cells.
func size(f *os.File) (width, height int) {
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return usualWidth, usualHeight
	}
	return width, height
}
