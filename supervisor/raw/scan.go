package raw

import (
	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead/internal/encoded"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Scan checks that an encoded Batch holds exactly the messages first to last, and
// adds up its facts for the live figures (the sums wrap rather than fail: the
// report has its own). It reads the wire format in place and allocates
// nothing, so that no batch, however it is made, costs the supervisor memory: the
// smallest encodings unfold to fifty times their size when decoded.
func Scan(batch []byte, first, last uint64) (Counted, error) {
	var c Counted
	err := encoded.Range(batch, first, last, func(message []byte) (uint64, error) {
		m, err := scanMessage(message)
		if err != nil {
			return 0, err
		}
		c.Messages++
		c.Stopped = c.Stopped || m.stop
		c.Ready, c.Begun = c.Ready || m.ready, c.Begun || m.begun
		if m.rollover {
			c.Rollovers++
		}
		if err := c.stageBegun(m.stage); err != nil {
			return 0, err
		}
		if err := c.stageReady(m.stageReady); err != nil {
			return 0, err
		}
		if err := c.heartbeat(m.heartbeat); err != nil {
			return 0, err
		}
		return m.seq, encoded.Fields(m.progress, func(n protowire.Number, v uint64, b []byte) error {
			switch n {
			case encoded.ProgressBytes:
				c.Bytes += v
			case encoded.ProgressChunks:
				c.Chunks += v
			case encoded.ProgressErrors:
				c.Errors += v
			case encoded.ProgressChunkWrite:
				c.Timed = c.Timed || len(b) > 0
			case encoded.ProgressStage:
				c.stage(v)
			case encoded.ProgressReadBytes:
				c.ReadBytes += v
			case encoded.ProgressReads:
				c.Reads += v
			case encoded.ProgressRead:
				c.ReadsTimed = c.ReadsTimed || len(b) > 0
			}
			return nil
		})
	})
	return c, err
}

// scanned is what a processor looks at in a Message: its sequence number and its
// encoded fact.
type scanned struct {
	seq                 uint64
	progress, heartbeat []byte // nil if it is none
	stage, stageReady   []byte // a StageBegun, or a StageReady
	rollover, stop      bool
	ready, begun        bool
}

func scanMessage(message []byte) (m scanned, err error) {
	err = encoded.Fields(message, func(n protowire.Number, v uint64, b []byte) error {
		switch {
		case n == encoded.MessageSeq && b == nil:
			m.seq = v
		case b == nil:
		case n == encoded.MessageProgress:
			m.progress = b
		case n == encoded.MessageHeartbeat:
			m.heartbeat = b
		case n == encoded.MessageRollover:
			m.rollover = true
		case n == encoded.MessageStop:
			m.stop = true
		case n == encoded.MessageReady:
			m.ready = true
		case n == encoded.MessageBegun:
			m.begun = true
		case n == encoded.MessageStageBegun:
			m.stage = b
		case n == encoded.MessageStageReady:
			m.stageReady = b
		}
		return nil
	})
	return m, err
}

// stageBegun adds an encoded StageBegun; nil adds nothing.
func (c *Counted) stageBegun(begun []byte) error {
	return encoded.Fields(begun, func(n protowire.Number, v uint64, b []byte) error {
		if n == encoded.StageBegunStage && b == nil {
			c.stage(v)
		}
		return nil
	})
}

// heartbeat adds an encoded round; nil adds nothing.
func (c *Counted) heartbeat(round []byte) error {
	if round == nil {
		return nil
	}
	var r Beats
	err := encoded.Fields(round, func(n protowire.Number, _ uint64, b []byte) error {
		switch {
		case b == nil:
		case n == encoded.HeartbeatMisses:
			r.Missed++
		case n == encoded.HeartbeatAnswers:
			return r.answer(b)
		}
		return nil
	})
	c.Rounds++
	c.Beats.add(r)
	c.LastRound = r
	return err
}

// answer adds an encoded HeartbeatAnswer.
func (r *Beats) answer(answer []byte) error {
	late, stalled := false, false
	err := encoded.Fields(answer, func(n protowire.Number, v uint64, _ []byte) error {
		switch n {
		case encoded.AnswerLate:
			late = v != 0
		case encoded.AnswerState:
			stalled = bulkheadv1.WorkerState(v) == bulkheadv1.WorkerState_WORKER_STATE_STALLED
		}
		return nil
	})
	if late {
		r.Late++
	} else {
		r.Answered++
	}
	if stalled {
		r.Stalled++
	}
	return err
}
