package child

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxLine is the longest part of a line that is kept, in bytes.
	maxLine = 4096
	// linesPerSecond and lineBurst bound what one child may log.
	linesPerSecond = 20
	lineBurst      = 100
	// maxLastWords bounds the plain lines kept to explain a crash.
	maxLastWords = 12
)

// stderrLog passes on what a child writes to stderr: log lines (JSON of
// log/slog) with their level and attributes, other lines as they are.
type stderrLog struct {
	log     *slog.Logger
	limit   *rate.Limiter
	dropped int

	mu        sync.Mutex
	lastWords []string // guarded by mu
}

func newStderrLog(log *slog.Logger) *stderrLog {
	return &stderrLog{log: log, limit: rate.NewLimiter(linesPerSecond, lineBurst)}
}

// Copy reads r to its end.
func (s *stderrLog) Copy(r io.Reader) {
	br := bufio.NewReaderSize(r, maxLine)
	for {
		line, isPrefix, err := br.ReadLine()
		if err != nil {
			s.reportDropped()
			return
		}
		s.line(string(line))
		for isPrefix && err == nil { // the rest of a line that is too long
			_, isPrefix, err = br.ReadLine()
		}
	}
}

// words returns the plain lines kept so far.
func (s *stderrLog) words() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.lastWords...)
}

func (s *stderrLog) line(line string) {
	rec, isLog := parseLogLine(line)
	if !isLog {
		s.keep(line)
	}
	if !s.limit.Allow() {
		s.dropped++
		return
	}
	s.reportDropped()
	if !isLog {
		s.log.Warn("child wrote: " + line)
		return
	}
	if h := s.log.Handler(); h.Enabled(context.Background(), rec.Level) {
		_ = h.Handle(context.Background(), rec) // nowhere to report a log that cannot be written
	}
}

// keep remembers a plain line. The first line of a panic says most, so the first
// few lines from it on are kept; before one, the newest are.
func (s *stderrLog) keep(line string) {
	if strings.TrimSpace(line) == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
		s.lastWords = s.lastWords[:0]
	}
	if len(s.lastWords) == maxLastWords {
		if isPanic(s.lastWords[0]) {
			return
		}
		s.lastWords = s.lastWords[1:]
	}
	s.lastWords = append(s.lastWords, line)
}

func isPanic(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")
}

func (s *stderrLog) reportDropped() {
	if s.dropped > 0 {
		s.log.Warn("child logs too fast, lines left out", "lines", s.dropped)
		s.dropped = 0
	}
}

// parseLogLine reads one line of slog's JSON form. The child's clock is not used:
// a record carries the time it arrived.
func parseLogLine(line string) (slog.Record, bool) {
	if !strings.HasPrefix(line, "{") {
		return slog.Record{}, false
	}
	var fields map[string]any
	if json.Unmarshal([]byte(line), &fields) != nil {
		return slog.Record{}, false
	}
	msg, ok := fields[slog.MessageKey].(string)
	text, ok2 := fields[slog.LevelKey].(string)
	var level slog.Level
	if !ok || !ok2 || level.UnmarshalText([]byte(text)) != nil {
		return slog.Record{}, false
	}
	rec := slog.NewRecord(time.Now(), level, msg, 0)
	keys := make([]string, 0, len(fields))
	for k := range fields {
		if k != slog.MessageKey && k != slog.LevelKey && k != slog.TimeKey {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		rec.AddAttrs(slog.Any(k, fields[k]))
	}
	return rec, true
}
