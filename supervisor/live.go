package supervisor

import (
	"sync"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/recovery"
)

// liveView is a snapshot of a session's live figures.
type liveView struct {
	phase          phase
	cause          string
	peer           string
	handlerPid     int
	resumes        uint32
	total          raw.Counted
	bytesPerSecond float64
	readPerSecond  float64 // bytes
	msgsPerSecond  float64
	lastMessage    time.Time
}

// live is what status shows of a session. The processor writes, anybody reads.
type live struct {
	mu       sync.Mutex
	view     liveView                   // guarded by mu
	attaches uint32                     // guarded by mu
	samples  [raw.RateWindow + 1]sample // guarded by mu; totals of the last seconds, newest first
	ticks    int                        // guarded by mu; how many samples behind the newest are filled
	writes   raw.Sketch                 // guarded by mu; of the run, but for this second
	recent   raw.RecentSketch           // guarded by mu
	// reads and recentReads are the same of readers beside the writing; guarded by mu
	reads       raw.Sketch
	recentReads raw.RecentSketch
	stages      []stage   // guarded by mu; of the load, until the session has ended
	staged      time.Time // guarded by mu; when the newest of them was heard of
}

// stage is one of a load's stages.
type stage struct {
	name       string
	unreported bool
	lasts      time.Duration // 0 for one that its bytes end
}

// schedule sets the stages of the session's load. Nobody else has l yet.
func (l *live) schedule(list []*bulkheadv1.Stage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range list {
		l.stages = append(l.stages, stage{s.GetName(), s.GetUnreported(), time.Duration(s.GetDurationNano())})
	}
}

// over lets go of what is of no use when the session has ended.
func (l *live) over() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stages = nil
}

// unreported says of each stage whether it is not reported.
func (l *live) unreported() []bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []bool
	for _, s := range l.stages {
		list = append(list, s.unreported)
	}
	return list
}

// inStage is the newest stage that a client is in.
type inStage struct {
	number, of uint32
	name       string
	left       time.Duration // 0 if it is over, or nobody knows for how long it goes on
}

// stage returns the stage that the client is in.
func (l *live) stage(now time.Time) inStage {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := inStage{number: min(l.view.total.Stage, uint32(len(l.stages))), of: uint32(len(l.stages))}
	if in.number > 0 {
		one := &l.stages[in.number-1]
		in.name, in.left = one.name, max(one.lasts-now.Sub(l.staged), 0)
	}
	return in
}

// sample is what had come of a session at the end of a second.
type sample struct{ bytes, readBytes, messages uint64 }

func sampleOf(c raw.Counted) sample { return sample{c.Bytes, c.ReadBytes, c.Messages} }

// add counts one durable batch.
func (l *live) add(c raw.Counted, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Stage > l.view.total.Stage {
		l.staged = now
	}
	l.view.total.Add(c)
	l.view.lastMessage = now
}

// addWrites counts the chunk-write latencies of one durable batch.
func (l *live) addWrites(batch []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	raw.ChunkWrites(batch, l.recent.Now().Merge)
}

// addReads counts the latencies of reads of one durable batch.
func (l *live) addReads(batch []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	raw.Reads(batch, l.recentReads.Now().Merge)
}

// readSketches adds the latencies of the session's reads, of the whole run and of the last seconds, to
// two sketches.
func (l *live) readSketches(whole, recent *raw.Sketch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	whole.Add(&l.reads)
	whole.Add(l.recentReads.Now())
	l.recentReads.AddTo(recent)
}

// sketches adds the session's latencies, of the whole run and of the last seconds, to
// two sketches.
func (l *live) sketches(whole, recent *raw.Sketch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	whole.Add(&l.writes)
	whole.Add(l.recent.Now())
	l.recent.AddTo(recent)
}

// addLast adds the session's latencies of the second that has ended to a sketch.
func (l *live) addLast(to *raw.Sketch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to.Add(l.recent.Last())
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
func (l *live) restore(p phase, was *recovery.Session, lastMessage, staged time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.view.phase, l.view.cause = p, was.Cause
	l.view.total, l.view.lastMessage, l.staged = was.Total, lastMessage, staged
	l.samples[0] = sampleOf(was.Total) // what came before is of no rate from now on
	l.writes.Add(&was.Writes)
	l.reads.Add(&was.Reads)
	l.attaches = was.Attaches
	l.view.resumes = max(l.attaches, 1) - 1
}

// tick takes the sample of a second.
func (l *live) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes.Add(l.recent.Now())
	l.recent.Tick()
	l.reads.Add(l.recentReads.Now())
	l.recentReads.Tick()
	copy(l.samples[1:], l.samples[:raw.RateWindow])
	l.samples[0] = sampleOf(l.view.total)
	l.ticks = min(l.ticks+1, raw.RateWindow)
	oldest := l.samples[l.ticks]
	seconds := float64(l.ticks)
	l.view.bytesPerSecond = float64(l.samples[0].bytes-oldest.bytes) / seconds
	l.view.readPerSecond = float64(l.samples[0].readBytes-oldest.readBytes) / seconds
	l.view.msgsPerSecond = float64(l.samples[0].messages-oldest.messages) / seconds
}

func (l *live) snapshot() liveView {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view
}
