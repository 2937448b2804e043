package child

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"
)

const (
	// maxLine is the longest part of a line that is kept, in bytes.
	maxLine = 4096
	// linesPerSecond and lineBurst bound what one child may log.
	linesPerSecond = 20
	lineBurst      = 100
	// crashLines bounds what it may log at once of its own end, at debug level.
	crashLines = 2000
	// maxLastWords bounds the plain lines kept to explain a crash.
	maxLastWords = 12
	// maxFaults bounds how often a child is looked at because it says that it ends of a fault.
	maxFaults = 8
)

// stderrLog passes on what a child writes to stderr: log lines (JSON of
// log/slog) with their level and attributes, other lines as they are. Of how Go's
// runtime explains the end of a process, which is a hundred lines, it passes on the
// first and how many more there were, and all of them at debug level.
type stderrLog struct {
	log     *slog.Logger
	limit   *rate.Limiter
	dropped int
	all     *Logs // what all children log; may be nil
	share   share // of that

	crash   *rate.Limiter // of the lines after the first of a crash
	crashed bool          // that first line came
	more    int           // lines after it

	onFault func() // called when the child says that it ends of a fault, a few times at most; nil for nothing
	faults  int    // how often it was called

	mu        sync.Mutex
	lastWords []string // guarded by mu
}

func newStderrLog(log *slog.Logger, all *Logs) *stderrLog {
	return &stderrLog{
		log: log, all: all, limit: rate.NewLimiter(linesPerSecond, lineBurst),
		crash: rate.NewLimiter(linesPerSecond, crashLines),
	}
}

// lineReaders are what Copy reads lines with.
var lineReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxLine) }}

// Copy reads r to its end. While nothing comes it holds no buffer, if r can wait: most children
// never say a word.
func (s *stderrLog) Copy(r io.Reader) {
	waits, _ := r.(interface{ await() })
	var br *bufio.Reader
	for {
		if br == nil {
			if waits != nil {
				waits.await()
			}
			br = lineReaders.Get().(*bufio.Reader)
			br.Reset(r)
		}
		line, isPrefix, err := br.ReadLine()
		if err != nil {
			s.reportDropped()
			s.reportCrash()
			return
		}
		s.line(string(line))
		for isPrefix && err == nil { // the rest of a line that is too long
			_, isPrefix, err = br.ReadLine()
		}
		if waits != nil && br.Buffered() == 0 {
			br.Reset(nil) // it holds on to nobody
			lineReaders.Put(br)
			br = nil
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
		if line == fault && s.onFault != nil && s.faults < maxFaults {
			s.faults++
			s.onFault()
		}
		if s.crashed {
			s.explain(line)
			return
		}
		s.crashed = isLast(line)
	}
	if !s.limit.Allow() {
		s.dropped++
		return
	}
	s.reportDropped()
	if !s.all.allow(&s.share) {
		s.all.leave(&s.share, 1)
		return
	}
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
	if isLast(line) && !(line == abort && len(s.lastWords) > 0 && isLast(s.lastWords[0])) {
		s.lastWords = s.lastWords[:0]
	}
	if len(s.lastWords) == maxLastWords {
		if isLast(s.lastWords[0]) {
			return
		}
		s.lastWords = s.lastWords[1:]
	}
	s.lastWords = append(s.lastWords, line)
}

// What Go's runtime says: fatal begins the line in which it gives up, noThread the
// line in which it got no thread, and abort, which adds nothing, follows that one; fault is the
// line for a SIGSEGV.
const (
	fault    = "SIGSEGV: segmentation violation"
	fatal    = "fatal error: "
	noThread = "runtime/cgo: pthread_create failed"
	abort    = "SIGABRT: abort"
)

// isLast recognizes the line with which Go's runtime begins to explain the end of a
// process: a panic, an error of its own, or a signal ("SIGSEGV: segmentation
// violation").
func isLast(line string) bool {
	if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, fatal) || strings.HasPrefix(line, noThread) {
		return true
	}
	name, rest, ok := strings.Cut(line, ": ")
	return ok && rest != "" && unix.SignalNum(name) != 0
}

// explain takes note of a line after the first of a crash.
func (s *stderrLog) explain(line string) {
	if strings.TrimSpace(line) == "" {
		return
	}
	s.more++
	if s.log.Enabled(context.Background(), slog.LevelDebug) && s.crash.Allow() && s.all.allowCrash() {
		s.log.Debug("child wrote: " + line)
	}
}

func (s *stderrLog) reportCrash() {
	switch {
	case s.more == 0:
	case s.all.allow(&s.share):
		s.log.Warn(fmt.Sprintf("child wrote: … and %d more lines of a crash", s.more))
	default:
		s.all.leave(&s.share, s.more)
	}
}

func (s *stderrLog) reportDropped() {
	switch {
	case s.dropped == 0:
	case s.all.allow(&s.share):
		s.log.Warn("child logs too fast, lines left out", "lines", s.dropped)
	default:
		s.all.leave(&s.share, s.dropped)
	}
	s.dropped = 0
}

// parseLogLine reads one line of slog's JSON form. The child's clock is not used:
// a record carries the time it arrived.
func parseLogLine(line string) (slog.Record, bool) {
	if !strings.HasPrefix(line, "{") {
		return slog.Record{}, false
	}
	var fields map[string]any
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.UseNumber() // numbers go on as they are
	if decoder.Decode(&fields) != nil || decoder.More() {
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
