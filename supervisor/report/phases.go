package report

import (
	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// phase is what of a consumer's work a latency is of.
type phase int

const (
	// phaseWrite is a chunk's write call: the service time.
	phaseWrite phase = iota
	// phaseResponse is a chunk of a consumer with a rate, from when it was due to when it
	// was written: the service time and the waiting for those before it.
	phaseResponse
	phaseCreate
	phaseSync
	phaseClose
	phases // how many there are
)

// phaseNames are the names of phases in the report.
var phaseNames = [phases]string{"chunk_write", "response", "create", "sync", "close"}

// latenciesOf returns the latencies that a Progress message holds, or false if one of
// them cannot be.
func latenciesOf(p *bulkheadv1.Progress) (list [phases]*latency.Histogram, ok bool) {
	for i, sent := range [phases]*bulkheadv1.Histogram{p.GetChunkWrite(), p.GetResponse(), p.GetCreate(), p.GetSync(), p.GetClose()} {
		h, err := latency.FromProto(sent)
		if err != nil || !saneAmounts(h.Count()) {
			return list, false
		}
		list[i] = h
	}
	return list, true
}

// Phases is the latency of what a consumer does beside writing chunks.
type Phases struct {
	// Create is open(2) and what prepares the file, Sync each fsync(2) and fdatasync(2),
	// Close close(2).
	// Each is null without a value.
	Create *Latency `json:"create"`
	Sync   *Latency `json:"sync"`
	Close  *Latency `json:"close"`
}

// setLatencies sets the latencies of a whole, which of returns.
func (w *Writes) setLatencies(of func(phase) Latency) {
	known := func(p phase) *Latency {
		l := of(p)
		if l.Count == 0 && l.LeftOut == 0 {
			return nil
		}
		return &l
	}
	w.ChunkWrite, w.Response = of(phaseWrite), known(phaseResponse)
	w.Phases = Phases{known(phaseCreate), known(phaseSync), known(phaseClose)}
}

// known says whether l has a value.
func (l *Latency) known() bool { return l != nil && l.Count > 0 }
