package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/internal/backoff"
	"bulkhead/internal/episode"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/reserve"
)

// acceptAgain is how long the listener pauses after an error such as EMFILE.
var acceptAgain = backoff.Policy{First: 10 * time.Millisecond, Most: time.Second}

// retryDescriptors is when a client should come again that no descriptor was left for.
const retryDescriptors = 5 * time.Second

// accept takes connections for the run until ctx is done. Connections that come
// after that wait in the kernel's backlog for the next run.
func (r *run) accept(ctx context.Context, listener *net.TCPListener) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		listener.SetDeadline(time.Unix(1, 0))
	})
	defer func() {
		if stop() {
			return
		}
		<-interrupted // else the old deadline could come after the new one and stay
		listener.SetDeadline(time.Time{})
	}()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { r.watchShed(ctx) })
	var trouble episode.Episode
	for ctx.Err() == nil {
		conn, err := listener.AcceptTCP()
		switch {
		case err == nil:
			if n := trouble.Over(); n > 0 {
				r.log.Info("connections are accepted again", "failures", n)
			}
			r.arrive(conn)
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
		default: // EMFILE, ENFILE, ENOBUFS, ENOMEM, or what was wrong with one connection (accept(2))
			if trouble.Failed(err) {
				r.log.Error("connections cannot be accepted; trying again", "error", err)
			}
			pause(ctx, acceptAgain.After(trouble.Failures, 0))
		}
	}
}

// arrive lets a connection in, or refuses it.
func (r *run) arrive(conn *net.TCPConn) {
	if reserve.CrowdsOut(conn) {
		r.shed(r.log.With("peer", conn.RemoteAddr().String()), fewDescriptors)
		door.RefuseAtOnce(conn, fewDescriptors) // gives the descriptor back
		return
	}
	t, no := r.gate.Enter(time.Now(), sourceOf(conn.RemoteAddr().String()))
	if no != nil {
		r.shedConnection(conn, no)
		return
	}
	var release func()
	if !t.MustSpeak() {
		var ok bool
		if release, ok = r.claimHandler(t); !ok {
			t.Leave(time.Now(), false)
			r.shedConnection(conn, r.scarceThreads())
			return
		}
	}
	r.connect(conn, t, release)
}

// sourceBits is how much of an IPv6 address names a source: one host commonly has a whole
// /64 to itself (RFC 6177, RFC 4291 section 2.5.1), and could use a new address each time.
const sourceBits = 64

// sourceOf returns who is counted as one source: the IPv4 address in the address of a TCP
// socket, or the /64 of its IPv6 address.
func sourceOf(peer string) netip.Addr {
	at, _ := netip.ParseAddrPort(peer) // never an error; the zero address is one too
	ip := at.Addr().Unmap().WithZone("")
	if ip.Is4() || !ip.IsValid() {
		return ip
	}
	net, _ := ip.Prefix(sourceBits) // never an error for an IPv6 address
	return net.Addr()
}

// fewDescriptors refuses a connection that no descriptor is left for.
var fewDescriptors = &door.Refusal{Why: "the supervisor has too few file descriptors left",
	RetryAfter: retryDescriptors}

// claimHandler reserves a handler for a connection until release, and reports whether there
// is one for it: one for each session that is away is kept for that.
func (r *run) claimHandler(t *door.Ticket) (release func(), ok bool) {
	claim := r.pool.Claim
	if t.ComesFirst() {
		claim = r.pool.ClaimFirst
	}
	release, ok = claim()
	if !ok {
		r.pool.Threads.Refused.Add(1) // there is always enough without
	}
	return release, ok
}

// connect starts serving one connection. release gives back the handler that is reserved for
// it; nil if none is.
func (r *run) connect(conn *net.TCPConn, t *door.Ticket, release func()) {
	r.accepted.Add(1)
	id := r.book.Connection()
	r.running.Go(func() {
		defer func() { t.Leave(time.Now(), false) }()
		r.connection(r.procCtx, id, conn, t, release)
	})
}

// pause waits for d or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// retryThreads is when a client should come again that no thread was left for.
const retryThreads = 5 * time.Second

// fewThreads refuses a connection whose handler would take threads from the reserve, and fewOnMachine
// one for which it would take them from others.
var (
	fewThreads   = &door.Refusal{Why: "the supervisor has too few threads left", RetryAfter: retryThreads}
	fewOnMachine = &door.Refusal{Why: "the supervisor leaves the last threads and processes of its machine " +
		"(kernel.pid_max, kernel.threads-max) to others", RetryAfter: retryThreads}
)

// scarceThreads is why no thread is left for a client.
func (r *run) scarceThreads() *door.Refusal {
	if r.pool.Threads.SharesLimit() {
		return fewOnMachine
	}
	return fewThreads
}

// accepting is whether connections are taken for a run. One goroutine uses it.
type accepting struct {
	run      *run
	listener *net.TCPListener
	stop     func() // nil while closed
}

func (a *accepting) open() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ended and awaited by stop
		defer close(done)
		a.run.accept(ctx, a.listener)
	}()
	a.stop = func() { cancel(); <-done }
}

// close returns when no further connection is taken. They wait in the kernel's
// backlog then.
func (a *accepting) close() {
	if a.stop != nil {
		a.stop()
		a.stop = nil
	}
}

// shedEvery is how often the connections shed since the last time are journalled
// and logged: a flood must not become a flood of records.
const shedEvery = 5 * time.Second

// shed counts a connection that is refused.
func (r *run) shed(log *slog.Logger, no *door.Refusal) {
	if r.shedding.Add(time.Now(), no.Why) {
		log.Warn("connections are shed", "reason", no.Why, "retry_after", no.RetryAfter)
	}
}

// recordShed journals and logs what was shed since it was last called.
func (r *run) recordShed() {
	var recs []*bulkheadv1.Record
	for _, s := range r.shedding.Take() {
		r.log.Warn("connections were shed", "connections", s.GetCount(), "reason", s.GetReason())
		recs = append(recs, &bulkheadv1.Record{Entry: &bulkheadv1.Record_ConnectionsShed{ConnectionsShed: s}})
	}
	if len(recs) > 0 {
		r.record(recs...) // that it failed ends the run
	}
}

// watchShed journals what is shed until ctx is done.
func (r *run) watchShed(ctx context.Context) {
	tick := time.NewTicker(shedEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.recordShed()
		case <-ctx.Done():
			return
		}
	}
}

// shedConnection sheds a connection whose socket is still the supervisor's, and takes it
// over.
func (r *run) shedConnection(conn *net.TCPConn, no *door.Refusal) {
	r.shed(r.log.With("peer", conn.RemoteAddr().String()), no)
	r.farewell.Refuse(r.procCtx, conn, no)
}

// shedClient sheds a client that has said Hello, through its handler.
func (r *run) shedClient(l *link, no *answer) {
	l.refused, l.shed = true, true // not rejected: it may come again and get in
	why := &door.Refusal{Why: no.text, RetryAfter: no.retryAfter}
	r.shed(l.log, why)
	l.finish(answer{code: codes.Unavailable, reason: no.reason, text: why.String(), retryAfter: no.retryAfter,
		elsewhere: r.elsewhereOf(no.reason)})
}
