package web

import (
	"context"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Source is the supervisor that is looked at. Its methods may be called from any number
// of goroutines and wait for nobody.
type Source interface {
	// Status is a snapshot of the run.
	Status(ctx context.Context) *bulkheadv1.StatusResponse
	// Ready says why clients are not accepted now; "" if they are.
	Ready() string
	// Journal is the folder of the journal of the run that is served, or between runs of the
	// last one; "" before the first.
	Journal() string
	// ChunkWrites are the chunk-write latencies of the run so far.
	ChunkWrites() Latencies
}

// Latencies is a histogram.
type Latencies struct {
	// Buckets are how many values did not exceed a bound in seconds, by rising bound and
	// cumulative; the last bound is the largest there is.
	Buckets map[float64]uint64
	Count   uint64
	// Sum is in seconds.
	Sum float64
}
