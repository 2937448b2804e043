package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"bulkhead/internal/config"
)

// newLogger logs to w as the configuration says: lines for a person, in colour on
// a terminal unless NO_COLOR is set (no-color.org), or JSON.
func newLogger(c config.Log, w io.Writer) *slog.Logger {
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: c.Level}))
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{
		Level: c.Level, TimeFormat: "15:04:05.000", NoColor: !isTerminal(w) || os.Getenv("NO_COLOR") != "",
	}))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
