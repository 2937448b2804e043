package web

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/internal/certs"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// While others begin handshakes without a pause, from some addresses, no more are computed than may be, and
// one of another address has its turn after each of the others had one at most.
func TestHandshakesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sources, flood, honest, lasts = 5, 40, 10, 2 * time.Second
		h := newHandshakes()
		ctx, cancel := context.WithTimeout(t.Context(), lasts)
		defer cancel()
		began := time.Now()
		var computed, refused atomic.Int64
		// In this time no more may be computed. Beyond it the flood ends: where each is computed at
		// once, nobody ever waits, and so no time passes.
		const bound = handshakeBurst + handshakesPerSecond*int64(lasts/time.Second)
		tooMany := sync.OnceFunc(func() {
			cancel()
			t.Errorf("%d were computed after %v; in %v there may be %d", computed.Load(), time.Since(began), lasts,
				bound)
		})
		var wg sync.WaitGroup
		for i := range sources {
			for range flood {
				wg.Go(func() {
					for ctx.Err() == nil {
						switch err := h.await(ctx, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})); {
						case err == nil:
							if computed.Add(1) > 2*bound {
								tooMany()
							}
						case errors.Is(err, errNoTurn):
							refused.Add(1)
							time.Sleep(10 * time.Millisecond)
						}
					}
				})
			}
		}
		for range honest {
			time.Sleep(lasts / (2 * honest))
			from := time.Now()
			if err := h.await(ctx, netip.MustParseAddr("192.0.2.1")); err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(from); waited > (sources+2)*time.Second/handshakesPerSecond {
				t.Errorf("it waits %v beside %d addresses", waited, sources)
			}
		}
		wg.Wait()
		most := int64(handshakeBurst + handshakesPerSecond*time.Since(began).Seconds())
		if n := computed.Load(); n > most || n < most/2 || refused.Load() == 0 {
			t.Errorf("%d were computed, of %d at most, and %d refused", n, most, refused.Load())
		}
		if len(h.waiting) > 0 || len(h.turns) > 0 {
			t.Errorf("%d sources wait, and %d have a turn", len(h.waiting), len(h.turns))
		}
	})
}

// One that waits for too long, or whose client has gone, waits no more and keeps no place.
func TestAHandshakeGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandshakes()
		h.pace.SetLimit(0)
		h.pace.SetBurst(0)
		source := netip.MustParseAddr("192.0.2.1")
		began := time.Now()
		if err := h.await(t.Context(), source); !errors.Is(err, errNoTurn) || time.Since(began) != handshakeTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.await(gone, source); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if len(h.waiting) > 0 || len(h.turns) > 0 {
			t.Errorf("%d sources wait, and %d have a turn", len(h.waiting), len(h.turns))
		}
	})
}

// Who begins TLS handshakes without a pause, and ends none of them in order or all, is computed no more
// than may be; beside that a service manager and a collector of metrics get their answers.
func TestAHandshakeFloodShutsNobodyOut(t *testing.T) {
	dir := t.TempDir()
	if _, err := certs.Init(dir, certs.Plan{Addresses: []string{"127.0.0.1"}, Valid: time.Hour}); err != nil {
		t.Fatal(err)
	}
	pair, err := certs.LoadPair(filepath.Join(dir, certs.SupervisorFile), filepath.Join(dir, certs.SupervisorKey))
	if err != nil {
		t.Fatal(err)
	}
	roots, err := certs.LoadPool(filepath.Join(dir, certs.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, addr, _ := serve(t, &scripted{status: &bulkheadv1.StatusResponse{}}, func(s *Server) {
		s.cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair.TLS()}}
	})
	trust := &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
	other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	var computed atomic.Int64
	var flood sync.WaitGroup
	defer flood.Wait()
	defer cancel()
	enough := make(chan struct{})
	for range 32 {
		flood.Go(func() {
			for ctx.Err() == nil {
				conn, err := other.DialContext(ctx, "tcp", addr)
				if err != nil {
					continue // the backlog is full
				}
				if tls.Client(conn, trust).HandshakeContext(ctx) == nil && computed.Add(1) == 2*handshakeBurst {
					close(enough)
				}
				conn.Close()
			}
		})
	}
	select {
	case <-enough:
	case <-ctx.Done():
		t.Fatalf("%d handshakes were computed", computed.Load())
	}
	browser := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true}}
	for range 3 {
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			answer, err := browser.Get("https://" + addr + path)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", path, answer.Status)
			}
		}
	}
	most := handshakeBurst + handshakesPerSecond*time.Since(began).Seconds()
	if n := computed.Load(); float64(n) > most {
		t.Errorf("%d handshakes were computed; at most %.0f may be", n, most)
	}
}
