package jetstream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"bulkhead/supervisor/cluster"
)

// appender writes to a subject that only its owner writes to, as long as it is the owner.
type appender struct {
	engine *servers
	limit  int    // of a message's records, in bytes
	last   uint64 // sequence of the subject's newest message
	// undone is what nobody knows to be durable; nil if there is none.
	undone *work
}

// errOther says that records come before what nobody knows to be durable has been tried again. They are not
// refused for what they are, so that nobody leaves them out and goes on.
var errOther = fmt.Errorf("%w: what came before them is to be tried again first", cluster.ErrUnavailable)

// work is one Append: its messages, and how many of them are durable.
type work struct {
	sum      [sha256.Size]byte
	messages []message
	done     int
}

// sumOf tells one Append from others.
func sumOf(about string, frames [][]byte) [sha256.Size]byte {
	h := sha256.New()
	for _, part := range append([][]byte{[]byte(about)}, frames...) {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// newWork divides frames into messages that fill makes, from what each holds.
func (a *appender) newWork(about string, frames [][]byte, fill func(part, of, records int) message) (*work, error) {
	counts, err := divide(frames, a.limit)
	if err != nil {
		return nil, err
	}
	w := &work{sum: sumOf(about, frames)}
	at := 0
	for i, n := range counts {
		at += n
		m := fill(i, len(counts), at)
		m.payload = bytes.Join(frames[at-n:at], nil)
		w.messages = append(w.messages, m)
	}
	return w, nil
}

// do makes the messages of some work durable. What was not is left undone, and is to be done next.
func (a *appender) do(ctx context.Context, w *work) error {
	if a.undone != nil {
		if a.undone.sum != w.sum {
			return errOther
		}
		w = a.undone
	}
	for a.undone = w; w.done < len(w.messages); w.done++ {
		seq, err := a.engine.put(ctx, w.messages[w.done], a.last)
		switch refused := errors.Is(err, cluster.ErrRefused); {
		case refused && w.done > 0: // part of it is there, and the rest never will be
			return fmt.Errorf("%w: %d of %d messages of one append are durable, and the next is refused: %v",
				cluster.ErrFailed, w.done, len(w.messages), err)
		case refused:
			a.undone = nil // nothing of it is there, nor ever will be
			return err
		case err != nil:
			return err
		}
		a.last = seq
	}
	a.undone = nil
	return nil
}
