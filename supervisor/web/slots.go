package web

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// maxConnections are served at the same time. One more takes the place of one that waits.
	maxConnections = 128
	// maxAnswers are made and written at the same time, of those that may be large, and
	// maxAnswersPerSource for one source; the two questions of a service manager and the
	// metrics are none of them.
	maxAnswers, maxAnswersPerSource = 32, 16
)

// slots is a listener whose connections are bounded, and none of which keeps others out: when all
// slots are taken, a new connection takes that of the one that has waited longest without a
// request being answered, of the source with the most. So whoever opens connections and says
// nothing, or says it slowly, loses them to those who ask.
type slots struct {
	net.Listener
	mu  sync.Mutex
	all []*slot // guarded by mu; in the order in which they came
}

// slot is one connection.
type slot struct {
	net.Conn
	of     *slots
	source netip.Addr
	since  time.Time // guarded by of.mu; when it began to wait, or to be answered
	busy   int       // guarded by of.mu; requests that are being answered
}

// Accept implements net.Listener.
func (s *slots) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &slot{Conn: conn, of: s, source: sourceOf(conn.RemoteAddr().String()), since: time.Now()}
	s.mu.Lock()
	var out *slot
	if len(s.all) >= maxConnections {
		out = s.leastMissed()
		s.remove(out)
	}
	s.all = append(s.all, c)
	s.mu.Unlock()
	if out != nil {
		out.Conn.Close() // its server notices
	}
	return c, nil
}

// leastMissed returns the connection that has to go; mu is held.
func (s *slots) leastMissed() *slot {
	of := make(map[netip.Addr]int)
	for _, c := range s.all {
		of[c.source]++
	}
	return slices.MinFunc(s.all, func(a, b *slot) int {
		return cmp.Or(cmp.Compare(min(a.busy, 1), min(b.busy, 1)), cmp.Compare(of[b.source], of[a.source]),
			a.since.Compare(b.since))
	})
}

// remove forgets a connection; mu is held.
func (s *slots) remove(c *slot) {
	if i := slices.Index(s.all, c); i >= 0 {
		s.all = slices.Delete(s.all, i, i+1)
	}
}

// Close implements net.Conn.
func (c *slot) Close() error {
	c.of.mu.Lock()
	c.of.remove(c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// answering takes note that a request is being answered, and that it was.
func (c *slot) answering(n int) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.busy += n
	c.since = time.Now()
}

// slotKey is the key of a request's slot in its context.
type slotKey struct{}

// withSlot notes the slot of a connection for its requests.
func withSlot(ctx context.Context, conn net.Conn) context.Context {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	return context.WithValue(ctx, slotKey{}, conn)
}

// inSlot takes note of the requests that next answers.
func inSlot(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(slotKey{}).(*slot); ok {
			c.answering(1)
			defer c.answering(-1)
		}
		next.ServeHTTP(w, r)
	})
}

// sourceOf returns whom a connection counts for: its IPv4 address, or the /64 of its IPv6 one, which
// is what one machine has.
func sourceOf(address string) netip.Addr {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Addr{}
	}
	addr := at.Addr().Unmap().WithZone("")
	if addr.Is4() {
		return addr
	}
	net, _ := addr.Prefix(64) // an IPv6 address has that many bits
	return net.Addr()
}

// shares bounds what goes on at the same time, in all and for each source.
type shares struct {
	most, each int
	mu         sync.Mutex
	taken      int                // guarded by mu
	of         map[netip.Addr]int // guarded by mu; without zeros
}

// take takes a share for a source, and returns how to give it back; nil if there is none.
func (s *shares) take(source netip.Addr) (back func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken >= s.most || s.of[source] >= s.each {
		return nil
	}
	if s.of == nil {
		s.of = make(map[netip.Addr]int)
	}
	s.taken++
	s.of[source]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.taken--
		if s.of[source]--; s.of[source] == 0 {
			delete(s.of, source)
		}
	})
}

// sharing answers by next for as many at a time as the shares allow.
func (s *shares) sharing(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		back := s.take(sourceOf(r.RemoteAddr))
		if back == nil {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too much is being asked for at the same time; try again later",
				http.StatusServiceUnavailable)
			return
		}
		defer back()
		next(w, r)
	}
}
