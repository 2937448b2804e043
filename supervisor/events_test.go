package supervisor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// event is one line of a supervisor's log.
type event map[string]any

// events is a supervisor's log that tests can wait on.
type events struct {
	out io.Writer // receives every line too

	mu      sync.Mutex
	all     []event       // guarded by mu
	changed chan struct{} // guarded by mu; closed and replaced at every line
}

func newEvents(out io.Writer) *events {
	return &events{out: out, changed: make(chan struct{})}
}

func (e *events) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(e, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write takes one line, as slog's handlers write it.
func (e *events) Write(line []byte) (int, error) {
	var ev event
	if err := json.Unmarshal(bytes.TrimSpace(line), &ev); err != nil {
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
	close(e.changed)
	e.changed = make(chan struct{})
	return e.out.Write(line)
}

// matches reports whether the event has a message and, in pairs, fields with values.
func (ev event) matches(msg string, fields []string) bool {
	if ev[slog.MessageKey] != msg {
		return false
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if fmt.Sprint(ev[fields[i]]) != fields[i+1] {
			return false
		}
	}
	return true
}

// await waits for an event, those of the past included, and returns it.
func (e *events) await(t *testing.T, msg string, fields ...string) event {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for seen := 0; ; {
		e.mu.Lock()
		all, changed := e.all, e.changed
		e.mu.Unlock()
		for ; seen < len(all); seen++ {
			if all[seen].matches(msg, fields) {
				return all[seen]
			}
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("the log never said %q with %v", msg, fields)
		}
	}
}

// count returns how many such events there were so far.
func (e *events) count(msg string, fields ...string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, ev := range e.all {
		if ev.matches(msg, fields) {
			n++
		}
	}
	return n
}
