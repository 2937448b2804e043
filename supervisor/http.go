package supervisor

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/rundir"
	"bulkhead/supervisor/web"
)

// openHTTP opens the listener for browsers, if there is to be one: the one of the
// program before this one in the same process, if it has the same address, or a new one.
// A run that goes on does not end for want of it.
func (s *Supervisor) openHTTP(goesOn bool) error {
	inherited := s.cfg.Handover.http()
	if inherited != nil && s.cfg.Handover.HTTPListen == s.cfg.HTTP.Listen {
		l, err := fileListener(inherited)
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
	case goesOn:
		s.cfg.Logger.Error("the run goes on without http", "error", err)
		return nil
	default:
		return fmt.Errorf("http: %w", listenError(s.cfg.HTTP.Listen, err))
	}
}

// serveHTTP serves browsers until stop is called, if that was asked for. At the end of all
// runs, but not before an upgrade, over lets them see the last report, for a bounded time.
func (s *Supervisor) serveHTTP(ctx context.Context) (over, stop func()) {
	if s.http == nil {
		return func() {}, func() {}
	}
	addr := s.http.Addr()
	if web.Loopback(addr) {
		s.cfg.Logger.Info("http is served", "url", (&url.URL{Scheme: "http", Host: addr.String(), Path: "/"}).String())
	} else {
		s.cfg.Logger.Warn("http is served to other machines: everybody who can connect sees the run", "listen", addr.String())
	}
	server := web.New(web.Config{Listener: s.http, Source: looking{s}, Version: s.cfg.Version, Logger: s.cfg.Logger})
	return server.Over, inBackground(ctx, server.Run)
}

// httpAddr is the address for browsers; "" if they are not served.
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
