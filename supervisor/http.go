package supervisor

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"

	"bulkhead/internal/config"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/saturated"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/rundir"
	"bulkhead/supervisor/web"
)

// openHTTP opens the listener for browsers, if one is configured: the one of the
// program before this one in the same process, if it has the same address, or a new one.
// A run that continues does not end for want of it.
func (s *Supervisor) openHTTP(continues bool) error {
	if err := s.listenHTTP(continues); err != nil || s.http == nil || s.guardsHTTP() {
		return err
	}
	s.closeHTTP()
	s.http = nil
	err := fmt.Errorf("%w: http.listen: other machines reach %s: set http.token_file, or tls.client_ca or tls.pinned",
		exitstatus.ErrConfig, s.cfg.HTTP.Listen)
	if continues {
		s.cfg.Logger.Error("the run continues without http", "error", err)
		return nil
	}
	return err
}

// guardsHTTP reports whether not everybody who reaches the address for browsers may look.
func (s *Supervisor) guardsHTTP() bool {
	now := s.cfg.credentials()
	return web.Loopback(s.http.Addr()) || now.HTTPToken() != "" || now.AsksCertificate()
}

// listenHTTP opens the listener for openHTTP.
func (s *Supervisor) listenHTTP(continues bool) error {
	inherited := s.cfg.Inherited.HTTPFile()
	if inherited != nil && s.cfg.Inherited.HTTPListen == s.cfg.HTTP.Listen {
		l, err := door.FileListener(inherited)
		if err == nil {
			s.http = l
			return nil
		}
		s.cfg.Logger.Error("the listener for http cannot be taken over", "error", err)
	} else if inherited != nil {
		inherited.Close() // it was handed over for nothing
	}
	if s.cfg.HTTP.Listen == "" {
		return nil
	}
	l, err := net.Listen("tcp", s.cfg.HTTP.Listen)
	switch {
	case err == nil:
		s.http = l.(*net.TCPListener)
		return nil
	case continues:
		s.cfg.Logger.Error("the run continues without http", "error", err)
		return nil
	default:
		return fmt.Errorf("http: %w", door.ListenError(s.cfg.HTTP.Listen, err))
	}
}

// serveHTTP serves browsers until stop is called, if that was asked for. At the end of all
// runs, but not before an upgrade, over lets them see the last report, for a bounded time.
func (s *Supervisor) serveHTTP(ctx context.Context) (over, stop func()) {
	if s.http == nil {
		return func() {}, func() {}
	}
	addr, now := s.http.Addr(), s.cfg.credentials()
	cfg := web.Config{Listener: s.http, Source: looking{s}, Hosts: hostsOf(s.cfg.HTTP), Version: s.cfg.Version,
		Logger: s.cfg.Logger}
	if now.HTTPToken() != "" {
		cfg.Token = func() string { return s.cfg.credentials().HTTPToken() }
	}
	scheme := "http"
	if now.TLS() != nil {
		scheme, cfg.TLS = "https", s.cfg.keeper.HTTPS()
	}
	if web.Loopback(addr) {
		s.cfg.Logger.Info("http is served", "url", (&url.URL{Scheme: scheme, Host: addr.String(), Path: "/"}).String())
	} else {
		if now.AsksCertificate() {
			cfg.Certificate = func(with *tls.ConnectionState) bool {
				return s.cfg.credentials().Client(with.PeerCertificates) == nil
			}
		}
		if cfg.TLS == nil {
			s.cfg.Logger.Warn("http is served to other machines without TLS: everybody between can read the token",
				"listen", addr.String())
		} else {
			s.cfg.Logger.Info("https is served to other machines", "listen", addr.String())
		}
	}
	server := web.New(cfg)
	return server.Over, inBackground(ctx, server.Run)
}

// hostsOf returns the names that the address for browsers has by the configuration.
func hostsOf(c config.HTTP) []string {
	names := strings.FieldsFunc(c.Hosts, func(r rune) bool { return r == ',' || r == ' ' })
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && host != "" {
		names = append(names, host)
	}
	return names
}

// httpAddr returns the address for browsers; "" if they are not served.
func (s *Supervisor) httpAddr() string {
	if s.http == nil {
		return ""
	}
	return s.http.Addr().String()
}

// closeHTTP closes the listener for browsers.
func (s *Supervisor) closeHTTP() {
	if s.http != nil {
		s.http.Close()
	}
}

// looking is the supervisor as package web sees it.
type looking struct{ *Supervisor }

var _ web.Source = looking{}

// Status implements web.Source.
func (s looking) Status(ctx context.Context) *bulkheadv1.StatusResponse { return s.status(ctx) }

// Journal implements web.Source.
func (s looking) Journal() string {
	r := s.lastRun() // between two runs it is still to be seen
	if r == nil {
		return ""
	}
	return filepath.Join(r.dir, rundir.JournalFolder)
}

// Ready implements web.Source.
func (s looking) Ready() string {
	r := s.currentRun()
	if r == nil {
		return "no run is served: the supervisor is starting, reporting or ending"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.drained != "":
		return "draining: " + r.drained
	case r.closing:
		return "the run is ending"
	default:
		return ""
	}
}

// ChunkWrites implements web.Source.
func (s looking) ChunkWrites() web.Latencies {
	var whole, recent raw.Sketch
	r := s.currentRun()
	if r == nil {
		r = s.lastRun() // as status does
	}
	if r != nil {
		for _, p := range r.processors() {
			p.live.sketches(&whole, &recent)
		}
	}
	return latenciesOf(&whole)
}

// latenciesOf returns the sketch in seconds, with a bound for each doubling of 1 µs.
func latenciesOf(s *raw.Sketch) web.Latencies {
	l := web.Latencies{Buckets: make(map[float64]uint64), Count: s.Count, Sum: float64(s.Sum) / 1e9}
	var seen uint64
	counts := s.Counts()
	for i := range raw.SketchBuckets {
		if i < len(counts) {
			seen = saturated.Add(seen, counts[i])
		}
		// Buckets end where a doubling of 1024 ns does.
		if end := raw.SketchBound(i) + 1; end >= 1<<10 && end <= raw.MaxBound && end&(end-1) == 0 {
			l.Buckets[float64(end)/1e9] = seen
		}
	}
	return l
}
