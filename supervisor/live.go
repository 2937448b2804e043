package supervisor

import (
	"sync"
	"time"
)

// rateWindow is how many ticks of a second the rates in status are over.
const rateWindow = 5

// counted is what one batch adds to a session's live figures.
type counted struct {
	messages, bytes, chunks, errors uint64
}

func (c *counted) add(o counted) {
	c.messages += o.messages
	c.bytes += o.bytes
	c.chunks += o.chunks
	c.errors += o.errors
}

// liveView is a snapshot of a session's live figures.
type liveView struct {
	phase          phase
	cause          string
	peer           string
	handlerPid     int
	resumes        uint32
	total          counted
	bytesPerSecond float64
	msgsPerSecond  float64
	lastMessage    time.Time
}

// live is what status shows of a session. The processor writes, anybody reads.
type live struct {
	mu       sync.Mutex
	view     liveView                // guarded by mu
	attaches uint32                  // guarded by mu
	samples  [rateWindow + 1]counted // guarded by mu; totals of the last seconds, newest first
	ticks    int                     // guarded by mu; samples that are filled
}

// add counts one durable batch.
func (l *live) add(c counted, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.view.total.add(c)
	l.view.lastMessage = now
}

// state notes a transition and who serves the session now.
func (l *live) state(p phase, cause string, by *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.view.phase, l.view.cause = p, cause
	l.view.handlerPid, l.view.peer = 0, ""
	if p != active {
		return
	}
	l.view.cause = ""
	l.view.handlerPid, l.view.peer = by.child.Pid(), by.peer
	l.attaches++
	l.view.resumes = l.attaches - 1
}

// tick takes the sample of a second.
func (l *live) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	copy(l.samples[1:], l.samples[:rateWindow])
	l.samples[0] = l.view.total
	l.ticks = min(l.ticks+1, rateWindow+1)
	if l.ticks < 2 {
		return
	}
	oldest := l.samples[l.ticks-1]
	seconds := float64(l.ticks - 1)
	l.view.bytesPerSecond = float64(l.samples[0].bytes-oldest.bytes) / seconds
	l.view.msgsPerSecond = float64(l.samples[0].messages-oldest.messages) / seconds
}

func (l *live) snapshot() liveView {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view
}
