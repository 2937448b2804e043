package web

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Connections that say nothing, or not enough, or do not take their answer, keep nobody from asking
// how the supervisor is, however many there are and whoever holds them.
func TestNobodyIsShutOut(t *testing.T) {
	for name, say := range map[string]string{
		"idle":                 "",
		"slow":                 "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
		"kept alive":           "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		"listening":            "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		"not reading a status": strings.Repeat("GET /api/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 20),
		"not reading metrics":  strings.Repeat("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 200),
	} {
		t.Run(name, func(t *testing.T) {
			// Without its timeouts, which would let others in after a while.
			_, addr, _ := serve(t, &scripted{status: large()}, func(s *Server) {
				s.http.ReadHeaderTimeout, s.http.IdleTimeout = time.Hour, time.Hour
			})
			for range 2 * maxConnections {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := io.WriteString(conn, say); err != nil {
					t.Fatal(err)
				}
			}
			for _, path := range []string{"/healthz", "/readyz", "/metrics", "/"} {
				const rest = " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
				_, res := ask(t, addr, "GET "+path+rest)
				if res.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", path, res.Status)
				}
			}
		})
	}
}

// A connection on which something is answered stays when others wait, and one of a source with few
// stays when another source has many.
func TestWhoHasToGo(t *testing.T) {
	now := time.Now()
	few, many := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	slotOf := func(source netip.Addr, age time.Duration, busy int) *slot {
		return &slot{source: source, since: now.Add(-age), busy: busy}
	}
	fewOld, fewBusy := slotOf(few, time.Hour, 0), slotOf(few, 2*time.Hour, 1)
	manyOld, manyNew, manyBusy := slotOf(many, time.Minute, 0), slotOf(many, 0, 0), slotOf(many, time.Minute, 2)
	manyBusier := slotOf(many, time.Hour, 1)
	s := &slots{all: []*slot{fewOld, fewBusy, manyNew, manyOld, manyBusy, manyBusier}}
	for i, want := range []*slot{manyOld, manyNew, fewOld, manyBusier, fewBusy, manyBusy} {
		got := s.leastMissed()
		if got != want && i < 4 { // after that, both have one
			t.Errorf("%d: the one that goes is %+v; want %+v", i, got, want)
		}
		s.remove(got)
	}
	if len(s.all) != 0 {
		t.Errorf("%d are left", len(s.all))
	}
}

func TestSourceOf(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7:1": "192.0.2.7", "[::ffff:192.0.2.7]:1": "192.0.2.7", "[2001:db8:0:1:2:3:4:5]:1": "2001:db8:0:1::",
		"[fe80::1%eth0]:1": "fe80::", "@": "invalid IP",
	} {
		if got := sourceOf(address).String(); got != want {
			t.Errorf("%s counts for %s; want %s", address, got, want)
		}
	}
}

// What goes on at the same time is bounded in all and for each source, and comes back once.
func TestShares(t *testing.T) {
	s := &shares{most: 3, each: 2}
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	first, second := s.take(a), s.take(a)
	if first == nil || second == nil || s.take(a) != nil {
		t.Fatal("a source has not two shares")
	}
	if s.take(b) == nil || s.take(b) != nil {
		t.Fatal("there are not three shares")
	}
	first()
	first()
	if s.take(b) == nil || s.take(a) != nil {
		t.Fatal("a share that was given back is not free, or there are two")
	}
}

// Those who listen have their places back when they go.
func TestListeningGivesBack(t *testing.T) {
	s, addr, stop := serve(t, &scripted{status: &bulkheadv1.StatusResponse{}})
	ask(t, addr, "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	stop()
	s.hub.each.mu.Lock()
	defer s.hub.each.mu.Unlock()
	if s.hub.each.taken != 0 || len(s.hub.each.of) != 0 {
		t.Errorf("%d shares are taken, of %v", s.hub.each.taken, s.hub.each.of)
	}
}
