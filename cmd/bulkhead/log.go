package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/lmittmann/tint"
	"google.golang.org/grpc/grpclog"

	"bulkhead/internal/config"
	"bulkhead/internal/logline"
	"bulkhead/internal/sink"
	"bulkhead/internal/terminal"
)

// newLogger logs to stderr as the configuration says: lines for a person, in colour on
// a terminal unless NO_COLOR is set (no-color.org), or JSON. What nobody reads is left
// out, and a line says how much.
func newLogger(c config.Log, stderr *sink.Sink) *slog.Logger {
	colour := terminal.Is(stderr.File()) && inColour()
	stderr.SetNote(func(lines uint64) []byte {
		var out bytes.Buffer
		slog.New(logHandler(c.Format, &out, slog.LevelWarn, colour)).Warn("log lines left out, because nobody read them", "lines", lines)
		return out.Bytes()
	})
	return slog.New(logHandler(c.Format, stderr, c.Level, colour))
}

func logHandler(format string, w io.Writer, level slog.Level, colour bool) slog.Handler {
	if format == "json" {
		return logline.JSON(w, level)
	}
	return tint.NewTextHandler(w, &tint.Options{
		Level: level, TimeFormat: "2006-01-02T15:04:05.000Z07:00", NoColor: !colour, ReplaceAttr: legible,
	})
}

// legible is a for people: sizes and rates in units that they read.
func legible(_ []string, a slog.Attr) slog.Attr {
	if name, ok := strings.CutSuffix(a.Key, "_bytes_per_second"); ok && a.Value.Kind() == slog.KindFloat64 {
		return slog.String(name, fmt.Sprintf("%.1f MB/s", a.Value.Float64()/1e6))
	}
	if name, ok := strings.CutSuffix(a.Key, "_bytes"); ok && a.Value.Kind() == slog.KindUint64 {
		return slog.String(name, fmt.Sprintf("%.1f MB", float64(a.Value.Uint64())/1e6))
	}
	return logline.UTC(a)
}

// logLibraries has what libraries log of themselves go the way of everything else: they
// would wait for whoever reads stderr. Only main may call it, before anything else.
func logLibraries(stderr io.Writer) {
	log.SetOutput(stderr)
	info, warning := io.Discard, io.Discard
	switch strings.ToLower(os.Getenv("GRPC_GO_LOG_SEVERITY_LEVEL")) { // gRPC's own variable
	case "info":
		info, warning = stderr, stderr
	case "warning":
		warning = stderr
	}
	verbosity, _ := strconv.Atoi(os.Getenv("GRPC_GO_LOG_VERBOSITY_LEVEL")) // 0 if it is none
	grpclog.SetLoggerV2(grpclog.NewLoggerV2WithVerbosity(info, warning, stderr, verbosity))
}

// inColour reports whether terminals are written to in colour.
func inColour() bool { return os.Getenv("NO_COLOR") == "" }

// blockFor is what a command draws in that goes on for long: a block below the log, on
// the terminal that stderr is. It is nil when stderr is no terminal where things can be
// drawn, or the log is for programs.
func blockFor(c config.Log, stderr *sink.Sink) *terminal.Block {
	if c.Format == "json" || !terminal.Fit(stderr.File()) {
		return nil
	}
	return terminal.NewBlock(stderr)
}
