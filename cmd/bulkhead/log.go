package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"bulkhead/internal/config"
	"bulkhead/internal/terminal"
)

// newLogger logs to w as the configuration says: lines for a person, in colour on
// a terminal unless NO_COLOR is set (no-color.org), or JSON.
func newLogger(c config.Log, w io.Writer) *slog.Logger {
	return newLoggerOn(c, w, isTerminal(w))
}

// newLoggerOn is newLogger for a w that writes to a terminal, or does not.
func newLoggerOn(c config.Log, w io.Writer, onTerminal bool) *slog.Logger {
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: c.Level}))
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{
		Level: c.Level, TimeFormat: "15:04:05.000", NoColor: !onTerminal || !inColour(),
	}))
}

// inColour says whether terminals are written to in colour.
func inColour() bool { return os.Getenv("NO_COLOR") == "" }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// blockFor is what a command draws in that goes on for long: a block on the terminal
// that stderr is, through which the log goes then. It is nil when stderr is no
// terminal where things can be drawn, or the log is for programs.
func blockFor(c config.Log, stderr io.Writer) *terminal.Block {
	if c.Format == "json" {
		return nil
	}
	f, ok := terminal.Fit(stderr)
	if !ok {
		return nil
	}
	return terminal.NewBlock(f)
}
