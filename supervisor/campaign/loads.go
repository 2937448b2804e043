package campaign

import (
	"fmt"
	"math"
	"slices"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// setLoads gives each task its load.
func setLoads(j *bulkheadv1.Job, shares []share) {
	all := consumersOf(j, shares)
	for i := range shares {
		setLoad(j, &shares[i], all)
	}
}

// setLoad gives a task its load, where so many consumers write together. With a fleet's rate each begins with
// an even part of it, in whole bytes: the run divides it to the byte, and tells each client.
func setLoad(j *bulkheadv1.Job, s *share, consumers uint64) {
	entry := j.GetClients()[s.entry]
	s.weight, s.task.Load = max(entry.GetConsumers(), 1), entry.GetLoad()
	bytes, chunks := j.GetFleetRate().GetBytesPerSecond(), j.GetFleetRate().GetChunksPerSecond()
	if bytes == 0 && chunks == 0 {
		return
	}
	text := append(slices.Clone(entry.GetLoad()), "\nrate:\n"...)
	if bytes > 0 {
		text = fmt.Appendf(text, "  bytes: %dB\n", max(bytes/consumers, 1))
	}
	if chunks > 0 {
		text = fmt.Appendf(text, "  chunks: %g\n", max(math.Floor(chunks*1000/float64(consumers)), 1)/1000)
	}
	s.task.Load = text
}

// consumersOf returns how many consumers write together.
func consumersOf(j *bulkheadv1.Job, shares []share) (n uint64) {
	for i := range shares {
		n += uint64(max(j.GetClients()[shares[i].entry].GetConsumers(), 1))
	}
	return max(n, 1)
}
