package web

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// handshakesPerSecond TLS handshakes are computed, and handshakeBurst at once: each takes about
	// half a millisecond of a processor with a key on a curve, and a few of them with one of RSA.
	handshakesPerSecond = 100
	handshakeBurst      = 64
	// waitingPerSource handshakes of one source wait for their turn; one more takes the place of the
	// oldest.
	waitingPerSource = 16
	// handshakeTimeout is how long a handshake may wait for its turn; what its client sends of it has
	// headerTimeout.
	handshakeTimeout = 5 * time.Second
)

var errNoTurn = errors.New("too many TLS handshakes")

// handshakes gives TLS handshakes their turns, in between a client's hello and what is expensive about
// it: while more come than are computed, the sources take turns, each with its newest one. So a source
// that connects without a pause waits for itself. Its methods may be called at the same time.
type handshakes struct {
	pace *rate.Limiter

	mu      sync.Mutex
	waiting map[netip.Addr][]*handshake // guarded by mu; by source, oldest first; none is empty
	turns   []netip.Addr                // guarded by mu; the sources, the next one first
	next    *time.Timer                 // guarded by mu; runs while somebody waits
}

// handshake is one that waits.
type handshake struct {
	source netip.Addr
	turn   chan error // receives nil, or why its turn does not come
}

func newHandshakes() *handshakes {
	h := &handshakes{pace: rate.NewLimiter(handshakesPerSecond, handshakeBurst),
		waiting: make(map[netip.Addr][]*handshake)}
	h.next = time.AfterFunc(time.Hour, h.serve)
	h.next.Stop()
	return h
}

// pacing returns cfg for a server whose handshakes wait for their turns.
func (h *handshakes) pacing(cfg *tls.Config) *tls.Config {
	paced, choose := cfg.Clone(), cfg.GetConfigForClient
	paced.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if err := h.await(hello.Context(), sourceOf(hello.Conn.RemoteAddr().String())); err != nil {
			return nil, err
		}
		if choose == nil {
			return nil, nil // that is cfg
		}
		return choose(hello)
	}
	return paced
}

// await waits for the turn of a handshake of source. It returns an error if that does not come.
func (h *handshakes) await(ctx context.Context, source netip.Addr) error {
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeTimeout, errNoTurn)
	defer cancel()
	own := h.enter(source)
	select {
	case err := <-own.turn:
		return err
	case <-ctx.Done():
		h.leave(own)
		return context.Cause(ctx)
	}
}

// enter queues a handshake, and lets those go whose turn it is.
func (h *handshakes) enter(source netip.Addr) *handshake {
	h.mu.Lock()
	defer h.mu.Unlock()
	own := &handshake{source, make(chan error, 1)}
	switch all := h.waiting[source]; len(all) {
	case 0:
		h.turns = append(h.turns, source)
	case waitingPerSource:
		all[0].turn <- errNoTurn
		h.waiting[source] = all[1:]
	}
	h.waiting[source] = append(h.waiting[source], own)
	h.serveMore()
	return own
}

// serve lets those go whose turn it is.
func (h *handshakes) serve() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serveMore()
}

// serveMore is serve. mu is held.
func (h *handshakes) serveMore() {
	for len(h.turns) > 0 && h.pace.Allow() {
		all := h.waiting[h.turns[0]]
		newest := all[len(all)-1]
		h.remove(newest)
		newest.turn <- nil
	}
	if len(h.turns) > 0 {
		h.next.Reset(time.Second / handshakesPerSecond)
	}
}

// remove takes a handshake out of the queue, if it is in it; its source has had its turn. mu is held.
func (h *handshakes) remove(own *handshake) {
	all := h.waiting[own.source]
	i := slices.Index(all, own)
	if i < 0 {
		return
	}
	at := slices.Index(h.turns, own.source)
	h.turns = slices.Delete(h.turns, at, at+1)
	if len(all) == 1 {
		delete(h.waiting, own.source)
		return
	}
	h.waiting[own.source] = slices.Delete(all, i, i+1)
	h.turns = append(h.turns, own.source)
}

// leave takes a handshake out of the queue whose client does not wait any longer.
func (h *handshakes) leave(own *handshake) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(own)
}
