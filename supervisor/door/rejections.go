package door

import (
	"log/slog"
	"sync"

	"golang.org/x/time/rate"
)

const (
	// rejectionsPerSecond and rejectionBurst bound how many rejected connections get a
	// line of their own in the log; the journal has all of them.
	rejectionsPerSecond = 5
	rejectionBurst      = 20
)

// Rejections logs rejected connections, so that a burst of them is no flood of lines.
// The zero value is ready.
type Rejections struct {
	mu      sync.Mutex
	limit   *rate.Limiter // guarded by mu; nil before the first
	leftOut int           // guarded by mu
}

// Log logs one rejection, or counts it.
func (r *Rejections) Log(log *slog.Logger, why, client string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limit == nil {
		r.limit = rate.NewLimiter(rejectionsPerSecond, rejectionBurst)
	}
	if !r.limit.Allow() {
		r.leftOut++
		return
	}
	log.Warn("connection rejected", "reason", why, "client", client)
}

// Flush logs how many were left out since it was last called.
func (r *Rejections) Flush(log *slog.Logger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leftOut > 0 {
		log.Warn("more connections were rejected", "connections", r.leftOut)
		r.leftOut = 0
	}
}
