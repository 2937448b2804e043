package web

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// headerTimeout is how long the header of a request may take, idleTimeout how long a
	// connection may wait for the next.
	headerTimeout = 5 * time.Second
	idleTimeout   = 30 * time.Second
	// maxHeader bounds the header of a request in bytes.
	maxHeader = 16 << 10
	// lastLook is how long the supervisor waits at its end for those who listen.
	lastLook = 3 * time.Second
	// lastAnswers is how long answers may take that are under way at the end.
	lastAnswers = time.Second
)

// Config is what a Server needs.
type Config struct {
	// Listener is served and, at the end, not closed: it may go to the next program.
	Listener *net.TCPListener
	Source   Source
	// TLS is nil for none. It asks for certificates of clients if Certificate looks at them.
	TLS *tls.Config
	// Token returns what whoever looks must present; nil for nothing.
	Token func() string
	// Certificate says whether the certificate that a connection has shown is one that is known;
	// nil for none is.
	Certificate func(*tls.ConnectionState) bool
	// Hosts are names that the address has besides its own.
	Hosts []string
	// Version is the supervisor's.
	Version string
	// Logger receives what goes wrong.
	Logger *slog.Logger
}

// Server serves a running supervisor; see the package comment.
type Server struct {
	cfg     Config
	folding *folding
	hub     *hub
	// statuses are what /api/status answers.
	statuses *paced[[]byte]
	http     *http.Server
}

// New makes a Server of a complete Config. It does nothing before Run.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, folding: newFolding(cfg.Source, cfg.Logger), hub: newHub(cfg.Source)}
	s.statuses = newPaced(func() ([]byte, error) {
		ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
		defer cancel()
		return statusJSON(bounded(cfg.Source.Status(ctx), maxStatusSessions))
	})
	hosts := hostsOf(cfg.Listener.Addr(), cfg.Hosts)
	s.http = &http.Server{
		Handler:           inSlot(guard(hosts, s.admit(s.routes()))),
		ConnContext:       withSlot,
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug), // what browsers do wrong
	}
	return s
}

func (s *Server) routes() http.Handler {
	mux, large := http.NewServeMux(), &shares{most: maxAnswers, each: maxAnswersPerSource}
	mux.HandleFunc("/{$}", pageHandler(livePage))
	mux.HandleFunc("/report", large.sharing(s.reportPage))
	mux.HandleFunc("/report/before", large.sharing(s.pageBefore))
	mux.HandleFunc("/healthz", text(func() string { return "" }))
	mux.HandleFunc("/readyz", text(s.cfg.Source.Ready))
	mux.HandleFunc("/api/status", large.sharing(s.status))
	mux.HandleFunc("/api/report", large.sharing(s.report))
	mux.Handle("/events", s.hub)
	mux.Handle("/metrics", newMetrics(s.cfg.Source, s.hub, s.cfg.Version))
	return mux
}

// text answers "ok", or 503 and why not.
func text(why func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if why := why(); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n")) // who asked may be gone
	}
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	data, err := s.statuses.get()
	answerJSON(w, data, err)
}

func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	b := s.folding.soFar(r.Context(), asJSON)
	answerJSON(w, b.data, b.err)
}

func answerJSON(w http.ResponseWriter, data []byte, err error) {
	switch {
	case errors.Is(err, errNoRun):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(data) // who asked may be gone
	}
}

// Over announces that all runs are over, and waits until those who listen have loaded the last
// report and have gone, at most lastLook. It is called once, while Run runs.
func (s *Server) Over() {
	s.folding.over.Store(true)
	close(s.hub.over)
	limit := time.NewTimer(lastLook)
	defer limit.Stop()
	select {
	case <-s.hub.gone:
	case <-s.hub.done:
	case <-limit.C:
	}
}

// Run serves until ctx is done. The listener is open then, and nobody accepts from it.
func (s *Server) Run(ctx context.Context) {
	var parts sync.WaitGroup
	parts.Go(func() { s.folding.Run(ctx) })
	parts.Go(func() { s.hub.Run(ctx) })
	answers, hangUp := context.WithCancel(context.Background())
	defer hangUp() // whoever waits for a turn to be answered waits no longer
	s.http.BaseContext = func(net.Listener) context.Context { return answers }
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		hurry, cancel := context.WithTimeout(context.Background(), lastAnswers)
		defer cancel()
		if s.http.Shutdown(hurry) != nil {
			s.http.Close() // hangs up; there is nothing to lose
		}
	})
	var listener net.Listener = &slots{Listener: kept{s.cfg.Listener}}
	if s.cfg.TLS != nil {
		listener = tls.NewListener(listener, newHandshakes().pacing(s.cfg.TLS))
	}
	err := s.http.Serve(listener)
	if stop() { // it failed by itself
		s.cfg.Logger.Error("http is no longer served", "error", err)
		<-ctx.Done()
	} else {
		<-stopped
	}
	parts.Wait()
}

// kept is a listener whose Close only ends the accepting.
type kept struct{ *net.TCPListener }

// Close makes Accept return; the socket stays open.
func (k kept) Close() error { return k.SetDeadline(time.Unix(1, 0)) }
