package raw

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead/internal/encoded"
	"bulkhead/internal/protocol"
)

// RateWindow is how many ticks of a second the rates in status are over.
const RateWindow = 5

// Counted is what one batch adds to a session's live figures.
type Counted struct {
	Messages, Bytes, Chunks, Errors, Rollovers uint64
	ReadBytes, Reads                           uint64 // by readers beside the writing
	Rounds                                     uint64 // of heartbeats
	Beats                                      Beats  // of all rounds
	LastRound                                  Beats  // of the newest
	Timed, ReadsTimed                          bool   // it has histograms of chunk writes, or of reads
	Stopped                                    bool   // it has a Stop: the load is over
	Ready, Begun                               bool   // it has a Ready, or a Begun: the load begins
	Stage                                      uint32 // the newest that a consumer is in, from 1; 0 for none
	StageReady                                 uint32 // the newest for which they wait for other clients; 0 for none
}

// Add adds what came after c.
func (c *Counted) Add(o Counted) {
	c.Messages += o.Messages
	c.Bytes += o.Bytes
	c.Chunks += o.Chunks
	c.Errors += o.Errors
	c.Rollovers += o.Rollovers
	c.ReadBytes += o.ReadBytes
	c.Reads += o.Reads
	c.Rounds += o.Rounds
	c.Beats.add(o.Beats)
	if o.Rounds > 0 {
		c.LastRound = o.LastRound
	}
	c.Timed, c.ReadsTimed = c.Timed || o.Timed, c.ReadsTimed || o.ReadsTimed
	c.Stopped = c.Stopped || o.Stopped
	c.Ready, c.Begun = c.Ready || o.Ready, c.Begun || o.Begun
	c.Stage, c.StageReady = max(c.Stage, o.Stage), max(c.StageReady, o.StageReady)
}

// stage notes that a consumer is in a stage. No load has more of them than are believed.
func (c *Counted) stage(n uint64) {
	if n <= protocol.MaxStages {
		c.Stage = max(c.Stage, uint32(n))
	}
}

// stageReady adds an encoded StageReady; nil adds nothing.
func (c *Counted) stageReady(ready []byte) error {
	return encoded.Fields(ready, func(n protowire.Number, v uint64, b []byte) error {
		if n == encoded.StageReadyStage && b == nil && v <= protocol.MaxStages {
			c.StageReady = max(c.StageReady, uint32(v))
		}
		return nil
	})
}

// Beats are heartbeats by how they were answered: one for each process and round.
type Beats struct{ Answered, Late, Missed, Stalled uint64 }

func (b *Beats) add(o Beats) {
	b.Answered += o.Answered
	b.Late += o.Late
	b.Missed += o.Missed
	b.Stalled += o.Stalled
}

// ErrLied is wrapped by what a handler did that no honest one does.
var ErrLied = errors.New("protocol")
