package supervisor

import (
	"sync"
	"time"
)

// rateWindow is how many ticks of a second the rates in status are over.
const rateWindow = 5

// counted is what one batch adds to a session's live figures.
type counted struct {
	messages, bytes, chunks, errors, rollovers uint64
	rounds                                     uint64 // of heartbeats
	beats                                      beats  // of all rounds
	lastRound                                  beats  // of the newest
	timed                                      bool   // it has histograms for the sketch
	stopped                                    bool   // it has a Stop: the load is over
}

func (c *counted) add(o counted) {
	c.messages += o.messages
	c.bytes += o.bytes
	c.chunks += o.chunks
	c.errors += o.errors
	c.rollovers += o.rollovers
	c.rounds += o.rounds
	c.beats.add(o.beats)
	if o.rounds > 0 {
		c.lastRound = o.lastRound
	}
	c.timed = c.timed || o.timed
	c.stopped = c.stopped || o.stopped
}

// beats are heartbeats by how they were answered: one for each process and round.
type beats struct{ answered, late, missed, stalled uint64 }

func (b *beats) add(o beats) {
	b.answered += o.answered
	b.late += o.late
	b.missed += o.missed
	b.stalled += o.stalled
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
	ticks    int                     // guarded by mu; how many samples behind the newest are filled
	writes   sketch                  // guarded by mu; of the run, but for this second
	recent   recentSketch            // guarded by mu
}

// add counts one durable batch.
func (l *live) add(c counted, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.view.total.add(c)
	l.view.lastMessage = now
}

// addWrites counts the chunk-write latencies of one durable batch.
func (l *live) addWrites(batch []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	chunkWrites(batch, l.recent.now().merge)
}

// sketches adds the session's latencies, of the whole run and of the last seconds, to
// two sketches.
func (l *live) sketches(whole, recent *sketch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	whole.add(&l.writes)
	whole.add(l.recent.now())
	l.recent.addTo(recent)
}

// state notes a transition and who serves the session now.
//
// again says that it is the connection it had before.
func (l *live) state(p phase, cause string, by *link, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.view.phase, l.view.cause = p, cause
	l.view.handlerPid, l.view.peer = 0, ""
	if p != active {
		return
	}
	l.view.cause = ""
	l.view.handlerPid, l.view.peer = by.child.Pid(), by.peer
	if !again {
		l.attaches++
	}
	l.view.resumes = l.attaches - 1
}

// restore sets the figures to what a journal has of the session.
func (l *live) restore(p phase, was *recovered, lastMessage time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.view.phase, l.view.cause = p, was.cause
	l.view.total, l.view.lastMessage = was.total, lastMessage
	l.samples[0] = was.total // what came before is of no rate from now on
	l.writes = was.writes
	l.attaches = was.attaches
	l.view.resumes = max(l.attaches, 1) - 1
}

// tick takes the sample of a second.
func (l *live) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes.add(l.recent.now())
	l.recent.tick()
	copy(l.samples[1:], l.samples[:rateWindow])
	l.samples[0] = l.view.total
	l.ticks = min(l.ticks+1, rateWindow)
	oldest := l.samples[l.ticks]
	seconds := float64(l.ticks)
	l.view.bytesPerSecond = float64(l.samples[0].bytes-oldest.bytes) / seconds
	l.view.msgsPerSecond = float64(l.samples[0].messages-oldest.messages) / seconds
}

func (l *live) snapshot() liveView {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view
}
