package supervisor

import (
	"fmt"
	"math"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/raw"
)

// streamError sorts the errors of Recv: only a handler that was taken over sends
// more than the largest frame, or what cannot be decoded.
func (l *link) streamError(err error) error {
	if l.wary.Lie != nil {
		return l.wary.Lie
	}
	if status.Code(err) == codes.ResourceExhausted {
		return fmt.Errorf("%w: the handler sent too much: %w", raw.ErrLied, err)
	}
	return fmt.Errorf("handler stream: %w", err)
}

// checkHello checks what a handler has checked, or should have.
func (l *link) checkHello(r *run, h *bulkheadv1.Hello) error {
	if wrong := protocol.CheckHello(h); wrong != nil {
		return fmt.Errorf("%w: the handler sent a Hello that no client may send: %s", raw.ErrLied, wrong.Text)
	}
	if wrong := protocol.CheckClientID(h.GetClientId()); wrong != nil && !l.adopted {
		return fmt.Errorf("%w: the handler sent a Hello that no client may send: %s", raw.ErrLied, wrong.Text)
	}
	most := int(r.cfg.Session.MaxFrame)
	if l.adopted {
		most = maxFrame
	}
	if size := proto.Size(h); size > most {
		return fmt.Errorf("%w: the handler sent a Hello of %d bytes", raw.ErrLied, size)
	}
	return nil
}

// maxFrame is the largest frame that any configuration allows, in bytes. A handler of an
// earlier configuration may have let its client send more than this one would.
const maxFrame = 8 << 20

// checkBatch checks that a batch is no larger, and that no more are on their way, than
// the handler lets its client.
func (l *link) checkBatch(r *run, b *bulkheadv1.SealedBatch) error {
	most, window := int(r.cfg.Session.MaxFrame), int(r.cfg.Session.MaxUnackedBatches)
	if l.adopted {
		most, window = maxFrame, math.MaxInt
	}
	if size := len(b.GetBatch()); size > most {
		return fmt.Errorf("%w: the handler sent a batch of %d bytes; a frame has at most %d", raw.ErrLied, size, most)
	}
	acked := l.acked.Load()
	for len(l.unacked) > 0 && l.unacked[0] <= acked {
		l.unacked = l.unacked[1:]
	}
	if l.unacked = append(l.unacked, b.GetLastSeq()); len(l.unacked) > window {
		return fmt.Errorf("%w: the handler sent more than %d batches that are not acknowledged", raw.ErrLied, window)
	}
	return nil
}

// distrust drops the connection of a handler that lied.
func (l *link) distrust(lie error) {
	l.lied.Do(func() { l.log.Error("handler is not to be trusted", "error", lie) })
	l.drop(lie)
}
