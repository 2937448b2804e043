package consumer

import (
	"context"
	"sync/atomic"
	"time"

	"bulkhead/client/consumer/numbers"
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
	held := r.held[t.number]
	if held != nil {
		held.revoked.Store(true)
	}
	if r.reading == nil || r.reading.number != t.number {
		return held != nil
	}
	r.reading.stop()
	return true
}

// kept returns the finished files, and those of which no more than their numbers is kept.
func (r *rotation) kept() ([]*content, numbers.Set) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*content
	for _, t := range r.finished {
		if t.content != nil {
			list = append(list, t.content)
		}
	}
	return list, r.numbered.Clone()
}

// lease holds a finished file for those that read it: until the last of them lets go, it is
// neither removed nor written over. Whoever wants to do so revokes the lease; the readers look
// before each read, and nobody gets it anew.
type lease struct {
	turn        // with its content
	holders int // guarded by the rotation's mu
	revoked atomic.Bool
}

// leases are the finished files that are being read, by number. It belongs to a rotation, and is
// guarded by its mu.
type leases struct {
	held map[uint64]*lease
	// whole returns what a file reads back as of which only the number is known; nil if there
	// are no readers.
	whole func(number uint64) *content
	// flawed has such files in which something was found wrong, so that it is said once; at most
	// maxCorruptions.
	flawed map[uint64]*content
	// cursor is how many files were taken in turn, and gone how many that were finished have
	// left from the front since.
	cursor, gone uint64
}

// lease returns a finished file to read, which release gives back: the one that pick names of so
// many, or, without pick, the next in turn for all readers together. It waits while there is
// none, and returns nil once done is closed.
func (r *rotation) lease(pick func(n uint64) uint64, done <-chan struct{}) *lease {
	for !isClosed(done) {
		r.mu.Lock()
		l, changed := r.choose(pick), r.changed
		r.mu.Unlock()
		if l != nil {
			return l
		}
		select {
		case <-changed:
		case <-done:
		}
	}
	return nil
}

// choose returns a file to read; nil if none can be read now. The caller holds mu.
func (r *rotation) choose(pick func(n uint64) uint64) *lease {
	numbered := r.numbered.Count()
	n := numbered + uint64(len(r.finished))
	if n == 0 {
		return nil
	}
	var first uint64
	if pick != nil {
		first = pick(n)
	} else {
		if r.cursor < r.gone || r.cursor-r.gone >= n {
			r.cursor = r.gone
		}
		first = r.cursor - r.gone
		r.cursor++
	}
	for i := range n {
		at := (first + i) % n
		t := turn{generation: 1}
		if at < numbered {
			t.number = r.numbered.At(at)
			if t.content = r.flawed[t.number]; t.content == nil {
				t.content = r.whole(t.number)
			}
		} else {
			t = r.finished[at-numbered]
		}
		if l := r.hold(t); l != nil {
			return l
		}
	}
	return nil
}

// hold returns the lease of a file that is finished; nil if it cannot be read: it is wanted, or
// parts of it may be missing. The caller holds mu.
func (r *rotation) hold(t turn) *lease {
	l := r.held[t.number]
	switch {
	case l != nil && l.revoked.Load(), t.content == nil, t.content.target.Unfinished:
		return nil
	case l == nil:
		l = &lease{turn: t}
		r.held[t.number] = l
	}
	l.holders++
	return l
}

// again returns a lease of the file that l was of, unless somebody wants that file, or it is gone
// or another by now.
func (r *rotation) again(l *lease) *lease {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.numbered.Has(l.number) {
		return r.hold(l.turn)
	}
	for _, t := range r.finished {
		if t.number == l.number && t.generation == l.generation {
			return r.hold(t)
		}
	}
	return nil
}

// release gives a lease back.
func (r *rotation) release(l *lease) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.holders--; l.holders == 0 {
		delete(r.held, l.number)
		if l.revoked.Load() {
			r.announce()
		}
	}
}

// remember keeps what was found wrong in a file of which only the number is known.
func (r *rotation) remember(l *lease) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.numbered.Has(l.number) && len(r.flawed) < maxCorruptions {
		r.flawed[l.number] = l.content
	}
}
