package handler

import (
	"context"
	"sort"
	"sync"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// relay is what lies between the client's stream and the supervisor's: what the
// client said and the supervisor has not taken or acknowledged yet. It outlives a
// Serve call, so that another can repeat from any point.
type relay struct {
	maxUnacked int
	hop        hop           // for the TLS handshake
	changed    chan struct{} // holds one token after anything below changed
	room       chan struct{} // holds one token after unacked shrank

	mu       sync.Mutex
	sign     *bulkheadv1.Sign          // guarded by mu; nil when it is answered
	proof    *bulkheadv1.Proof         // guarded by mu
	hello    *bulkheadv1.Hello         // guarded by mu
	unacked  []*bulkheadv1.SealedBatch // guarded by mu; in sequence
	acked    uint64                    // guarded by mu
	messages uint64                    // guarded by mu; accepted from the client
	goodbye  *bulkheadv1.Goodbye       // guarded by mu
	end      *bulkheadv1.End           // guarded by mu
	resent   []*bulkheadv1.Resent      // guarded by mu; at most maxResent, not told yet
	exceeded uint64                    // guarded by mu; batches that came although the window was full
	report   *bulkheadv1.AgentReport   // guarded by mu; the newest of an agent; nil before the first
	reports  uint64                    // guarded by mu; how many came
}

func newRelay(maxUnacked int) *relay {
	return &relay{maxUnacked: max(1, maxUnacked), hop: newHop(), changed: make(chan struct{}, 1),
		room: make(chan struct{}, 1)}
}

// signalChange puts a token into c unless there is one.
func signalChange(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (r *relay) setHello(h *bulkheadv1.Hello) {
	r.mu.Lock()
	r.hello = h
	r.mu.Unlock()
	signalChange(r.changed)
}

// setSign has the supervisor asked for a signature; nil if it is no more.
func (r *relay) setSign(s *bulkheadv1.Sign) {
	r.mu.Lock()
	r.sign = s
	r.mu.Unlock()
	signalChange(r.changed)
}

func (r *relay) setProof(p *bulkheadv1.Proof) {
	r.mu.Lock()
	r.proof = p
	r.mu.Unlock()
	signalChange(r.changed)
}

// setReport has the supervisor told how an agent's tasks are. Of several that it has not taken it
// gets the newest.
func (r *relay) setReport(a *bulkheadv1.AgentReport) {
	r.mu.Lock()
	r.report = a
	r.reports++
	r.mu.Unlock()
	signalChange(r.changed)
}

func (r *relay) setGoodbye(g *bulkheadv1.Goodbye) {
	r.mu.Lock()
	r.goodbye = g
	r.mu.Unlock()
	signalChange(r.changed)
}

func (r *relay) setEnd(e *bulkheadv1.End) {
	r.mu.Lock()
	e.Messages, e.WindowExceeded = r.messages, r.exceeded
	r.end = e
	r.mu.Unlock()
	signalChange(r.changed)
}

// add keeps a batch, after waiting for room. It returns false when ctx is done.
// One goroutine calls it.
func (r *relay) add(ctx context.Context, b *bulkheadv1.SealedBatch) bool {
	for first := true; !r.tryAdd(b); first = false {
		if first {
			r.overrun()
		}
		select {
		case <-r.room:
		case <-ctx.Done():
			return false
		}
	}
	signalChange(r.changed)
	return true
}

// overrun counts a batch that found no room: its client had as many on their way as it may,
// for it can have no Ack that is not here yet.
func (r *relay) overrun() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exceeded++
}

func (r *relay) tryAdd(b *bulkheadv1.SealedBatch) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.unacked) >= r.maxUnacked {
		return false
	}
	r.unacked = append(r.unacked, b)
	r.messages += b.LastSeq - b.FirstSeq + 1
	return true
}

// ack forgets what is durable.
func (r *relay) ack(seq uint64) {
	r.mu.Lock()
	r.acked = max(r.acked, seq)
	n := 0
	for n < len(r.unacked) && r.unacked[n].LastSeq <= seq {
		r.unacked[n] = nil
		n++
	}
	r.unacked = r.unacked[n:]
	r.mu.Unlock()
	if n > 0 {
		signalChange(r.room)
	}
}

// settled reports whether the client's connection has ended and no supervisor is needed:
// one finished it, or no batch waits for an Ack and no Goodbye for a Finish.
// That a frame was sent says nothing, for the supervisor may have died before it took it.
func (r *relay) settled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end.GetClass() == bulkheadv1.EndClass_END_CLASS_FINISHED {
		return true
	}
	return r.end != nil && len(r.unacked) == 0 && r.goodbye == nil
}

// accepted returns how many messages came from the client.
func (r *relay) accepted() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.messages
}

// cursor is how far one Serve call has told the supervisor.
type cursor struct {
	sign, proof, hello, goodbye, end bool

	seq     uint64 // last sequence number sent
	reports uint64 // of an agent's, up to which it was sent
}

// next returns the next frame for the supervisor and moves the cursor on, or nil
// if there is none yet. Order: Sign, Proof, Hello, batches, Goodbye, End; what was sent again
// comes between them.
func (r *relay) next(at *cursor) *bulkheadv1.HandlerFrame {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sign != nil && !at.sign {
		at.sign = true
		return &bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Sign{Sign: r.sign}}
	}
	if r.proof != nil && !at.proof {
		at.proof = true
		return &bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Proof{Proof: r.proof}}
	}
	if r.hello != nil && !at.hello {
		at.hello = true
		return &bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Hello{Hello: r.hello}}
	}
	if len(r.resent) > 0 && at.hello {
		told := r.resent[0]
		r.resent = r.resent[1:]
		return &bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Resent{Resent: told}}
	}
	if at.reports < r.reports && at.hello {
		at.reports = r.reports
		return &bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_AgentReport{AgentReport: r.report}}
	}
	if b := r.following(at.seq); b != nil {
		at.seq = b.LastSeq
		return &bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Batch{Batch: b}}
	}
	if r.goodbye != nil && !at.goodbye {
		at.goodbye = true
		return &bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Goodbye{Goodbye: r.goodbye}}
	}
	if r.end != nil && !at.end {
		at.end = true
		return &bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_End{End: r.end}}
	}
	return nil
}

// Small batches that wait for the supervisor together are sent as one: encoded Batches
// behind each other are an encoded Batch. The supervisor's work is for each batch, whatever
// it holds.
const (
	smallBytes  = 2 << 10  // of a batch that is put together with others
	mergedBytes = 32 << 10 // of what comes of it; less than the smallest frame that Limits allow
)

// following returns what is next for a supervisor that was told up to seq: one batch, or
// several as one; nil if there is none. r.mu is held.
func (r *relay) following(seq uint64) *bulkheadv1.SealedBatch {
	waiting := r.unacked[sort.Search(len(r.unacked), func(i int) bool { return r.unacked[i].LastSeq > seq }):]
	n, size := 0, 0
	for n < len(waiting) && len(waiting[n].Batch) <= smallBytes && size+len(waiting[n].Batch) <= mergedBytes {
		size += len(waiting[n].Batch)
		n++
	}
	switch {
	case len(waiting) == 0:
		return nil
	case n < 2:
		return waiting[0]
	}
	merged := &bulkheadv1.SealedBatch{FirstSeq: waiting[0].FirstSeq, LastSeq: waiting[n-1].LastSeq,
		Batch: make([]byte, 0, size)}
	for _, b := range waiting[:n] {
		merged.Batch = append(merged.Batch, b.Batch...)
	}
	return merged
}
