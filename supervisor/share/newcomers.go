package share

import (
	"context"
	"net/netip"
	"sync"
)

// maxSources bounds the addresses that are remembered for what newcomers of them sent.
const maxSources = 4096

// Newcomers are those that have no session yet. What they send counts for the address that they
// come from, or one client could send as much as it likes as ever new ones. Nobody has a part in
// which it never waits, but whose address has sent little comes first.
type Newcomers struct {
	pool *Pool

	mu      sync.Mutex
	sources map[netip.Addr]*source // guarded by mu; at most maxSources, and those of which somebody waits
}

type source struct {
	member *Member
	users  int // guarded by Newcomers.mu
}

// NewNewcomers returns the newcomers of a pool.
func NewNewcomers(p *Pool) *Newcomers {
	return &Newcomers{pool: p, sources: make(map[netip.Addr]*source)}
}

// Take waits until a newcomer from an address may send so much, as Member.Take. Its end need not be told.
func (n *Newcomers) Take(ctx context.Context, from netip.Addr, l Load) error {
	s := n.enter(from)
	defer n.leave(s)
	if err := s.member.Take(ctx, l); err != nil {
		return err
	}
	s.member.Done(l)
	return nil
}

func (n *Newcomers) enter(from netip.Addr) *source {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.sources[from]
	if s == nil {
		if len(n.sources) >= maxSources {
			n.forget()
		}
		s = &source{member: n.pool.Join()}
		n.sources[from] = s
	}
	s.users++
	return s
}

func (n *Newcomers) leave(s *source) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.users--
}

// forget makes room for an eighth of all sources, so that with a new one each time not every
// newcomer goes through all. mu is held.
func (n *Newcomers) forget() {
	for from, s := range n.sources {
		if len(n.sources) <= maxSources-maxSources/8 {
			return
		}
		if s.users == 0 {
			delete(n.sources, from)
		}
	}
}
