package consumer

import (
	cryptorand "crypto/rand"
	"encoding/binary"

	"bulkhead/client/block"
	"bulkhead/client/consumer/layout"
	"bulkhead/internal/workload"
)

// newWriters returns the writers of a job, and where they have their data from, which the
// caller must close. They have no clock yet, because the load has not begun.
func (j *job) newWriters() ([]*writer, *block.Sources, error) {
	sources, err := block.NewSources(j.task.data, j.dataSeed(), j.task.chunkSize, j.task.writers)
	if err != nil {
		return nil, nil, err
	}
	var writers []*writer
	for i := range j.task.writers {
		writers = append(writers, j.newWriter(i, sources.Source(i)))
	}
	return writers, sources, nil
}

func (j *job) newWriter(i int, source *block.Source) *writer {
	seed1, seed2 := j.layoutSeeds(i)
	return &writer{
		index:    i,
		task:     j.task,
		disk:     j.disk,
		source:   source,
		layout:   layout.New(workload.Of(j.task.spec), seed1, seed2),
		gauge:    j.gauges[i],
		ledger:   j.ledger,
		queue:    j.queue,
		rotation: j.rotation,
		ending:   j.ending,
		budget:   j.budget,
		stages:   j.stages,
		failed:   j.fail,
		verifier: j.verifier,
		unit:     uint64(j.unit),
		claim:    &claim{reserve: j.reserve, gauge: j.gauges[i]},
	}
}

// dataSeed returns what the writers' data are made with. Without a seed it is 0, for data of
// each writer's own, but that dedupable data are dedupable across the writers.
func (j *job) dataSeed() uint64 {
	seed := j.task.spec.GetData().GetSeed()
	if seed == 0 && j.task.data.Kind == block.Dedupable {
		return randomWord()
	}
	return seed
}

// layoutSeeds returns what the sizes and the order of a writer's chunks are drawn
// with: the same for the same seed of the data, anything without one.
func (j *job) layoutSeeds(i int) (seed1, seed2 uint64) {
	if seed := j.task.spec.GetData().GetSeed(); seed != 0 {
		return seed, uint64(j.task.process.GetIndex())<<32 | uint64(i)
	}
	return randomWord(), randomWord()
}

func randomWord() uint64 {
	var random [8]byte
	cryptorand.Read(random[:]) // never fails
	return binary.LittleEndian.Uint64(random[:])
}
