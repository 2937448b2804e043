package child

import (
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// logsTurn is how long a turn lasts, logsMost bounds the lines of all children in one, and
	// logsFree is how many go to whoever comes first.
	logsTurn = 5 * time.Second
	logsMost = 1000
	logsFree = logsMost / 2
)

// Logs bounds what all children of one owner log together. Of the lines of a turn one half goes to
// whoever comes first, and of the other half each child gets one that was not heard yet: a child that
// is quiet is heard beside hundreds that are not. What is left out is counted and told, once a turn.
// A nil Logs bounds nothing.
type Logs struct {
	log *slog.Logger
	now func() time.Time // a test scripts it

	crash *rate.Limiter // of the lines after the first of a crash, at debug level

	mu       sync.Mutex
	turn     int         // guarded by mu; the number of the turn
	began    time.Time   // guarded by mu
	passed   int         // guarded by mu; lines in this turn
	lines    int         // guarded by mu; left out, and not told yet
	children int         // guarded by mu; whose those are
	tell     *time.Timer // guarded by mu; nil while there is nothing to tell
}

// NewLogs returns the bound of one owner, which tells of what is left out in log. Its Close must be
// called when no child is left.
func NewLogs(log *slog.Logger) *Logs {
	return &Logs{log: log, now: time.Now, crash: rate.NewLimiter(linesPerSecond, crashLines), turn: 1}
}

// share is what became of one child's lines. Its Logs guards it.
type share struct {
	turn    int // of the other fields
	heard   bool
	leftOut bool
}

// allow reports whether a child may log a line.
func (l *Logs) allow(s *share) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enter(s)
	if l.passed >= logsMost || l.passed >= logsFree && s.heard {
		return false
	}
	l.passed++
	s.heard = true
	return true
}

// enter begins another turn, if it is time, and the child's in it. l.mu is held.
func (l *Logs) enter(s *share) {
	if now := l.now(); now.Sub(l.began) >= logsTurn {
		l.turn, l.began, l.passed = l.turn+1, now, 0
	}
	if s.turn != l.turn {
		*s = share{turn: l.turn}
	}
}

// leave counts lines of a child that are left out.
func (l *Logs) leave(s *share, lines int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enter(s)
	l.lines += lines
	if !s.leftOut {
		s.leftOut = true
		l.children++
	}
	if l.tell == nil {
		l.tell = time.AfterFunc(logsTurn, l.say) // Close ends it
	}
}

// allowCrash reports whether a line after the first of a crash may be logged.
func (l *Logs) allowCrash() bool { return l == nil || l.crash.Allow() }

// say tells what was left out.
func (l *Logs) say() {
	l.mu.Lock()
	lines, children := l.lines, l.children
	l.lines, l.children, l.tell = 0, 0, nil
	l.mu.Unlock()
	if lines > 0 {
		l.log.Warn("children together log too much, lines left out", "lines", lines, "children", children)
	}
}

// Close tells what was left out last.
func (l *Logs) Close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	if l.tell != nil {
		l.tell.Stop() // or it finds nothing to tell
	}
	l.mu.Unlock()
	l.say()
}
