package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"bulkhead/client/route"
	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
	"bulkhead/internal/human"
)

const (
	// dialPatience is how long one TCP connect is waited for before another address is dialled as
	// well; the first that is connected counts. It leaves a lost packet time to be sent again.
	dialPatience = 1200 * time.Millisecond
	// shownFailures is how many addresses are named that did not serve.
	shownFailures = 4
)

// Way is how a client or an agent gets to a supervisor: by the addresses that it was given. One
// goroutine uses it.
type Way struct {
	given    value.Addresses
	tls      config.ClientTLS
	resolver route.Resolver
	route    *route.Route

	// learned has what supervisors have named beside these: at most value.MaxAddresses.
	learned []route.Name
	secret  bool // the client has a token

	at       route.Target    // that was connected to last
	on       bool            // it has not ended
	failures []route.Failure // of this round
	aliens   int             // of these, how many are no supervisors
}

// NewWay returns a way to the supervisors of some addresses. The seed is that of the client alone,
// which sets the order in which it tries them; first is the one that it begins with, empty for
// whichever is first in that order.
// secret says that the client has a token.
func NewWay(given value.Addresses, tls config.ClientTLS, secret bool, seed []byte, first string) *Way {
	return &Way{given: given, tls: tls, secret: secret, route: route.New(seed, first)}
}

// String returns the addresses that were given.
func (w *Way) String() string { return strings.Join(w.given, ", ") }

// At returns the address that was connected to last, for people.
func (w *Way) At() string {
	if w.at.Address == "" {
		return w.String()
	}
	return w.at.String()
}

// who returns what is spoken of at the end of a round, for people.
func (w *Way) who() string {
	switch len(w.failures) {
	case 0:
		return w.At()
	case 1:
		return w.failures[0].Address
	default:
		return w.String()
	}
}

// stay makes the next round begin with the address that was connected to last.
func (w *Way) stay() { w.route.Welcomed(w.at) }

// Dialled returns the same as it was dialled; empty if there is none.
func (w *Way) Dialled() string { return w.at.Dial }

// dial connects to the first of the addresses that this round has left, or of all in a new one. Its error is
// that of each of them.
func (w *Way) dial(ctx context.Context, heard func(at time.Time)) (*dialled, error) {
	if len(w.route.Left()) == 0 {
		var names []route.Name
		for _, address := range w.given {
			names = append(names, route.Name{Address: address, Prove: address})
		}
		targets, missing := w.resolver.Resolve(ctx, append(names, w.learned...))
		targets = slices.DeleteFunc(targets, func(t route.Target) bool { return t.Learned && !near(t) })
		w.failures, w.aliens = nil, 0
		for _, f := range missing {
			w.failures = append(w.failures, route.Failure{Address: f.Address, Err: dialError(f.Err, f.Address)})
		}
		w.route.Begin(time.Now(), targets)
	}
	socket, err := w.race(ctx, w.route.Left())
	if err != nil {
		return nil, err
	}
	return dial(ctx, socket, w.at, w.tls, heard)
}

// attempt is how dialling one target ended.
type attempt struct {
	target route.Target
	conn   net.Conn
	err    error
}

// race dials targets, each some time after the one before or once that has failed, and returns the
// first connection. What it dialled beside that has been tried.
func (w *Way) race(ctx context.Context, targets []route.Target) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan attempt, len(targets)) // so nobody waits to send
	var dialling sync.WaitGroup
	defer func() { // whoever is connected after the first
		cancel()
		dialling.Wait()
		close(ended)
		for a := range ended {
			if a.err == nil {
				a.conn.Close()
			}
			w.tried(a.target, fmt.Errorf("no answer to the connect in %s", human.BriefDuration(dialPatience)))
		}
	}()
	dialer := net.Dialer{Timeout: dialTimeout}
	var open int
	rest := targets
	more := func() {
		if len(rest) == 0 {
			return
		}
		target := rest[0]
		rest = rest[1:]
		open++
		dialling.Go(func() { // ends within dialTimeout, or with ctx
			conn, err := dialer.DialContext(ctx, "tcp", target.Dial)
			ended <- attempt{target, conn, err}
		})
	}
	more()
	patience := time.NewTicker(dialPatience)
	defer patience.Stop()
	for open > 0 {
		select {
		case a := <-ended:
			open--
			if a.err == nil {
				w.at, w.on = a.target, true
				return a.conn, nil
			}
			if context.Cause(ctx) != nil { // that is why
				return nil, context.Cause(ctx)
			}
			w.tried(a.target, dialError(a.err, a.target.Address))
			more()
			patience.Reset(dialPatience)
		case <-patience.C:
			more()
		}
	}
	return nil, w.failure()
}

// tried takes note of a target that could not be connected to.
func (w *Way) tried(t route.Target, err error) {
	w.route.Tried(t, route.Failed)
	w.failures = append(w.failures, route.Failure{Address: t.String(), Err: err})
}

// ended takes note of how the connection ended that dial made, if it made one, and what its
// supervisor asked for. It reports whether another address can be tried at once.
func (w *Way) ended(how route.End, err error, after time.Duration) (more bool) {
	if !w.on {
		return len(w.route.Left()) > 0
	}
	w.on = false
	if how == route.Failed || how == route.Stranger {
		w.failures = append(w.failures, route.Failure{Address: w.at.String(), Err: err})
	}
	return w.route.Ended(time.Now(), w.at, how, after)
}

// over returns why a round came to nothing whose last try ended so, and when to begin another.
func (w *Way) over(last retryable) retryable {
	if len(w.failures) > 1 {
		last.error = w.failure().error
	}
	last.after = w.route.Wait(time.Now())
	return last
}

// failure returns what became of the addresses of this round.
func (w *Way) failure() retryable {
	switch len(w.failures) {
	case 0:
		return broken(errors.New("there is no address to connect to"))
	case 1:
		return broken(w.failures[0].Err)
	}
	var texts []string
	for _, f := range w.failures[:min(len(w.failures), shownFailures)] {
		texts = append(texts, fmt.Sprintf("%s: %v", f.Address, f.Err))
	}
	if more := len(w.failures) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return broken(errors.New(strings.Join(texts, "; ")))
}
