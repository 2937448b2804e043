package consumer

import (
	"context"
	"time"
)

// reading is a finished file that is being read again. It is neither removed nor written
// over meanwhile; whoever wants to do so has the reading stop.
type reading struct {
	number uint64
	stop   context.CancelFunc
}

// read begins the reading of the finished file that was not read for the longest time.
// It returns nil, and how long to wait, if there is none that was not read for pause.
// Only one file is read at a time; endReading ends it.
func (r *rotation) read(pause time.Duration, stop context.CancelFunc) (c *content, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var number uint64
	for _, t := range r.finished {
		if t.content != nil && !t.content.unreadable && (c == nil || t.content.checked.Before(c.checked)) {
			c, number = t.content, t.number
		}
	}
	if c == nil {
		return nil, pause
	}
	if wait = pause - time.Since(c.checked); wait > 0 {
		return nil, wait
	}
	r.reading = &reading{number, stop}
	return c, 0
}

// endReading ends what read began.
func (r *rotation) endReading() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reading = nil
	r.announce()
}

// interrupt stops the reading, because something else is to be read first.
func (r *rotation) interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reading != nil {
		r.reading.stop()
	}
}

// interrupted reports whether the file is being read, and has that stop. The caller holds
// mu.
func (r *rotation) interrupted(t turn) bool {
	if r.reading == nil || r.reading.number != t.number {
		return false
	}
	r.reading.stop()
	return true
}

// kept returns the finished files, and those of which no more than their numbers is kept.
func (r *rotation) kept() ([]*content, numbers) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*content
	for _, t := range r.finished {
		if t.content != nil {
			list = append(list, t.content)
		}
	}
	return list, r.numbered.clone()
}
