package main

import (
	"bytes"
	"io"
	"log"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/lmittmann/tint"
	"google.golang.org/grpc/grpclog"

	"bulkhead/internal/config"
	"bulkhead/internal/human"
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
		slog.New(logHandler(c.Format, &out, slog.LevelWarn,
			colour)).Warn("log lines left out, because nobody read them", "lines", lines)
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

// legible returns an attribute as people read it: sizes and rates in larger units.
func legible(_ []string, a slog.Attr) slog.Attr {
	if name, ok := strings.CutSuffix(a.Key, "_bytes_per_second"); ok && a.Value.Kind() == slog.KindFloat64 {
		return slog.String(name, human.InMegabytesPerSecond(a.Value.Float64()))
	}
	if name, ok := strings.CutSuffix(a.Key, "_bytes"); ok && a.Value.Kind() == slog.KindUint64 {
		return slog.String(name, human.InMegabytes(a.Value.Uint64()))
	}
	return logline.UTC(a)
}

// logLibraries sends what libraries log the way of everything else; by themselves they would
// wait for whoever reads stderr. Only main may call it, before anything else.
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

// painter returns what draws on terminals.
func painter() terminal.Painter { return terminal.Painter{Colour: inColour()} }

// blockFor returns the block below the log in which a long command draws, on the terminal that
// stderr is. It returns nil when stderr is no terminal that can be drawn on, or the log is for
// programs.
func blockFor(c config.Log, stderr *sink.Sink) *terminal.Block {
	if c.Format == "json" || !terminal.Fit(stderr.File()) {
		return nil
	}
	return terminal.NewBlock(stderr)
}
