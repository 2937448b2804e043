package supervisor

import (
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/identity"
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
	if l.adopted { // an earlier configuration may have let its client send more
		most = protocol.MaxFrameBytes
	}
	if size := proto.Size(h); size > most {
		return fmt.Errorf("%w: the handler sent a Hello of %d bytes", raw.ErrLied, size)
	}
	return nil
}

// checkBatch checks that a batch is no larger, and that no more are on their way, than
// the handler lets its client.
func (l *link) checkBatch(r *run, b *bulkheadv1.SealedBatch) error {
	most, window := int(r.cfg.Session.MaxFrame), int(r.cfg.Session.MaxUnackedBatches)
	if l.adopted {
		most, window = protocol.MaxFrameBytes, math.MaxInt
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

// returned counts a connection of a session that there is, and returns why its client is to come later; nil
// if it is not. One that was kept through a restart is none that came back.
func (l *link) returned(p *processor) *door.Refusal {
	if l.adopted {
		return nil
	}
	return l.ticket.Returned(time.Now(), &p.returns, l.who)
}

// distrust drops the connection of a handler that lied.
func (l *link) distrust(lie error) {
	l.lied.Do(func() { l.log.Error("handler is not to be trusted", "error", lie) })
	l.drop(lie)
}

// errUnsigned ends a connection whose TLS handshake began with another supervisor, which may have
// signed it already.
var errUnsigned = errors.New("the supervisor was restarted in the TLS handshake")

// beginTLS tells the handler that waits in a call with what it speaks TLS with its client, if it
// does.
func (l *link) beginTLS(r *run, c *call) error {
	if l.notary = r.cfg.credentials().NewNotary(); l.notary == nil {
		return nil
	}
	err := c.stream.Send(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Secure{
		Secure: l.notary.Secure()}})
	if err != nil {
		return fmt.Errorf("telling the handler the certificate: %w", err)
	}
	return nil
}

// sign answers the handler's question for the signature of its TLS handshake.
func (l *link) sign(ask *bulkheadv1.Sign) {
	switch {
	case l.notary == nil && l.adopted:
		l.drop(errUnsigned)
	case l.notary == nil:
		l.distrust(fmt.Errorf("%w: the handler asked for a signature without TLS", raw.ErrLied))
	default:
		signature, err := l.notary.Sign(ask)
		if err != nil {
			l.giveUp(err)
			return
		}
		l.send.sign(signature)
	}
}

// prove looks at a TLS handshake that the handler shows. What one shows that was adopted was judged
// by another supervisor.
func (l *link) prove(p *bulkheadv1.Proof) {
	switch {
	case l.adopted:
	case l.notary == nil || l.hello != nil:
		l.distrust(fmt.Errorf("%w: the handler showed a TLS handshake out of turn", raw.ErrLied))
	default:
		var err error
		if l.verdict, err = l.notary.Prove(p); err != nil {
			l.giveUp(err)
		}
	}
}

// giveUp ends a connection whose handshake cannot go on.
func (l *link) giveUp(err error) {
	if errors.Is(err, identity.ErrForged) {
		l.distrust(fmt.Errorf("%w: %w", raw.ErrLied, err))
		return
	}
	l.log.Error("a TLS handshake cannot be signed", "error", err)
	l.drop(err)
}
