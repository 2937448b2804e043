package consumer

import (
	cryptorand "crypto/rand"
	"encoding/binary"
	"errors"
)

// newWriters returns the writers of a job, each with its own data. They have no clock
// yet, because the load has not begun.
func (j *job) newWriters() ([]*writer, error) {
	var writers []*writer
	for i := range j.task.writers {
		w, err := j.newWriter(i)
		if err != nil {
			return nil, errors.Join(err, closeSources(writers))
		}
		writers = append(writers, w)
	}
	return writers, nil
}

func (j *job) newWriter(i int) (*writer, error) {
	data, err := newPool(j.task.chunkSize)
	if err != nil {
		return nil, err
	}
	seed1, seed2 := j.seeds(i)
	return &writer{
		task:     j.task,
		disk:     j.disk,
		source:   poolSource{data},
		layout:   newLayout(j.task, seed1, seed2),
		gauge:    j.gauges[i],
		ledger:   j.ledger,
		queue:    j.queue,
		rotation: j.rotation,
		ending:   j.ending,
		pace:     j.pace,
		failed:   j.fail,
		unit:     uint64(j.unit),
		reserve: &reserve{
			bytes: j.task.spec.GetReserveBytes(), interval: j.task.interval, disk: j.disk,
			rotation: j.rotation, stop: j.ending.due,
		},
	}, nil
}

// seeds returns what the sizes and the order of a writer's chunks are drawn with: the
// same for the same seed of the data, anything without one.
func (j *job) seeds(i int) (seed1, seed2 uint64) {
	if seed := j.task.spec.GetData().GetSeed(); seed != 0 {
		return seed, uint64(j.task.process.GetIndex())<<32 | uint64(i)
	}
	var random [16]byte
	cryptorand.Read(random[:])
	return binary.LittleEndian.Uint64(random[:]), binary.LittleEndian.Uint64(random[8:])
}
