package report

// Phase is what of a consumer's work a latency is of.
type Phase int

// PhaseNames are the names of phases in the report.
var PhaseNames = [PhaseCount]string{"chunk_write", "response", "create", "sync", "close",
	"unlink", "read", "read_response"}

// Phases is the latency of what a consumer does beside writing chunks.
type Phases struct {
	// Create is open(2) and what prepares the file, Sync each fsync(2) and fdatasync(2),
	// Close close(2), Unlink unlink(2).
	// Each is null without a value.
	Create *Latency `json:"create"`
	Sync   *Latency `json:"sync"`
	Close  *Latency `json:"close"`
	Unlink *Latency `json:"unlink"`
}

// SetLatencies sets the latencies of a whole, which of returns.
func (w *Writes) SetLatencies(of func(Phase) Latency) {
	known := func(p Phase) *Latency {
		l := of(p)
		if l.Count == 0 && l.LeftOut == 0 {
			return nil
		}
		return &l
	}
	w.ChunkWrite, w.Response = of(PhaseWrite), known(PhaseResponse)
	w.Phases = Phases{known(PhaseCreate), known(PhaseSync), known(phaseClose), known(PhaseUnlink)}
	if r := w.Reads; r != nil {
		r.Latency, r.Response = of(PhaseRead), known(PhaseReadResponse)
	}
}

// Known reports whether l has a value.
func (l *Latency) Known() bool { return l != nil && l.Count > 0 }

const (
	// PhaseWrite is a chunk's write call: the service time.
	PhaseWrite Phase = iota
	// PhaseResponse is a chunk of a consumer with a rate, from when it was due to when it
	// was written: the service time and the waiting for those before it.
	PhaseResponse
	PhaseCreate
	PhaseSync
	phaseClose
	PhaseUnlink
	// PhaseRead is a read call of a reader, PhaseReadResponse the time from when it was due.
	PhaseRead
	PhaseReadResponse
	PhaseCount // how many there are
)
