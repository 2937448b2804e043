// Package logline is the form of log lines that programs read: JSON of log/slog, in UTC,
// in which every number is a number. Its unit, where it has one, is at the end of its key:
// durations are logged as time.Duration and come out as KEY_seconds; sizes and rates are
// logged under keys that end in _bytes and _bytes_per_second.
package logline

import (
	"io"
	"log/slog"
	"time"
)

// JSON writes log lines as JSON.
func JSON(w io.Writer, level slog.Leveler) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a = UTC(a); a.Value.Kind() == slog.KindDuration {
				return slog.Float64(a.Key+"_seconds", a.Value.Duration().Seconds())
			}
			return a
		}})
}

// UTC returns a in UTC if it is a time.
func UTC(a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindTime {
		a.Value = slog.TimeValue(a.Value.Time().UTC().Truncate(time.Microsecond))
	}
	return a
}
